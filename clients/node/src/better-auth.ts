/** The secondary storage for better-auth. */

import { type Reply, record } from './clients.js'
import { type Data, SessionError, Sessions, type SessionsOptions } from './core.js'
import { ask, sendOnce, sendTo } from './send.js'
import { Session } from './session.js'

export interface BetterAuthStorageOptions extends Pick<SessionsOptions, 'client'> {
  /** What keys begin with; `better-auth:` where nothing is said, as better-auth's own storage for Redis has it. */
  prefix?: string
  /**
   * Whether better-auth's own storage for Redis was used before with this prefix. Its sessions go on: each becomes one of
   * the server's when better-auth next writes it.
   */
  legacy?: boolean
}

/** What better-auth asks of a secondary storage. Times are in seconds. */
export interface BetterAuthStorage {
  get(key: string): Promise<string | null>
  set(key: string, value: string, ttl?: number): Promise<void>
  delete(key: string): Promise<void>
  /** Gives a value to one caller alone. */
  getAndDelete(key: string): Promise<string | null>
  /** Counts from 1; the count ends `ttl` after it began. */
  increment(key: string, ttl: number): Promise<number>
  /** The sessions. Their ids are better-auth's tokens, their users its user ids. */
  readonly core: Sessions
}

const LIST = 'active-sessions-'
/** How better-auth makes the tokens of sessions. What else it stores has other names. */
const TOKEN = /^[A-Za-z0-9]{32}$/
/** Of so many sessions it is remembered what was read, for the write that may follow. */
const REMEMBERED = 5000

const INCREMENT = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count`

/**
 * Sessions become the server's, with their user. Which sessions a user has is then what the server knows: better-auth
 * keeps a list beside them, which loses sessions when several sign in at a time. Everything else that better-auth stores
 * becomes plain keys.
 *
 * @example
 * betterAuth({ secondaryStorage: betterAuthStorage({ client }) })
 */
export function betterAuthStorage(options: BetterAuthStorageOptions): BetterAuthStorage {
  return new Storage(options)
}

class Storage implements BetterAuthStorage {
  readonly core: Sessions
  /** What better-auth's own storage puts before a key. In a cluster ours are other keys than its. */
  readonly #prefix: string
  readonly #legacy: boolean
  readonly #read = new Map<string, Session>()

  constructor({ client, prefix = 'better-auth:', legacy = false }: BetterAuthStorageOptions) {
    this.core = new Sessions({ client, prefix })
    this.#prefix = this.core.connection.keyPrefix + prefix
    this.#legacy = legacy
  }

  async get(key: string): Promise<string | null> {
    if (key.startsWith(LIST)) return this.#list(key)
    const value = await this.#either(
      key,
      () => this.#getSession(key),
      () => this.#send('GET', this.core.keyOf(key)),
    )
    return (value ?? (await this.#legacySend('GET', key))) as string | null
  }

  async set(key: string, value: string, ttl?: number): Promise<void> {
    // The list follows from the sessions.
    if (key.startsWith(LIST)) return
    const session = sessionIn(key, value)
    const expiry = ttl !== undefined && ttl > 0 ? ['PX', String(Math.round(ttl * 1000))] : []
    if (session) await this.#setSession(key, session, ttl)
    else await this.#send('SET', this.core.keyOf(key), value, ...expiry)
    await this.#legacySend('DEL', key)
  }

  async delete(key: string): Promise<void> {
    await this.#legacySend('DEL', key)
    if (key.startsWith(LIST)) return
    await this.#either<unknown>(
      key,
      () => this.core.destroy(key),
      () => this.#send('DEL', this.core.keyOf(key)),
    )
  }

  async getAndDelete(key: string): Promise<string | null> {
    const value = await this.#either(
      key,
      async () => {
        const value = await this.#getSession(key)
        return (await this.core.destroy(key)) ? value : null
      },
      () => sendOnce(this.core.connection, ['GETDEL', this.core.keyOf(key)]),
    )
    return (value ?? (await this.#legacySend('GETDEL', key))) as string | null
  }

  async increment(key: string, ttl: number): Promise<number> {
    if (!Number.isInteger(ttl) || ttl <= 0) throw new TypeError('ttl must be a whole number of seconds above 0')
    const words = ['EVAL', INCREMENT, '1', this.core.keyOf(key), String(ttl)]
    return Number(await this.core.connection.sendOnce(words, words[3]))
  }

  /**
   * Which of the two a key is can be told by its name, as a rule. Where the name misleads, the server says that the key
   * holds the other.
   */
  async #either<T = Reply>(key: string, session: () => Promise<T>, plain: () => Promise<T>): Promise<T> {
    const [first, second] = TOKEN.test(key) ? [session, plain] : [plain, session]
    try {
      return await first()
    } catch (error) {
      if (error instanceof SessionError && error.code === 'SESSIONTYPE') return second()
      throw error
    }
  }

  async #getSession(token: string): Promise<string | null> {
    const session = await this.core.peek(token)
    if (session === null) return null
    this.#read.delete(token)
    this.#read.set(token, session)
    if (this.#read.size > REMEMBERED) this.#read.delete(this.#read.keys().next().value as string)
    return JSON.stringify(session.data)
  }

  /**
   * better-auth reads a session before it changes it, and so what was read is what a write is compared with: only what
   * changed is written, and nothing if the session has ended meanwhile. One that was never read is a new one.
   */
  async #setSession(token: string, data: Data, ttl: number | undefined): Promise<void> {
    const times = { user: String(data.session.userId), idle: ttl === undefined ? null : ttl * 1000 }
    const read = this.#read.get(token)
    if (read) {
      // Of its own for each write: what another one has written is no news for those that have read before it.
      const session = new Session(token, data, read.user, read.idle, read.known)
      await this.core.save(session, times)
      return
    }
    try {
      await this.core.put(token, data, times)
    } catch (error) {
      if (!(error instanceof SessionError) || error.code !== 'SESSIONTYPE') throw error
      // Left by better-auth's own storage.
      await this.#send('DEL', this.core.keyOf(token))
      await this.core.put(token, data, times)
    }
  }

  /** The sessions of a user as better-auth lists them, by when they end. */
  async #list(key: string): Promise<string | null> {
    const user = key.slice(LIST.length)
    const replies = await ask(this.core.connection, ['SESSION.BYUSER', user, 'JSON', 'FIELDS', '1', 'session'])
    const sessions = new Map<string, number>()
    for (const entry of replies.flatMap((reply) => (reply as Reply[]).map(record))) {
      if (!String(entry.key).startsWith(this.#prefix) || typeof entry.data !== 'string') continue
      const { session } = JSON.parse(entry.data)
      if (session) sessions.set(session.token, Number(new Date(session.expiresAt)))
    }
    if (this.#legacy) for (const { token, expiresAt } of await this.#oldList(key)) sessions.set(token, expiresAt)
    const list = [...sessions].map(([token, expiresAt]) => ({ token, expiresAt }))
    return list.length > 0 ? JSON.stringify(list.sort((a, b) => a.expiresAt - b.expiresAt)) : null
  }

  async #oldList(key: string): Promise<{ token: string; expiresAt: number }[]> {
    const text = (await this.#send('GET', this.#prefix + key)) as string | null
    const list = JSON.parse(text ?? '[]') as { token: string; expiresAt: number }[]
    const there = await Promise.all(list.map(({ token }) => this.#send('EXISTS', this.#prefix + token)))
    return list.filter((_, i) => Number(there[i]) === 1)
  }

  /** Sends a command for the key that better-auth's own storage has given a value, where that is another one than ours. */
  async #legacySend(name: string, key: string): Promise<Reply> {
    const old = this.#prefix + key
    if (!this.#legacy || (old === this.core.keyOf(key) && !key.startsWith(LIST))) return null
    return this.#send(name, old)
  }

  #send(name: string, key: string, ...args: string[]): Promise<Reply> {
    return sendTo(this.core.connection, [name, key, ...args])
  }
}

/** The session that is stored under its token, if that is what this is. */
function sessionIn(token: string, value: string): Data | undefined {
  if (!value.startsWith('{')) return undefined
  try {
    const data = JSON.parse(value)
    return data?.session?.token === token && data.session.userId !== undefined ? data : undefined
  } catch {
    return undefined
  }
}
