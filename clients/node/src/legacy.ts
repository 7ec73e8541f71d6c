/** Moving in: sessions that connect-redis, or a store like it, has left, taken over when their browsers come back. */

import { type Connection, connection } from './clients.js'
import type { Serializer } from './codec.js'
import { SessionError } from './errors.js'
import { checkUser } from './ready.js'
import { sendOnce, sendTo } from './send.js'

export interface LegacyOptions {
  /** What the old store's keys begin with, `sess:` where nothing is said. The new store needs another prefix. */
  prefix?: string
  /** JSON where nothing is said. */
  serializer?: Serializer
  /** The client of the server that has the old sessions, where it is another one. */
  client?: unknown
}

export class Legacy {
  readonly #connection: Connection
  readonly #prefix: string
  readonly #serializer: Serializer

  /** @throws TypeError where the old prefix is the new one's. */
  constructor(options: LegacyOptions | true, store: { connection: Connection; prefix: string }) {
    const { prefix = 'sess:', serializer = JSON, client } = options === true ? {} : options
    this.#connection = client === undefined ? store.connection : connection(client)
    this.#prefix = this.#connection.keyPrefix + prefix
    this.#serializer = serializer
    if (client === undefined && prefix === store.prefix) {
      throw new TypeError(`The old sessions have the prefix "${prefix}": give the new store another one`)
    }
  }

  /** @throws SessionError SESSIONSERVER where old sessions may not be read and ended. */
  ready(): Promise<void> {
    return checkUser(this.#connection, `${this.#prefix}ready`, ['GET', 'DEL'])
  }

  // biome-ignore lint/suspicious/noExplicitAny: what a session holds is the application's affair
  async read(id: string): Promise<any> {
    const text = await sendTo(this.#connection, ['GET', this.#prefix + id]).catch(nullIfNoString)
    return typeof text === 'string' ? await this.#serializer.parse(text) : null
  }

  /** Ends an old session. @returns Whether it was there: of two requests that take it over, one ends it. */
  async end(id: string, { once = false } = {}): Promise<boolean> {
    const words = ['DEL', this.#prefix + id]
    return Number(await (once ? sendOnce : sendTo)(this.#connection, words)) === 1
  }
}

/** What is no string is no session of the old store: the new one, for example, was tried under the old prefix before. */
function nullIfNoString(error: unknown): null {
  if (error instanceof SessionError && error.code === 'SESSIONTYPE') return null
  throw error
}
