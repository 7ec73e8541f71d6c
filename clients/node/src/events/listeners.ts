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
  isReady: boolean
  duplicate(options: object): NodeRedis
  sendCommand(args: string[]): Promise<unknown>
  connect(): Promise<unknown>
  subscribe(channels: string[], listener: (message: string, channel: string) => void): Promise<void>
  ping(): Promise<unknown>
  destroy(): void
  on(event: string, listener: () => void): void
}

interface Ioredis {
  options: { db?: number; host?: string }
  status: string
  duplicate(options: object): Ioredis
  call(...args: string[]): Promise<unknown>
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

type Known = Address & { id: string; client?: NodeRedis }

interface NodeRedisCluster {
  masters: Known[]
  replicas: Known[]
  _slots?: { rediscover?(startWith: NodeRedis): Promise<unknown> }
}

interface IoredisCluster {
  nodes(): Ioredis[]
  natMapper(address: string): Address
}

type Node = Address & { id: string }

/** The primaries of this moment. `database` is the client's own where nothing else is said. */
export async function places(connection: Connection, client: unknown, database?: number): Promise<Place[]> {
  if (connection.topology === 'cluster') {
    return connection.library === 'node-redis'
      ? nodeRedisNodes(connection, client as NodeRedisCluster)
      : ioredisNodes(connection, client as IoredisCluster)
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

const SLOTS = ['CLUSTER', 'SLOTS']

function primariesIn(slots: unknown): Node[] {
  const nodes = new Map<string, Node>()
  for (const [, , primary] of slots as Reply[][]) {
    // A client may be set to give strings as buffers, and numbers as strings.
    const [host, port, id] = (primary as Reply[]).map((part) => (part === null ? '' : String(part)))
    nodes.set(id!, { id: id!, host: host!, port: Number(port) })
  }
  return [...nodes.values()]
}

/**
 * A node that is connected, another one each time: what one node thinks may be out of date. A client that has not needed
 * a connection yet has none; then it is made to need one.
 */
async function anyOf<T>(connection: Connection, connected: () => T[]): Promise<T> {
  if (connected().length === 0) await connection.send(['PING'], String(Math.random()))
  const nodes = connected()
  const node = nodes[Math.floor(Math.random() * nodes.length)]
  if (!node) throw new Error('No node of the cluster can be reached')
  return node
}

/**
 * The cluster itself is asked, because the library looks for itself only after a command of its own went astray, and
 * commands to a node that died wait for it.
 */
async function nodeRedisNodes(connection: Connection, cluster: NodeRedisCluster): Promise<Place[]> {
  const template = await anyOf(connection, () =>
    [...cluster.masters, ...cluster.replicas].flatMap(({ client }) => (client?.isReady ? [client] : [])),
  )
  const primaries = primariesIn(await template.sendCommand(SLOTS))
  const isNew = ({ id }: Node) => !cluster.masters.some((master) => master.id === id)
  // It is told, since sessions are asked for by it.
  if (primaries.some(isNew)) await cluster._slots?.rediscover?.(template)
  return primaries.map(({ id, host, port }) => {
    // The library knows what its option nodeAddressMap makes of an address.
    const address = cluster.masters.find((node) => node.id === id) ?? { host, port }
    const socket = { host: address.host || template.options.socket?.host, port: address.port }
    return nodeRedisPlace(template, `${socket.host}:${socket.port}`, socket, 0)
  })
}

async function ioredisNodes(connection: Connection, cluster: IoredisCluster): Promise<Place[]> {
  const template = await anyOf(connection, () => cluster.nodes().filter(({ status }) => status === 'ready'))
  const primaries = primariesIn(await template.call(...SLOTS))
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
