import type { Serializer } from './codec.js'
import type { Data, SessionsOptions } from './core.js'
import type { LegacyOptions } from './legacy.js'

/** The options of connect-redis, and what it does not have. Times are in seconds; fractions are allowed. */
export interface RedisSessionStoreOptions<S extends object = Data>
  extends Pick<SessionsOptions, 'client' | 'prefix' | 'lifetime' | 'maxSessions' | 'hashKeys' | 'scanCount'> {
  /** Seconds that a session lives without use where its cookie has no age. A day where nothing is said. */
  ttl?: number | ((session: S) => number) | undefined
  /** Turns the whole session into a text and back. Where nothing is said each of its keys is a field, as JSON. */
  serializer?: Serializer | undefined
  /** Whether sessions never end by themselves. */
  disableTTL?: boolean | undefined
  /** Whether use does not keep sessions alive: they end so long after they were last written. */
  disableTouch?: boolean | undefined
  /** Whether reading keeps a session alive, in one command. True, unless `disableTouch` is. */
  touchOnGet?: boolean | undefined
  /** Whose session it is, by what it holds; undefined or null: nobody's. */
  user?: ((session: S) => string | number | null | undefined) | undefined
  /** What `sessions` shows of the device with which somebody has signed in. */
  // biome-ignore lint/suspicious/noExplicitAny: the request of whatever framework
  device?: ((request: any) => unknown) | undefined
  /** `merge`, where nothing is said, writes what has changed, so that two requests keep both; `replace` writes all. */
  save?: 'merge' | 'replace' | undefined
  /** A write to a session that has ended is dropped and emits `gone`; with `error` it fails with SESSIONGONE, too. */
  onGone?: 'ignore' | 'error' | undefined
  /** Where connect-redis has its sessions: they are taken over, and nobody has to sign in again. */
  legacy?: LegacyOptions | boolean | undefined
}
