/** Connections that listen to what the servers publish, one for each primary, by the library of the application. */
import type { Connection, Reply } from '../clients.js'

/**
 * A connection that listens. It never comes back by itself once it is lost: a new one is opened instead, so that nobody
 * can take what was published in between for nothing.
 */
export interface Listener {
  ping(): Promise<unknown>
  close(): void
}

export interface Handlers {
  event(name: string, key: string): void
  lost(): void
}

/** A primary that can be listened to. */
export interface Place {
  /** Another name means another server. */
  readonly name: string
  /** Listens to the events of these names. */
  listen(events: string[], handlers: Handlers): Promise<Listener>
}

interface Address {
  host: string
  port: number
}

interface NodeRedis {
  options: { database?: number; socket?: { host?: string; port?: number } }
  duplicate(options: object): NodeRedis
  connect(): Promise<unknown>
  subscribe(channels: string[], listener: (message: string, channel: string) => void): Promise<void>
  ping(): Promise<unknown>
  destroy(): void
  on(event: string, listener: () => void): void
}

interface Ioredis {
  options: { db?: number; host?: string }
  duplicate(options: object): Ioredis
  connect(): Promise<void>
  subscribe(...channels: string[]): Promise<unknown>
  ping(): Promise<unknown>
  disconnect(): void
  on(event: 'message', listener: (channel: string, message: string) => void): void
  on(event: string, listener: () => void): void
}

/** Those clients of node-redis that lend one of their connections. */
interface Lending {
  execute?<T>(use: (client: NodeRedis) => T): Promise<T>
  _execute?<T>(isReadonly: boolean, use: (client: NodeRedis) => T): Promise<T>
}

interface NodeRedisCluster {
  masters: (Address & { id: string; client?: NodeRedis })[]
  replicas: (Address & { id: string; client?: NodeRedis })[]
}

interface IoredisCluster {
  nodes(): Ioredis[]
  natMapper(address: string): Address
}

type Node = Address & { id: string }

/** The primaries of this moment. `database` is the client's own where nothing else is said. */
export async function places(connection: Connection, client: unknown, database?: number): Promise<Place[]> {
  if (connection.topology === 'cluster') {
    const primaries = await clusterPrimaries(connection)
    return connection.library === 'ioredis'
      ? ioredisNodes(client as IoredisCluster, primaries)
      : nodeRedisNodes(client as NodeRedisCluster, primaries)
  }
  if (connection.library === 'ioredis') return [ioredisPlace(client as Ioredis, '', {}, database)]
  const template = await lent(client as NodeRedis & Lending)
  const { host, port } = template.options.socket ?? {}
  return [nodeRedisPlace(template, `${host}:${port}`, {}, database)]
}

async function lent(client: NodeRedis & Lending): Promise<NodeRedis> {
  // A sentinel client lends a connection to the primary of now.
  if (client._execute && 'getMasterNode' in client) return client._execute(false, (primary) => primary)
  if (client.execute) return client.execute((one) => one)
  return client
}

/**
 * Asked of the cluster itself, because the libraries look for themselves only after a command of theirs went astray.
 * Each time it is another node that is asked: the last one may be the one that died.
 */
async function clusterPrimaries(connection: Connection): Promise<Node[]> {
  const anyKey = String(Math.random())
  const ranges = (await connection.send(['CLUSTER', 'SLOTS'], anyKey)) as Reply[][]
  const nodes = new Map<string, Node>()
  for (const [, , primary] of ranges) {
    const [host, port, id] = primary as [string | null, number, string]
    nodes.set(id, { id, host: host ?? '', port })
  }
  return [...nodes.values()]
}

function nodeRedisNodes(cluster: NodeRedisCluster, primaries: Node[]): Place[] {
  const known = [...cluster.masters, ...cluster.replicas]
  const template = known.find((node) => node.client)?.client
  if (!template) throw new Error('No node of the cluster is connected')
  return primaries.map(({ id, host, port }) => {
    // The library knows what its option nodeAddressMap makes of an address.
    const address = known.find((node) => node.id === id) ?? { host, port }
    const socket = { host: address.host || template.options.socket?.host, port: address.port }
    return nodeRedisPlace(template, `${socket.host}:${socket.port}`, socket, 0)
  })
}

function ioredisNodes(cluster: IoredisCluster, primaries: Node[]): Place[] {
  const [template] = cluster.nodes()
  if (!template) throw new Error('No node of the cluster is connected')
  return primaries.map((node) => {
    const { host, port } = cluster.natMapper(`${node.host || template.options.host}:${node.port}`)
    return ioredisPlace(template, `${host}:${port}`, { host, port }, 0)
  })
}

function nodeRedisPlace(template: NodeRedis, name: string, address: object, database?: number): Place {
  const prefix = channelPrefix(database ?? template.options.database)
  return {
    name,
    async listen(events, { event, lost }) {
      const client = template.duplicate({
        url: undefined,
        socket: { ...template.options.socket, ...address, reconnectStrategy: false },
        clientSideCache: undefined,
        readonly: false,
      })
      const close = once(() => client.destroy())
      client.on('error', () => {
        close()
        lost()
      })
      client.on('end', lost)
      return opened(close, async () => {
        await client.connect()
        await client.subscribe(
          events.map((name) => prefix + name),
          (key, channel) => event(channel.slice(prefix.length), key),
        )
        return { ping: () => client.ping(), close }
      })
    },
  }
}

function ioredisPlace(template: Ioredis, name: string, address: object, database?: number): Place {
  const prefix = channelPrefix(database ?? template.options.db)
  return {
    name,
    async listen(events, { event, lost }) {
      const client = template.duplicate({
        ...address,
        lazyConnect: true,
        keyPrefix: '',
        readOnly: false,
        enableAutoPipelining: false,
        enableOfflineQueue: true,
        autoResubscribe: false,
        retryStrategy: () => null,
        sentinelRetryStrategy: () => null,
        reconnectOnError: null,
        // A sentinel tells of a new primary seconds before the old one closes its connections.
        failoverDetector: true,
      })
      const close = once(() => client.disconnect())
      client.on('error', () => undefined)
      client.on('end', lost)
      client.on('message', (channel, key) => event(channel.slice(prefix.length), key))
      return opened(close, async () => {
        await client.connect()
        await client.subscribe(...events.map((name) => prefix + name))
        return { ping: () => client.ping(), close }
      })
    },
  }
}

const channelPrefix = (database = 0) => `__keyevent@${database}__:`

async function opened(close: () => void, open: () => Promise<Listener>): Promise<Listener> {
  try {
    return await open()
  } catch (error) {
    close()
    throw error
  }
}

function once(act: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    try {
      act()
    } catch {
      // It had closed by itself.
    }
  }
}
