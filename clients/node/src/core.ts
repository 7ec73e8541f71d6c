/**
 * Sessions without any framework: what the stores for Express, Koa and better-auth stand on, and what a program uses
 * that has none of these.
 *
 * @example
 * const sessions = new Sessions({ client, prefix: 'shop:', idle: 1800 })
 * const { id } = await sessions.create({ lang: 'en' })
 * const session = await sessions.load(id)
 * session.data.cart = [17]
 * await sessions.save(session)
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Arg, type Connection, connection, type Reply, record } from './clients.js'
import { count, type Device, type Limit, type LimitPolicy, list, makeRoom, signOut, signOutAll } from './devices.js'
import { SessionError } from './errors.js'
import { type Change, DEVICE, everything, join, membersOf, parse } from './fields.js'
import { handleOf, Keys, newId } from './keys.js'
import { outcome } from './outcome.js'
import { checkServer, checkUser } from './ready.js'
import { scan } from './scan.js'
import { sendOnce, sendTo, unlessGone } from './send.js'
import { type Data, type Difference, difference, Session, type WriteOptions, written } from './session.js'
import { milliseconds, type Times, timeWords } from './times.js'

export type { Connection } from './clients.js'
export type { Device, LimitPolicy } from './devices.js'
export { SessionError, type SessionErrorCode } from './errors.js'
export { type Data, Session, type WriteOptions } from './session.js'
export type { End, Times } from './times.js'

export interface SessionsOptions {
  /** A client of node-redis (>= 5) or ioredis (>= 5): of one server, behind Sentinel, or of a cluster. */
  client: unknown
  /** What keys begin with. `sess:` where nothing is said. */
  prefix?: string | undefined
  /** Seconds that a session lives without use, 1800 where nothing is said; null: no limit. */
  idle?: number | null | undefined
  /** Seconds that a session lives at most, counted from when it began for its user. No limit where nothing is said. */
  lifetime?: number | undefined
  /** How many sessions a user may have. A number alone ends the oldest to make room. */
  maxSessions?: number | { count: number; policy: LimitPolicy } | undefined
  /** Whether keys hold a hash of the id instead of the id: what is read in the database then signs nobody in. */
  hashKeys?: boolean | undefined
  /** How many keys `ids`, `size` and `clear` look at in one step. 100 where nothing is said. */
  scanCount?: number | undefined
}

export interface RotateOptions extends WriteOptions {
  /** Seconds for which the old id can still be read, 10 where nothing is said, 300 at most; 0 ends it at once. */
  grace?: number
  /** The new id, where the application makes its own. In a cluster, and with `hashKeys`, its first four characters become those of the old one. */
  id?: string
}

/** A request that took longer than this counts as another access, even if it has changed nothing. */
const LONG_REQUEST = 60_000
const UPDATE_TRIES = 100

function limitOf(maxSessions: SessionsOptions['maxSessions']): Limit | undefined {
  if (maxSessions === undefined) return undefined
  const { count, policy } =
    typeof maxSessions === 'number' ? { count: maxSessions, policy: 'oldest' as const } : maxSessions
  if (!Number.isInteger(count) || count < 1) throw new TypeError('maxSessions must be an integer above 0')
  if (!['reject', 'oldest', 'lru'].includes(policy)) throw new TypeError('policy must be reject, oldest or lru')
  return { count, policy }
}

function sessionOf<D>(id: string, { user, idle, data }: Record<string, Reply>): Session<D> {
  const text = String(data)
  return new Session(id, parse(text) as D, user as string | null, idle === null ? null : Number(idle), text)
}

/** As `record`, quicker: this is the reply to every request. */
function loaded(reply: Reply): Record<string, Reply> {
  if (!Array.isArray(reply)) return record(reply)
  return { user: reply[1]!, idle: reply[3]!, grace: reply[5]!, data: reply[7]! }
}

export class Sessions<D extends object = Data> {
  readonly connection: Connection
  readonly prefix: string
  readonly scanCount: number
  readonly #keys: Keys
  readonly #idle: number | null
  readonly #lifetime: { lifetime: number } | undefined
  readonly #limit: Limit | undefined

  /** @throws TypeError for options that make no sense. */
  constructor(options: SessionsOptions) {
    const { prefix = 'sess:', idle = 1800, lifetime, maxSessions, hashKeys = false, scanCount = 100 } = options
    this.connection = connection(options.client, prefix)
    this.prefix = prefix
    this.scanCount = scanCount
    this.#keys = new Keys({
      prefix: this.connection.keyPrefix + prefix,
      hashed: hashKeys,
      cluster: this.connection.topology === 'cluster',
    })
    this.#idle = idle === null ? null : milliseconds(idle, 'idle')
    this.#lifetime = lifetime === undefined ? undefined : { lifetime: milliseconds(lifetime, 'lifetime') }
    this.#limit = limitOf(maxSessions)
  }

  /** Reads a session and keeps it alive. Null: there is none. */
  async load(id: string): Promise<Session<D> | null> {
    const words = ['SESSION.GETEX', this.#keys.of(id), 'META', '3', 'user', 'idle', 'grace', 'JSON']
    const reply = await sendTo(this.connection, words)
    if (reply === null) return null
    const state = loaded(reply)
    const session = sessionOf<D>(id, state)
    session.isSnapshot = state.grace !== null
    return session
  }

  /** Reads a session, which is no use of it: it ends when it would have ended. */
  async peek(id: string): Promise<Session<D> | null> {
    const words = ['SESSION.GET', this.#keys.of(id), 'META', '4', 'user', 'idle', 'accessed', 'grace', 'JSON']
    const reply = await sendTo(this.connection, words)
    if (reply === null) return null
    const state = record(reply)
    const session = sessionOf<D>(id, state)
    session.accessed = Number(state.accessed)
    session.isSnapshot = state.grace !== null
    session.at = Number.NEGATIVE_INFINITY
    return session
  }

  /** Begins a session under a new id. @throws SessionError SESSIONLIMIT, SESSIONSIZE. */
  async create(data: D, options: WriteOptions = {}): Promise<Session<D>> {
    return this.put(newId(), data, options)
  }

  /**
   * Writes a session whole, whatever was there.
   *
   * @throws SessionError SESSIONGONE where a session had this id until it was rotated a moment ago; SESSIONLIMIT,
   *   SESSIONSIZE.
   */
  async put(id: string, data: D, options: WriteOptions = {}): Promise<Session<D>> {
    return (await this.#put(id, data, 'REPLACE', options))!
  }

  /** Begins a session with an id that the caller knows. @returns Null if there is one already. */
  add(id: string, data: D, options: WriteOptions = {}): Promise<Session<D> | null> {
    return this.#put(id, data, 'NX', options)
  }

  async #put(id: string, data: D, how: 'REPLACE' | 'NX', options: WriteOptions): Promise<Session<D> | null> {
    this.#keys.check(id)
    const { user, idle = this.#idle, end = this.#lifetime } = options
    const { send = (words) => sendTo(this.connection, words) } = options
    const members = options.members === undefined ? membersOf(data) : new Map(options.members)
    const fields = everything(members, options.device)
    const key = this.#keys.of(id)
    const words = ['SESSION.SET', key, how, ...this.#words({ user, idle, end }), ...fieldWords(fields)]
    if ((await this.#bind(user, key, () => send(words))) === null) return null
    return new Session(id, data, user ?? null, idle, fields.after!)
  }

  /**
   * Writes what has changed in `session.data` since it was read, and only that: what others wrote meanwhile stays. Where
   * nothing has changed nothing is sent, unless it was read long ago.
   *
   * @returns Whether the session is still there. If it has ended, nothing was written.
   * @throws SessionError SESSIONLIMIT, SESSIONSIZE.
   */
  save(session: Session<D>, options: WriteOptions = {}): Promise<boolean> {
    return session.inTurn(() => this.#save(session, options))
  }

  async #save(session: Session<D>, options: WriteOptions): Promise<boolean> {
    const change = difference(session, options)
    if (change.isEmpty) return this.#stillUsed(session)
    const key = this.#keys.of(session.id)
    const words = ['SESSION.SET', key, 'XX', ...this.#words(change), ...fieldWords(change)]
    if (options.replace) words.push('REPLACE')
    const write = () => this.connection.send(words)
    session.isGone = (await unlessGone(this.#bind(change.user, key, write))) === null
    if (!session.isGone) written(session, change)
    return !session.isGone
  }

  /** Says that a session is in use. @returns Whether it is there. */
  async touch(session: Session<D> | string): Promise<boolean> {
    const id = typeof session === 'string' ? session : session.id
    if (typeof session !== 'string') session.at = performance.now()
    return Number(await sendTo(this.connection, ['SESSION.TOUCH', this.#keys.of(id)])) === 1
  }

  /** Changes when a session ends, and says that it is in use; also sets members. @returns Whether it is there. */
  async adjust(id: string, times: Times, members: ReadonlyMap<string, string> = new Map()): Promise<boolean> {
    const key = this.#keys.of(id)
    const head = members.size > 0 ? ['SESSION.SET', key, 'XX', 'JSON', join(members)] : ['SESSION.ADJUST', key]
    return Number(await unlessGone(sendTo(this.connection, [...head, ...timeWords(times)]))) > 0
  }

  /**
   * Gives a session a new id, as at a sign-in, and writes what has changed in the same step.
   *
   * @returns The session under its new id; null if it has ended, or has got another id already.
   * @throws SessionError SESSIONLIMIT, SESSIONSIZE.
   */
  rotate(session: Session<D>, options: RotateOptions = {}): Promise<Session<D> | null> {
    return session.inTurn(() => this.#rotate(session, options))
  }

  async #rotate(session: Session<D>, options: RotateOptions): Promise<Session<D> | null> {
    const { grace = 10 } = options
    const id = this.#keys.beside(session.id, options.id ?? newId())
    const key = this.#keys.of(id)
    const change = difference(session, options)
    const words = [
      ...['SESSION.ROTATE', this.#keys.of(session.id), key, ...(options.replace ? ['REPLACE'] : [])],
      ...this.#words(change),
      ...fieldWords(change),
      ...(grace > 0 ? ['PGRACE', String(Math.round(grace * 1000))] : []),
    ]
    // Only with a grace does the server know a rotation that is sent again for the same one.
    const write = () => (grace > 0 ? sendTo : sendOnce)(this.connection, words)
    session.isGone = (await unlessGone(this.#bind(change.user, key, write, this.#keys.of(session.id)))) === null
    if (session.isGone) return null
    written(session, change)
    return new Session(id, session.data, session.user, session.idle, session.known)
  }

  /**
   * Changes a session on the state that the server has: `change` gets its data and changes it, or returns other data.
   * Where somebody wrote meanwhile it is called again, with the new state.
   *
   * @returns The session as it was written; null if there is none.
   * @throws SessionError SESSIONCONFLICT after very many tries; SESSIONLIMIT, SESSIONSIZE.
   */
  async update(
    id: string,
    // biome-ignore lint/suspicious/noConfusingVoidType: a function that changes its argument returns nothing
    change: (data: D) => D | void | Promise<D | void>,
    options: (data: D) => WriteOptions = () => ({}),
  ): Promise<Session<D> | null> {
    for (let tries = 0; tries < UPDATE_TRIES; tries++) {
      if (tries > 0) await sleep(Math.random() * Math.min(2 ** tries, 128))
      const words = ['SESSION.GET', this.#keys.of(id), 'META', '3', 'user', 'idle', 'version', 'JSON']
      const reply = await sendTo(this.connection, words)
      if (reply === null) return null
      const state = record(reply)
      const session = sessionOf<D>(id, state)
      session.data = await outcome(change, session.data)
      if (await this.#saveVersion(session, state.version!, options(session.data))) return session
    }
    throw new SessionError('SESSIONCONFLICT', `Others changed the session at every one of ${UPDATE_TRIES} tries`)
  }

  /** Ends a session. @returns Whether it was there. */
  async destroy(id: string): Promise<boolean> {
    return Number(await sendTo(this.connection, ['SESSION.DEL', this.#keys.of(id)])) === 1
  }

  /** The sessions that a user has here, the one that was used last first. */
  sessions(user: string, currentId?: string): Promise<Device[]> {
    return list(this.connection, this.#keys, user, currentId)
  }

  /** How many sessions a user has, under whatever prefix. */
  count(user: string): Promise<number> {
    return count(this.connection, user)
  }

  /** Ends the session of a user that has this handle. @returns Whether there is one. */
  signOut(user: string, handle: string): Promise<boolean> {
    return signOut(this.connection, user, handle)
  }

  /**
   * Ends all sessions of a user, or all but one: also those of other prefixes, if another program has the same users.
   *
   * @returns How many were ended, with what rotations have left behind for a moment.
   */
  signOutAll(user: string, exceptId?: string): Promise<number> {
    return signOutAll(this.connection, user, exceptId === undefined ? undefined : this.#keys.of(exceptId))
  }

  /** The ids of all sessions. @throws Error with `hashKeys`: the server does not know them. */
  async ids(): Promise<string[]> {
    const keys = await scan(this.connection, this.#keys.prefix, this.scanCount)
    return keys.map((key) => this.#keys.idOf(key))
  }

  /** How many sessions there are. */
  async size(): Promise<number> {
    return (await scan(this.connection, this.#keys.prefix, this.scanCount)).length
  }

  /** Ends all sessions. */
  async clear(): Promise<void> {
    const keys = await scan(this.connection, this.#keys.prefix, this.scanCount)
    for (let i = 0; i < keys.length; i += this.scanCount) {
      const some = keys.slice(i, i + this.scanCount)
      // The keys of one command must be of one slot.
      const commands = this.connection.topology === 'cluster' ? some.map((key) => [key]) : [some]
      await Promise.all(commands.map((keys) => sendTo(this.connection, ['SESSION.DEL', ...keys])))
    }
  }

  /**
   * Asks the server whether it has what is needed.
   *
   * @throws SessionError SESSIONSERVER, which says in one sentence what is missing; whatever keeps the server from
   *   answering.
   */
  async ready(): Promise<void> {
    await checkServer(this.connection)
    const key = this.#keys.of('ready')
    await checkUser(this.connection, key, [['SESSION.GETEX', key]])
  }

  /** The key of a session on the server. */
  keyOf(id: string): string {
    return this.#keys.of(id)
  }

  /** @internal The id that a rotation to `id` really gives. */
  besideOf(former: string, id: string): string {
    return this.#keys.beside(former, id)
  }

  /** The handle of a session, as `sessions` gives it. */
  handleOf(id: string): string {
    return handleOf(this.#keys.of(id))
  }

  /** Whose the session is and when it ends. One that newly becomes a user's gets the lifetime that is set. */
  #words({
    user,
    idle,
    end = user === undefined ? undefined : this.#lifetime,
  }: Pick<Difference, 'user' | 'idle' | 'end'>) {
    return [...this.#userWords(user), ...timeWords({ idle, end })]
  }

  #userWords(user: string | null | undefined): string[] {
    if (user === undefined) return []
    if (user === null) return ['NOUSER']
    if (this.#limit === undefined || this.connection.topology === 'cluster') return ['USER', user]
    return ['USER', user, 'MAXSESSIONS', String(this.#limit.count), this.#limit.policy.toUpperCase()]
  }

  /**
   * Carries out a write that makes a session this user's. In a cluster a node knows the sessions of its own slots only:
   * there the limit is kept here, over all primaries. (Two sign-ins in the same moment may both find room.)
   *
   * @param from The key that the session has until then.
   */
  #bind(user: string | null | undefined, key: string, write: () => Promise<Reply>, from = key): Promise<Reply> {
    const limit = this.#limit
    if (typeof user !== 'string' || limit === undefined || this.connection.topology !== 'cluster') return write()
    if (limit.policy === 'reject') return this.#bindWithin(limit.count, user, from, write)
    return write().then(async (reply) => {
      if (reply !== null) await makeRoom(this.connection, user, key, limit)
      return reply
    })
  }

  /** A session that is the user's already takes no room. */
  async #bindWithin(count: number, user: string, key: string, write: () => Promise<Reply>): Promise<Reply> {
    if ((await this.count(user)) >= count) {
      const owner = await sendTo(this.connection, ['SESSION.GET', key, 'META', '1', 'user', 'FIELDS', '1', DEVICE])
      if (record(owner).user !== user) {
        throw new SessionError('SESSIONLIMIT', `the user has the maximum of ${count} concurrent sessions`)
      }
    }
    return write()
  }

  /** Saves unless somebody has written since `version`. @returns Whether it is settled: written, or nothing to write. */
  async #saveVersion(session: Session<D>, version: Reply, options: WriteOptions): Promise<boolean> {
    const change = difference(session, options)
    if (change.isEmpty) return true
    const key = this.#keys.of(session.id)
    const words: Arg[] = ['SESSION.SET', key, 'IFVERSION', String(version), ...this.#words(change)]
    words.push(...fieldWords(change))
    // Sent twice, the second would find the version of the first and tell that somebody else was faster.
    const reply = await this.#bind(change.user, key, () => sendOnce(this.connection, words))
    if (reply !== null) written(session, change)
    return reply !== null
  }

  async #stillUsed(session: Session<D>): Promise<boolean> {
    const long = Math.min(LONG_REQUEST, (session.idle ?? Number.POSITIVE_INFINITY) / 10)
    return performance.now() - session.at < long || this.touch(session)
  }
}

/** What a write removes and sets. */
function fieldWords({ set, unset }: Change): string[] {
  const words = unset.length > 0 ? ['UNSET', String(unset.length), ...unset] : []
  return set.size > 0 ? [...words, 'JSON', join(set)] : words
}
