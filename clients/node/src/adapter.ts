/** From the session objects of frameworks to sessions on the server, and back. */
import { isDeepStrictEqual } from 'node:util'
import type { Arg } from './clients.js'
import { cookieOf, decode, encode, type Serializer, withCookie } from './codec.js'
import { type CookieData, stored, timesOf } from './cookie.js'
import { type Data, type Session, SessionError, Sessions, type Times, type WriteOptions } from './core.js'
import { join, type Members, parse } from './fields.js'
import { Legacy } from './legacy.js'
import type { RedisSessionStoreOptions } from './options.js'
import { outcome } from './outcome.js'
import { milliseconds } from './times.js'

/** What is known of the session behind a session object. */
interface Entry {
  /** Where it was read: another store has none of it. */
  core: Sessions
  session: Session
  /** The cookie as it is stored. */
  cookie: CookieData | undefined
}

interface Write extends WriteOptions {
  /** The cookie as it is to be stored: the very one that is, where it has not changed. */
  cookie: CookieData | undefined
  /** Whether the cookie has expired, which ends the session. */
  isPast: boolean
}

const ENTRY = Symbol('entry')

const NONE: Members = new Map()

/** Of objects that nobody may add a property to. */
const sealed = new WeakMap<object, Entry>()

/** Notes at a session object what is known of its session. (A WeakMap of all is a burden to the garbage collector.) */
function note(data: object, entry: Entry): void {
  if (!Object.isExtensible(data)) sealed.set(data, entry)
  else Object.defineProperty(data, ENTRY, { value: entry, configurable: true, writable: true })
}

const noted = (data: object): Entry | undefined => (data as { [ENTRY]?: Entry })[ENTRY] ?? sealed.get(data)

export class Adapter<S extends object = Data> {
  readonly core: Sessions
  readonly serializer: Serializer
  readonly ttl: number | ((session: S) => number)
  readonly #options: RedisSessionStoreOptions<S>
  readonly #legacy: Legacy | undefined
  /** Sessions in the hands of the request that has taken them over: what it saves says of which device. */
  readonly #takenOver = new WeakSet<Session>()
  readonly #emitGone: (sid: string, session: S) => void

  constructor(options: RedisSessionStoreOptions<S>, emitGone: (sid: string, session: S) => void) {
    this.core = new Sessions(options)
    this.serializer = options.serializer ?? JSON
    this.ttl = options.ttl ?? 86_400
    if (typeof this.ttl !== 'function') milliseconds(this.ttl, 'ttl')
    this.#options = options
    this.#emitGone = emitGone
    this.#legacy = options.legacy ? new Legacy(options.legacy, this.core) : undefined
  }

  /** @throws SessionError SESSIONSERVER where the server lacks what is needed. */
  async ready(): Promise<void> {
    await this.core.ready()
    await this.#legacy?.ready()
  }

  /** @param carry Whether what is read has to survive that a framework copies it by its enumerable members. */
  async get(sid: string, carry = true): Promise<S | null> {
    const { disableTouch, touchOnGet = !disableTouch } = this.#options
    const session = (await (touchOnGet ? this.core.load(sid) : this.core.peek(sid))) ?? (await this.#moveIn(sid))
    if (session === null) return null
    // At this time it never counts as one that was not used for long.
    if (disableTouch) session.at = Number.POSITIVE_INFINITY
    return this.#read(session, carry)
  }

  async set(sid: string, data: S): Promise<void> {
    const entry = this.#entryOf(sid, data)
    const write = this.#write(data, entry)
    if (write.isPast) return this.destroy(sid)
    if (entry === undefined) return this.#create(sid, data, write)
    const { session } = entry
    write.data = data
    if (this.serializer === JSON) write.other = cookieOf(write.cookie, write.cookie === entry.cookie)
    else write.members = encode(data, write.cookie, this.serializer)
    write.replace = this.#options.save === 'replace'
    if (!(await this.core.save(session, write))) return this.#gone(sid, data)
    this.#remember(data, session, write)
  }

  /**
   * A session that was read was kept alive then. So there is something to do only if its cookie, its user or its time
   * without use is another one, or if the request took long.
   */
  async touch(sid: string, data: S): Promise<void> {
    const entry = this.#entryOf(sid, data)
    const write = this.#write(data, entry)
    if (write.isPast) return this.destroy(sid)
    const members = this.#cookieMembers(data, write, entry)
    if (entry === undefined) {
      if (!this.#options.disableTouch) await this.core.adjust(sid, write, members)
    } else if (await this.core.save(entry.session, { ...write, members, partial: true })) {
      this.#remember(data, entry.session, write)
    } else if (members.size > 0) {
      this.#gone(sid, data)
    }
  }

  async destroy(sid: string): Promise<void> {
    await this.core.destroy(sid)
    await this.#legacy?.end(sid)
  }

  /** All sessions but those that a rotation left behind. */
  async all(): Promise<S[]> {
    const ids = await this.core.ids()
    const sessions: S[] = []
    for (let i = 0; i < ids.length; i += this.core.scanCount) {
      const some = await Promise.all(ids.slice(i, i + this.core.scanCount).map((id) => this.core.peek(id)))
      for (const session of some) {
        if (session !== null && !session.isSnapshot) sessions.push({ ...(await this.#read(session)), id: session.id })
      }
    }
    return sessions
  }

  async update(sid: string, change: (session: S) => unknown): Promise<S | null> {
    const session = await this.core.update(
      sid,
      async (data) => {
        const session = withCookie(await decode(data, this.serializer), Date.now())
        const other = await outcome(change, session)
        // Without its cookie, no framework could read the session any more.
        return other === session ? session : { cookie: session.cookie, ...other }
      },
      (data) => {
        const cookie = data.cookie && stored(data.cookie)
        return { members: encode(data, cookie, this.serializer), user: this.#userOf(data) }
      },
    )
    return session && (session.data as S)
  }

  /** Whether the session was ever stored, as far as this object is known. */
  isStored(sid: string, data: S): boolean {
    return this.#entryOf(sid, data) !== undefined
  }

  /** The id of the session if it can only be read: what a rotation left for requests under way. */
  snapshotId(data: S): string | undefined {
    const session = (noted(data) ?? carried(data))?.session
    return session?.isSnapshot ? session.id : undefined
  }

  /** Whether nothing can be written: the session has ended or has another id, and the browser is not to get this one again. */
  isOver(data: S): boolean {
    const session = (noted(data) ?? carried(data))?.session
    return session !== undefined && (session.isSnapshot || session.isGone)
  }

  /**
   * Gives a stored session another id; `to` is the object that is the session from then on.
   *
   * @returns The id; null if the session has ended.
   */
  async rotate(sid: string, data: S, id: string, grace: number, to = data): Promise<string | null> {
    const entry = this.#entryOf(sid, data)!
    const write = this.#write(data, entry)
    const members = encode(data, write.cookie, this.serializer)
    const session = await this.core.rotate(entry.session, { ...write, data, members, id, grace })
    if (session === null) return null
    this.#remember(to, session, write)
    return session.id
  }

  /**
   * As `rotate`, for a framework that has made the new id by itself, and for any session: one that was never stored is
   * stored, and where it has ended meanwhile a new one begins with what this request has changed.
   *
   * @throws TypeError where a rotation cannot give this id.
   */
  async rotateTo(sid: string, data: S, id: string, grace: number, to = data): Promise<void> {
    if (!this.isStored(sid, data)) return this.set(id, to)
    if (this.core.besideOf(sid, id) !== id) {
      throw new TypeError(
        'In a cluster, and with hashKeys, a new id begins as the old one: give @fastify/session idGenerator(store)',
      )
    }
    if ((await this.rotate(sid, data, id, grace, to)) !== null) return
    const changes = await this.changes(sid, data)
    for (const name of Object.keys(to)) if (name !== 'cookie' && !(name in changes)) delete (to as Data)[name]
    return this.set(id, to)
  }

  /** Of what a stored session holds, that which this request has changed. */
  async changes(sid: string, data: S): Promise<Partial<S>> {
    const { session } = this.#entryOf(sid, data)!
    const before = await decode(parse(join(session.known.members)), this.serializer)
    const isOther = ([name, value]: [string, unknown]) => name !== 'cookie' && !isDeepStrictEqual(value, before[name])
    return Object.fromEntries(Object.entries(data).filter(isOther)) as Partial<S>
  }

  /** Lets `to` be the session that `from` is: a framework has made a new object of what it was given. */
  carryOver(from: object, to: object): void {
    const entry = noted(from)
    if (entry !== undefined) note(to, entry)
  }

  #read(session: Session, carry = false): S | Promise<S> {
    const decoded = decode(session.data, this.serializer)
    return decoded instanceof Promise
      ? decoded.then((data) => this.#own(data, session, carry))
      : this.#own(decoded, session, carry)
  }

  #own(data: Data, session: Session, carry: boolean): S {
    const entry = this.#entry(session, data.cookie)
    note(data, entry)
    withCookie(data, session.accessed)
    // A framework that copies what it is given, and the cookie by its toJSON, takes the entry along with the cookie.
    if (carry && data.cookie)
      Object.defineProperty(data.cookie, 'toJSON', { value: () => ({ ...data.cookie, [ENTRY]: entry }) })
    return data
  }

  #entryOf(sid: string, data: S): Entry | undefined {
    const entry = noted(data) ?? carried(data)
    return entry?.session.id === sid && entry.core === this.core ? entry : undefined
  }

  #remember(data: S, session: Session, { cookie }: Write): void {
    const entry = noted(data)
    if (entry?.session !== session || entry.cookie !== cookie) note(data, this.#entry(session, cookie))
  }

  #entry(session: Session, cookie: CookieData | undefined): Entry {
    // The framework has them. Its session leads to the whole request, which would be a burden to the garbage collector.
    session.data = undefined
    return { core: this.core, session, cookie }
  }

  async #create(sid: string, data: S, write: Write): Promise<void> {
    const members = encode(data, write.cookie, this.serializer)
    try {
      this.#remember(data, await this.core.put(sid, data, { ...write, members }), write)
    } catch (error) {
      if (!(error instanceof SessionError) || error.code !== 'SESSIONGONE') throw error
      this.#gone(sid, data)
    }
  }

  #gone(sid: string, data: S): void {
    this.#emitGone(sid, data)
    if (this.#options.onGone !== 'error') return
    throw new SessionError('SESSIONGONE', 'The session ended before this request did: what it wrote was dropped')
  }

  /** What a write of this session object says, but for its members. */
  #write(data: S, entry: Entry | undefined): Write {
    const { cookie: now } = data as { cookie?: CookieData }
    const cookie = now ? stored(now, entry?.cookie) : undefined
    const { idle, end } = this.#times(data)
    const user = this.#userOf(data)
    return {
      cookie,
      isPast: (typeof idle === 'number' && idle <= 0) || (end != null && 'at' in end && end.at <= Date.now()),
      user,
      idle,
      end: entry !== undefined && entry.cookie === cookie ? undefined : (end ?? this.#endInstead(entry)),
      device: this.#isNewToUser(user, entry) ? this.#device(data) : undefined,
    }
  }

  /** What ends a session whose cookie had a date, and has none any more. */
  #endInstead(entry: Entry | undefined): Times['end'] {
    if (entry === undefined || timesOf(entry.cookie, null).end === undefined) return undefined
    const { lifetime } = this.#options
    return lifetime === undefined ? null : { lifetime: milliseconds(lifetime, 'lifetime') }
  }

  #times(data: S): Times {
    if (this.#options.disableTTL) return { idle: null }
    const { cookie } = data as { cookie?: CookieData }
    if (typeof this.ttl === 'number') return this.#withinLifetime(timesOf(cookie, this.ttl * 1000))
    const seconds = this.ttl(data)
    if (typeof seconds !== 'number' || Number.isNaN(seconds)) throw new TypeError('ttl must give a number of seconds')
    return { idle: seconds * 1000 }
  }

  /** A session has one end: the date of its cookie, but no later than its lifetime allows. */
  #withinLifetime({ idle, end }: Times): Times {
    const { lifetime } = this.#options
    if (lifetime === undefined || !end || !('at' in end)) return { idle, end }
    return { idle, end: { at: Math.min(end.at, Date.now() + milliseconds(lifetime, 'lifetime')) } }
  }

  #userOf(data: S): string | null | undefined {
    if (this.#options.user === undefined) return undefined
    const user = this.#options.user(data)
    return user === undefined || user === null || user === '' ? null : nameOf(user)
  }

  /** Whether the session becomes this user's, or was taken over from the old store, which knows of no devices. */
  #isNewToUser(user: string | null | undefined, entry: Entry | undefined): boolean {
    if (typeof user !== 'string') return false
    return entry === undefined || user !== entry.session.user || this.#takenOver.has(entry.session)
  }

  #device(data: S): unknown {
    const { req } = data as { req?: unknown }
    return req === undefined ? undefined : this.#options.device?.(req)
  }

  /** The members to save where nothing but the cookie can have changed. */
  #cookieMembers(data: S, { cookie }: Write, entry: Entry | undefined): Members {
    if (cookie === undefined || cookie === entry?.cookie) return NONE
    if (this.serializer !== JSON) return entry === undefined ? NONE : encode(data, cookie, this.serializer)
    // Of a session that nobody has read the date is kept by the server alone.
    if (entry === undefined && typeof cookie.originalMaxAge !== 'number') return NONE
    return new Map([['cookie', JSON.stringify(cookie)]])
  }

  /** Takes a session over from the old store, if it has one. */
  async #moveIn(sid: string): Promise<Session | null> {
    if (this.#legacy === undefined) return null
    const data = await this.#legacy.read(sid)
    // Another request may have taken it over since this one asked for the new session.
    if (typeof data !== 'object' || data === null) return this.core.load(sid)
    const write = this.#write(data, undefined)
    if (write.isPast) return null
    const members = encode(data, write.cookie, this.serializer)
    const send = (words: Arg[]) => this.#legacy!.takeOver(sid, words)
    const session = await this.core.add(sid, data, { ...write, members, send }).catch(nullAtLimit)
    // Another request was faster, or the user has as many as allowed.
    if (session === null) return this.core.load(sid)
    this.#takenOver.add(session)
    return session
  }
}

/** Whoever has too many sessions cannot take over another one, and is shown the page to sign in. */
function nullAtLimit(error: unknown): null {
  if (error instanceof SessionError && error.code === 'SESSIONLIMIT') return null
  throw error
}

/** The name of a user, also where that is an object that has one as its text, such as an id of MongoDB's. */
function nameOf(user: unknown): string {
  const name = String(user)
  // As a name these would be many people's.
  if (typeof user === 'boolean' || Number.isNaN(user) || name.startsWith('[object ')) {
    throw new TypeError(`user must give the name of a user as a string or a number, and gave ${name}`)
  }
  return name
}

/** What @fastify/session has taken along: it keeps the options of the cookie that it was given, under a symbol of its own. */
function carried(data: object): Entry | undefined {
  for (const symbol of Object.getOwnPropertySymbols(data)) {
    const value = (data as Record<symbol, unknown>)[symbol]
    if (typeof value === 'object' && value !== null && ENTRY in value) return value[ENTRY] as Entry
  }
  return undefined
}
