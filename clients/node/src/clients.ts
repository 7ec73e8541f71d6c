/**
 * One small interface over the client libraries that an application may use: node-redis and ioredis, each with a
 * single server, behind Sentinel, or with a cluster, in RESP2 or RESP3.
 *
 * Neither library knows the module's commands. So this is where a command finds the node that its key belongs to, where
 * a command without a key is asked of every primary, and where replies get one form.
 */
import { ioredis, isIoredis } from './ioredis.js'
import { isNodeRedis, nodeRedis } from './node-redis.js'

export type Arg = string | Buffer

/** What a server replies. A map is a flat array of names and values, as in RESP2: see `pairs` and `record`. */
export type Reply = string | number | null | Reply[]

/** One server that holds data: the only one, or a primary of a cluster. */
export interface Primary {
  /** Host and port as the cluster names them; empty where there is only one. */
  readonly address: string
  /** The library's own client of this node. */
  // biome-ignore lint/suspicious/noExplicitAny: clients of two libraries, each in several versions
  readonly client: any
  send(args: Arg[]): Promise<Reply>
}

export interface Connection {
  readonly library: 'node-redis' | 'ioredis'
  readonly topology: 'single' | 'cluster' | 'sentinel'
  /** What the client was told to put before every key. It is not added here: whoever makes keys has to do it. */
  readonly keyPrefix: string
  /** Sends a command to the node that serves `key`, which is the command's first argument where nothing else is said. */
  send(args: Arg[], key?: Arg): Promise<Reply>
  /**
   * The same for a command that must not be carried out twice. Where the connection breaks before its reply, the
   * promise is rejected, though the library would send the command again.
   */
  sendOnce(args: Arg[], key?: Arg): Promise<Reply>
  /** Sends a command that has no key to every primary. The replies are in no particular order. */
  sendToPrimaries(args: Arg[]): Promise<Reply[]>
  /**
   * The servers that hold data, all of them.
   *
   * @throws Error where a primary of a cluster is missing and not replaced in some seconds.
   */
  primaries(): Promise<Primary[]>
}

/** Thrown by `sendOnce` where nobody can know whether the server has carried out the command. */
export const LOST_REPLY = 'The connection was lost before the reply, the command may have been carried out'

/**
 * @param prefix What the keys begin with that the client's user may use.
 * @throws TypeError for what is no client of node-redis >= 5 or ioredis >= 5.
 */
export function connection(client: unknown, prefix = ''): Connection {
  if (isIoredis(client)) return ioredis(client, prefix)
  if (isNodeRedis(client)) return nodeRedis(client, prefix)
  throw new TypeError('client must be a client of node-redis (redis >= 5) or ioredis (>= 5)')
}

/** The names and values of a map, in whatever form the library gives it. */
export function* pairs(map: unknown): Generator<[string, Reply]> {
  if (Array.isArray(map)) {
    for (let i = 0; i < map.length; i += 2) yield [String(map[i]), map[i + 1]]
  } else if (map instanceof Map) {
    for (const [name, value] of map) yield [String(name), value]
  } else if (map !== null && typeof map === 'object') {
    yield* Object.entries(map)
  }
}

/** A map as an object. Only for maps whose names we know: see `pairs` for those that people name. */
export function record(map: unknown): Record<string, Reply> {
  return Object.fromEntries(pairs(map))
}
