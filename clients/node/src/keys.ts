/** From ids to keys, to the handles that are shown, and to new ids. */
import { createHash, randomBytes } from 'node:crypto'

/** How many characters of an id decide its slot in a cluster: a new id keeps them, so that a rotation stays in it. */
const TAG = 4

export interface KeyOptions {
  prefix: string
  /** Whether keys hold a hash of the id, so that nobody who reads the database can use it. */
  hashed: boolean
  /** Whether the server is a cluster. */
  cluster: boolean
}

export class Keys {
  readonly prefix: string
  readonly #hashed: boolean
  readonly #cluster: boolean

  constructor({ prefix, hashed, cluster }: KeyOptions) {
    this.prefix = prefix
    this.#hashed = hashed
    this.#cluster = cluster
  }

  of(id: string): string {
    const tag = id.slice(0, TAG)
    if (this.#hashed) return `${this.prefix}{${tag}}${createHash('sha256').update(id).digest('base64url')}`
    return this.#cluster ? `${this.prefix}{${tag}}${id.slice(TAG)}` : this.prefix + id
  }

  /**
   * The id of a key that `of` has made.
   *
   * @throws Error where keys hold hashes: the server does not know the ids then.
   */
  idOf(key: string): string {
    if (this.#hashed) throw new Error('With hashed keys nobody can tell the ids of the sessions')
    const rest = key.slice(this.prefix.length)
    if (!this.#cluster) return rest
    const tag = Math.min(TAG, rest.length - 2)
    return rest.slice(1, tag + 1) + rest.slice(tag + 2)
  }

  /** `id` with the beginning of `former`, where the two must be in one slot. */
  beside(former: string, id: string): string {
    if (!this.#hashed && !this.#cluster) return id
    // Of a short one all is its slot's name, which ends with the first brace.
    const beginning = former.length < TAG ? `${former}}` : former.slice(0, TAG)
    return beginning + id.slice(beginning.length)
  }

  /** @throws TypeError for an id that names no slot, so that no other one could be kept beside it. */
  check(id: string): void {
    if (this.#cluster && id.startsWith('}')) throw new TypeError('In a cluster an id must not begin with "}"')
  }
}

/** A new id: 192 bits of the operating system's randomness in 32 characters that are safe in URLs and cookies. */
export const newId = () => randomBytes(24).toString('base64url')

/** What is shown of a session to people: it names the session, and lets nobody in. */
export const handleOf = (key: string) => createHash('sha256').update(key).digest('base64url').slice(0, 22)
