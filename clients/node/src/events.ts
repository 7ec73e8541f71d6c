/**
 * Sessions that ended, as they end: for servers that keep something open for a session, such as web sockets.
 *
 * The server publishes an event when a session ends, if it is told to. Events can be lost, though: a connection breaks, a
 * server fails over, a cluster gets other nodes. So whenever something may have been missed, and from time to time, the
 * sessions that are watched are asked for. Each that ended is reported once.
 */
import { type Connection, connection, record } from './clients.js'
import { NO_MODULE, SessionError } from './errors.js'
import { places } from './events/listeners.js'
import { Queue } from './events/queue.js'
import { Subscriptions } from './events/subscriptions.js'
import { type Answer, WatchedSessions } from './events/watched.js'

/**
 * Why a session ended, as far as the server tells.
 *
 * - `signed-out`: by SESSION.DEL, as a logout does
 * - `revoked`: from elsewhere, by SESSION.REVOKE, or to make room for a newer session of its user
 * - `expired`: its time was over
 * - `evicted`: the server needed the memory
 * - `rotated`: it goes on under another key, after a login for example
 * - `deleted`: by another command than those of sessions, DEL for example
 * - `unknown`: it was found missing after a time in which no event could arrive
 */
export type EndReason = 'signed-out' | 'revoked' | 'expired' | 'evicted' | 'rotated' | 'deleted' | 'unknown'

export interface EndedSession {
  /** What `watch` was called with. */
  readonly id: string
  /** The session's key on the server. */
  readonly key: string
  readonly reason: EndReason
}

/** What knows the keys of sessions: RedisSessionStore by its `core`, Sessions, the storage for better-auth. */
export interface KeyMaker {
  keyOf(id: string): string
}

export interface SessionEventsOptions {
  /** A store, so that sessions are watched by their session ids. Without one, they are watched by their keys. */
  store?: KeyMaker | { core: KeyMaker } | undefined
  /** The number of the database. By default the one that the client was made for. */
  database?: number | undefined
  /** True if the server publishes what is needed but does not let us see that (CONFIG GET), as hosted ones may. */
  published?: boolean | undefined
  /**
   * How often the watched sessions are asked for while the server publishes no events or cannot be listened to, and how
   * often the connections are tested, in milliseconds. Default 5000, at least 100. With events, sessions are asked for
   * twelve times less often.
   */
  interval?: number | undefined
  /** Is told once for each reason why events do not arrive. By default it becomes a warning of the process. */
  onWarning?: ((message: string) => void) | undefined
}

export interface SessionEvents extends AsyncIterableIterator<EndedSession, undefined> {
  /**
   * From now on, the end of this session is reported, also if it has ended already. A session that has been reported is
   * not watched any more.
   */
  watch(id: string): void
  unwatch(id: string): void
  /** Resolves when events are listened to, or when it is clear that sessions must be asked for instead. */
  ready(): Promise<void>
  /** Ends the iteration and closes all connections that it opened. The client stays as it is. */
  return(): Promise<IteratorResult<EndedSession, undefined>>
}

const EVENTS = [
  'session.del',
  'session.revoke',
  'session.rotate',
  'del',
  'expired',
  'evicted',
  'rename_from',
  'move_from',
]
const ROUNDS_WITH_EVENTS = 12

/**
 * Reports the sessions that end, of those that it was told to watch.
 *
 * @param client The application's client of node-redis or ioredis. It is used for commands; listening happens on
 * connections of its own, one for each primary.
 */
export function sessionEvents(client: unknown, options: SessionEventsOptions = {}): SessionEvents {
  return new Events(client, options)
}

class Events implements SessionEvents {
  readonly #connection: Connection
  readonly #queue = new Queue<EndedSession>()
  readonly #watched: WatchedSessions
  readonly #subscriptions: Subscriptions
  readonly #warned = new Set<string>()
  readonly #warn: (message: string) => void
  readonly #interval: number
  readonly #timer: NodeJS.Timeout
  readonly #ready: Promise<void>
  #isReady: () => void = () => undefined
  #isBroken: (error: Error) => void = () => undefined
  readonly #assumePublished: boolean
  #closed = false
  #round = 0
  /** Whether all primaries are listened to. */
  #listening = false
  /** Whether all primaries publish what happens. */
  #published = false
  #looking: Promise<void> | undefined
  /** An answer did not come. */
  #unsure = false

  constructor(client: unknown, { store, database, published, interval = 5000, onWarning }: SessionEventsOptions) {
    this.#connection = connection(client)
    this.#assumePublished = published ?? false
    this.#interval = Math.max(interval, 100)
    this.#warn = onWarning ?? ((message) => process.emitWarning(message, 'SessionEventsWarning'))
    this.#ready = new Promise((resolve, reject) => {
      this.#isReady = resolve
      this.#isBroken = reject
    })
    // Nobody has to wait for it.
    this.#ready.catch(() => undefined)
    this.#watched = new WatchedSessions({
      keyOf: keyMaker(store) ?? ((key) => this.#connection.keyPrefix + key),
      ask: (key) => this.#ask(key),
      ended: (session) => this.#queue.push(session),
      moved: () => this.#subscriptions.hurry(),
    })
    this.#subscriptions = new Subscriptions({
      events: EVENTS,
      every: this.#interval,
      places: () => places(this.#connection, client, database),
      event: (name, key) => this.#watched.event(name, key),
      complete: () => this.#caughtUp(),
      incomplete: (error) => this.#deaf(error),
    })
    void this.#subscriptions.run()
    this.#timer = setInterval(() => this.#tick(), this.#interval)
    this.#timer.unref()
  }

  watch(id: string): void {
    if (!this.#closed) this.#watched.add(id)
  }

  unwatch(id: string): void {
    this.#watched.remove(id)
    this.#queue.remove((session) => session.id === id)
  }

  ready(): Promise<void> {
    return this.#ready
  }

  next(): Promise<IteratorResult<EndedSession, undefined>> {
    return this.#queue.next()
  }

  async return(): Promise<IteratorResult<EndedSession, undefined>> {
    this.#close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #close(failure?: Error): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#subscriptions.close()
    this.#watched.clear()
    this.#queue.end(failure)
    this.#isReady()
  }

  async #ask(key: string): Promise<Answer> {
    try {
      const reply = await this.#connection.send(['SESSION.INFO', key])
      if (reply === null) return null
      const { deadline, grace } = record(reply)
      // A client may be set to give numbers as strings.
      return { deadline: deadline === null ? null : Number(deadline), snapshot: grace !== null }
    } catch (error) {
      const { message } = error as Error
      // Something else has taken the key, so the session is gone.
      if (message.startsWith('WRONGTYPE')) return null
      if (/unknown command/i.test(message)) this.#broken(error as Error)
      else if (isRefusal(error)) this.#warnOnce('ask', `Sessions cannot be asked for (SESSION.INFO: ${message}).`)
      this.#unsure = true
      throw error
    }
  }

  #broken(cause: Error): void {
    const error = new SessionError('SESSIONSERVER', NO_MODULE, { cause })
    this.#isBroken(error)
    this.#close(error)
  }

  /** From now on we hear what happens, if the servers publish it. What happened before has to be asked for. */
  #caughtUp(): void {
    this.#listening = true
    this.#watched.checkAll()
    void this.#lookWhetherPublished().then(this.#isReady)
  }

  #deaf(error: unknown): void {
    // A server that cannot be reached is known to the application. One that refuses may go unnoticed.
    if (isRefusal(error)) this.#warnOnce('listen', `The server lets nobody listen (${(error as Error).message}).`)
    if (this.#listening) this.#watched.checkAll()
    this.#listening = false
    this.#isReady()
  }

  #tick(): void {
    this.#round++
    const sweep = this.#round % ROUNDS_WITH_EVENTS === 0
    if (sweep || !this.#published) void this.#lookWhetherPublished()
    if (sweep || !this.#published || !this.#listening || this.#unsure) {
      this.#unsure = false
      this.#watched.checkAll()
    }
  }

  /** One look at a time: where a server does not answer, it may take long. */
  #lookWhetherPublished(): Promise<void> {
    this.#looking ??= this.#isPublished().then((published) => {
      this.#looking = undefined
      if (published && !this.#published) this.#watched.checkAll()
      this.#published = published
    })
    return this.#looking
  }

  async #isPublished(): Promise<boolean> {
    if (this.#assumePublished) return true
    try {
      const replies = await this.#connection.sendToPrimaries(['CONFIG', 'GET', 'notify-keyspace-events'])
      const settings = replies.map((reply) => String(record(reply)['notify-keyspace-events']))
      const lacking = settings.find((flags) => !publishes(flags))
      if (lacking === undefined) return true
      const now = lacking === '' ? 'empty' : lacking
      this.#warnOnce('off', `Set notify-keyspace-events to ${NEEDED} or more: it is ${now}.`)
    } catch (error) {
      if (isRefusal(error)) {
        const { message } = error as Error
        this.#warnOnce('unknown', `Whether the server publishes events cannot be seen (CONFIG GET: ${message}).`)
      }
    }
    return false
  }

  #warnOnce(about: string, message: string): void {
    if (this.#warned.has(about)) return
    this.#warned.add(about)
    this.#warn(`${message} Sessions that end are found by asking for them, every ${this.#interval} ms.`)
  }
}

function keyMaker(store: SessionEventsOptions['store']): ((id: string) => string) | undefined {
  const maker = store && ('core' in store ? store.core : store)
  return maker && ((id) => maker.keyOf(id))
}

const NEEDED = 'Egxed'

function publishes(flags: string): boolean {
  return flags.includes('E') && (flags.includes('A') || [...'gxed'].every((flag) => flags.includes(flag)))
}

/** Whether the server understood and does not want to, which time does not mend. */
function isRefusal(error: unknown): boolean {
  return /^(ERR|NOPERM|NOAUTH|WRONGPASS) /.test((error as Error).message)
}
