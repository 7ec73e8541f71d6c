/** Moving in: sessions that connect-redis, or a store like it, has left, taken over when their browsers come back. */

import { type Arg, type Connection, connection, type Reply } from './clients.js'
import type { Serializer } from './codec.js'
import { SessionError } from './errors.js'
import { checkUser } from './ready.js'
import { sendOnce, sendTo } from './send.js'

export interface LegacyOptions {
  /** What the old store's keys begin with, `sess:` where nothing is said. The new store needs another prefix. */
  prefix?: string | undefined
  /** JSON where nothing is said. */
  serializer?: Serializer | undefined
  /** The client of the server that has the old sessions, where it is another one. */
  client?: unknown
}

/** Writes a session and ends the old one, both or neither. */
const TAKE_OVER = `
if not redis.call('GET', KEYS[2]) then return false end
local reply = redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))
redis.call('DEL', KEYS[2])
return reply`

/** Where that takes two commands: how long an old session is left behind by a process that ends between them. */
const LEFT = 10_000

export class Legacy {
  readonly #store: Connection
  readonly #connection: Connection
  /** Whether one script can write the new and end the old. */
  readonly #isOneServer: boolean
  readonly #prefix: string
  readonly #serializer: Serializer

  /** @throws TypeError where the old prefix is the new one's. */
  constructor(options: LegacyOptions | true, store: { connection: Connection; prefix: string }) {
    const { prefix = 'sess:', serializer = JSON, client } = options === true ? {} : options
    this.#store = store.connection
    this.#connection = client === undefined ? store.connection : connection(client)
    this.#isOneServer = this.#connection === this.#store && this.#store.topology !== 'cluster'
    this.#prefix = this.#connection.keyPrefix + prefix
    this.#serializer = serializer
    if (client === undefined && prefix === store.prefix) {
      throw new TypeError(`The old sessions have the prefix "${prefix}": give the new store another one`)
    }
  }

  /** @throws SessionError SESSIONSERVER where old sessions may not be read and ended. */
  ready(): Promise<void> {
    const key = `${this.#prefix}ready`
    const others = this.#isOneServer
      ? [['EVAL', 'return 0', '1', key]]
      : [
          ['PTTL', key],
          ['PEXPIRE', key, '1'],
          ['PERSIST', key],
        ]
    return checkUser(this.#connection, key, [['GET', key], ['DEL', key], ...others])
  }

  // biome-ignore lint/suspicious/noExplicitAny: what a session holds is the application's affair
  async read(id: string): Promise<any> {
    const text = await sendTo(this.#connection, ['GET', this.#prefix + id]).catch(nullIfNoString)
    return typeof text === 'string' ? await this.#serializer.parse(text) : null
  }

  /**
   * Carries out the command that writes the new session, and ends the old one.
   *
   * @returns What the command gives; null where another request was faster.
   */
  takeOver(id: string, words: Arg[]): Promise<Reply> {
    const old = this.#prefix + id
    if (!this.#isOneServer) return this.#takeOverFrom(old, words)
    const [name, key, ...others] = words as [Arg, Arg, ...Arg[]]
    return sendTo(this.#store, ['EVAL', TAKE_OVER, '2', key, old, name, ...others], key)
  }

  async #takeOverFrom(old: string, words: Arg[]): Promise<Reply> {
    const left = Number(await sendTo(this.#connection, ['PTTL', old]))
    if (left === -2) return null
    // One with less is about to end, or another request is taking it over.
    const isShortened = left === -1 || left > LEFT
    if (isShortened) await sendTo(this.#connection, ['PEXPIRE', old, String(LEFT)])
    const reply = await sendTo(this.#store, words).catch(async (error) => {
      // Where the reply was lost, the new one may be there: the old one must not come after it.
      if (isShortened && isRefusal(error)) {
        await sendTo(this.#connection, left === -1 ? ['PERSIST', old] : ['PEXPIRE', old, String(left)])
      }
      throw error
    })
    // Of two requests one ends it. Where that was the other, what it took over has ended meanwhile.
    if (reply === null || Number(await sendOnce(this.#connection, ['DEL', old])) === 1) return reply
    await sendTo(this.#store, ['SESSION.DEL', words[1]!])
    return null
  }

  /** Ends an old session. */
  async end(id: string): Promise<void> {
    await sendTo(this.#connection, ['DEL', this.#prefix + id])
  }
}

/** Whether a server has said that it did not carry out a command: its errors begin with a word such as OOM. */
const isRefusal = (error: Error) => error instanceof SessionError || /^[A-Z]{2,} /.test(error.message)

/** What is no string is no session of the old store: the new one, for example, was tried under the old prefix before. */
function nullIfNoString(error: unknown): null {
  if (error instanceof SessionError && error.code === 'SESSIONTYPE') return null
  throw error
}
