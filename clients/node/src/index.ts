/** The session store for Express, and for whatever else takes a store of express-session. */
import { Adapter } from './adapter.js'
import { answer, type Callback } from './callback.js'
import { checkOptions } from './check-options.js'
import type { Serializer } from './codec.js'
import type { Data, Device, Sessions } from './core.js'
import Store from './express-store.cjs'
import type { RedisSessionStoreOptions } from './options.js'

export type { Callback } from './callback.js'
export type { Serializer } from './codec.js'
export { type Device, type LimitPolicy, SessionError, type SessionErrorCode } from './core.js'
export type { LegacyOptions } from './legacy.js'
export type { RedisSessionStoreOptions } from './options.js'

const warning: Callback<void> = (error) => {
  if (error) process.emitWarning(`A session was not ended: ${error.message}`, 'SessionWarning')
}

/** A session that is to get another id. */
interface Rotation<S> {
  sid: string
  session: S
  grace: number
}

/**
 * Emits `gone` with the id and the session where a write was dropped because the session had ended meanwhile.
 *
 * The methods of express-session's Store take a callback, and give a promise where they are given none.
 */
export class RedisSessionStore<S extends object = Data> extends Store {
  readonly client: unknown
  readonly prefix: string
  readonly scanCount: number
  readonly serializer: Serializer
  readonly ttl: number | ((session: S) => number)
  readonly disableTTL: boolean
  readonly disableTouch: boolean
  /** The sessions without any framework. */
  readonly core: Sessions
  readonly #adapter: Adapter<S>
  #rotating: Rotation<S> | undefined
  /** Set by express-session: begins a session for a request. */
  declare generate: (request: Data) => void

  /** @throws TypeError for options that make no sense. */
  constructor(options: RedisSessionStoreOptions<S>) {
    super()
    checkOptions(options)
    this.#adapter = new Adapter(options, (...gone) => process.nextTick(() => this.emit('gone', ...gone)))
    this.core = this.#adapter.core
    this.client = options.client
    this.prefix = this.core.prefix
    this.scanCount = this.core.scanCount
    this.serializer = this.#adapter.serializer
    this.ttl = this.#adapter.ttl
    this.disableTTL = options.disableTTL ?? false
    this.disableTouch = options.disableTouch ?? false
  }

  /** Reads a session and keeps it alive. Null: there is none. */
  get(sid: string): Promise<S | null>
  get(sid: string, callback: Callback<S | null>): void
  get(sid: string, callback?: Callback<S | null>) {
    // express-session, which sets `generate`, makes its session by createSession.
    return answer(this.#adapter.get(sid, this.generate === undefined), callback)
  }

  /** Saves a session: what has changed of one that was read, all of one that was not. */
  set(sid: string, session: S): Promise<void>
  set(sid: string, session: S, callback: Callback<void> | undefined): void
  set(sid: string, session: S, callback?: Callback<void>) {
    const from = this.#rotating
    const saved =
      from === undefined
        ? this.#adapter.set(sid, session)
        : this.#adapter.rotateTo(from.sid, from.session, sid, from.grace, session)
    return answer(saved, callback)
  }

  /** Keeps a session alive, and saves it if its cookie or its user is another one. */
  touch(sid: string, session: S): Promise<void>
  touch(sid: string, session: S, callback: Callback<void> | undefined): void
  touch(sid: string, session: S, callback?: Callback<void>) {
    return answer(this.#adapter.touch(sid, session), callback)
  }

  /** Ends a session. */
  destroy(sid: string): Promise<void>
  destroy(sid: string, callback: Callback<void> | undefined): void
  destroy(...[sid, ...callbacks]: [sid: string, callback?: Callback<void> | undefined]) {
    // `req.session.destroy()` hands on that it has got none. Nobody would see the promise fail, and that ends the process.
    const [callback = warning] = callbacks
    if (this.#rotating !== undefined) return callback(null)
    // A request that brings the former id of its session has none: see createSession.
    const ended = sid === undefined ? Promise.resolve() : this.#adapter.destroy(sid)
    return answer(ended, callbacks.length === 0 ? undefined : callback)
  }

  /** All sessions, each with its id as `id`. */
  all(): Promise<S[]>
  all(callback: Callback<S[]>): void
  all(callback?: Callback<S[]>) {
    return answer(this.#adapter.all(), callback)
  }

  /** The ids of all sessions. */
  ids(): Promise<string[]>
  ids(callback: Callback<string[]>): void
  ids(callback?: Callback<string[]>) {
    return answer(this.core.ids(), callback)
  }

  /** How many sessions there are. */
  length(): Promise<number>
  length(callback: Callback<number>): void
  length(callback?: Callback<number>) {
    return answer(this.core.size(), callback)
  }

  /** Ends all sessions. */
  clear(): Promise<void>
  clear(callback: Callback<void> | undefined): void
  clear(callback?: Callback<void>) {
    return answer(this.core.clear(), callback)
  }

  /** The sessions of a user, the one that was used last first; `currentSid` marks the one that asks. */
  sessions(user: string | number, currentSid?: string): Promise<Device[]> {
    return this.core.sessions(String(user), currentSid)
  }

  /** Ends the session of a user that `sessions` lists with this handle. @returns Whether there is one. */
  signOut(user: string | number, handle: string): Promise<boolean> {
    return this.core.signOut(String(user), handle)
  }

  /** Ends all sessions of a user, or all but `exceptSid`. @returns How many were ended. */
  signOutAll(user: string | number, exceptSid?: string): Promise<number> {
    return this.core.signOutAll(String(user), exceptSid)
  }

  /**
   * Changes a session on the state that the server has, whoever else is writing it: `change` changes the session that it
   * is given, or returns another one, and is called again where somebody was faster.
   *
   * @returns The session as it was written; null if there is none.
   * @throws SessionError SESSIONCONFLICT after very many tries; SESSIONGONE within the grace of a rotation.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that changes its argument returns nothing
  update(sid: string, change: (session: S) => S | void | Promise<S | void>): Promise<S | null> {
    return this.#adapter.update(sid, change)
  }

  /**
   * Gives the session of a request a new id, as whoever signs somebody in must, and saves it in the same step. The data
   * stay, in a new object `request.session`. Requests under way that bring the old id still read for `grace` seconds
   * (10 where nothing is said, 300 at most) what was there before. If the session has ended meanwhile, a new one begins
   * with what this request has changed.
   *
   * @throws SessionError SESSIONLIMIT: the user has too many sessions, and this one is what it was. Whatever else keeps the
   *   server from it: the session is not saved then.
   */
  async rotate(request: Data, { grace = 10 }: { grace?: number } = {}): Promise<void> {
    const { session, sessionID = session.id } = request
    // What was never stored has an id that nobody has seen.
    if (!this.#adapter.isStored(sessionID, session)) return this.#adapter.set(sessionID, session)
    const fresh = Object.create(request)
    this.generate(fresh)
    const id = await this.#adapter.rotate(sessionID, session, fresh.sessionID, grace).catch((error) => {
      // Without an id the session is not saved. Else its user would be signed in under the old one, which others may know.
      if (error.code !== 'SESSIONLIMIT') request.sessionID = undefined
      throw error
    })
    if (id === null) return this.#beginAgain(request)
    request.sessionID = id
    const created = super.createSession!(request, { ...session, cookie: session.cookie.toJSON() })
    this.#adapter.carryOver(session, created)
  }

  /** @internal For frameworks that make the new id by themselves: see Adapter.rotateTo. */
  rotateTo(sid: string, session: S, id: string, grace: number, to?: S): Promise<void> {
    return this.#adapter.rotateTo(sid, session, id, grace, to)
  }

  /**
   * @internal For a framework that ends the old session and saves another one, and does both at once, not later: within
   * `regenerate` the two are one rotation.
   */
  rotating<T>(rotation: Rotation<S>, regenerate: () => T): T {
    this.#rotating = rotation
    try {
      return regenerate()
    } finally {
      this.#rotating = undefined
    }
  }

  /** @internal This id, or during a rotation the one that it can give. */
  besideRotating(id: string): string {
    return this.#rotating === undefined ? id : this.core.besideOf(this.#rotating.sid, id)
  }

  /**
   * @internal Whether nothing can be written, as far as is known: it is what a rotation has left under the old id, or a
   * write was dropped. The browser is not to get this id again.
   */
  isOver(session: S): boolean {
    return this.#adapter.isOver(session)
  }

  async #beginAgain(request: Data): Promise<void> {
    const { cookie, id } = request.session
    const changes = await this.#adapter.changes(id, request.session)
    this.generate(request)
    Object.assign(request.session, changes, { cookie })
    try {
      await this.#adapter.set(request.sessionID, request.session)
    } catch (error) {
      // Its browser may have been signed in meanwhile, by the first of two clicks: let it keep that cookie.
      request.sessionID = undefined
      throw error
    }
  }

  /**
   * Asks the server whether it has what is needed.
   *
   * @throws SessionError SESSIONSERVER, which says in one sentence what is missing; whatever keeps the server from
   *   answering.
   */
  ready(): Promise<void> {
    return this.#adapter.ready()
  }

  /** For express-session, which makes its session object with this, of what `get` has given. */
  override createSession(request: Data, session: Data): Data {
    if (!super.createSession) throw new Error('express-session is not installed')
    const snapshot = this.#adapter.snapshotId(session as S)
    // It is undefined where such a session is loaded again.
    if (snapshot !== undefined) request.sessionID = snapshot
    const created = super.createSession(request, session)
    this.#adapter.carryOver(session, created)
    // Its browser has another id by now, or is about to get it, and would be given this one back. A request without an
    // id can read its session; express-session neither saves it nor sets a cookie.
    if (snapshot !== undefined) request.sessionID = undefined
    return created
  }
}
