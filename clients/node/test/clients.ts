/** A client of each library and version, in each protocol that it speaks, for each kind of deployment. */
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5'
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis6'
import * as redis5 from 'redis5'
import * as redis6 from 'redis6'
import type { Cluster, Sentinel, Server } from './server.js'

export interface Client {
  // biome-ignore lint/suspicious/noExplicitAny: clients of two libraries, each in several versions
  client: any
  close(): void
}

export interface Flavour {
  name: string
  single(server: Server): Promise<Client>
  cluster(cluster: Cluster): Promise<Client>
  sentinel(sentinel: Sentinel): Promise<Client>
}

// biome-ignore lint/suspicious/noExplicitAny: see above
async function opened(client: any): Promise<Client> {
  client.on('error', () => {})
  await client.connect()
  return { client, close: () => client.destroy() }
}

function nodeRedis(name: string, library: typeof redis6, RESP: 2 | 3): Flavour {
  return {
    name: `${name}, RESP${RESP}`,
    single: ({ url }) => opened(library.createClient({ url, RESP })),
    cluster: ({ nodes }) =>
      opened(library.createCluster({ rootNodes: nodes.slice(0, 3).map(({ url }) => ({ url })), RESP })),
    sentinel: ({ name, sentinel }) =>
      opened(library.createSentinel({ name, sentinelRootNodes: [sentinel], scanInterval: 200, RESP })),
  }
}

// biome-ignore lint/suspicious/noExplicitAny: see above
function closing(client: any): Client {
  client.on('error', () => {})
  return { client, close: () => client.disconnect() }
}

// biome-ignore lint/suspicious/noExplicitAny: the two versions differ in their types only
function ioredis(name: string, Redis: any, Cluster: any, options: object): Flavour {
  return {
    name,
    single: async ({ port }) => closing(new Redis(port, '127.0.0.1', options)),
    cluster: async ({ ports }) =>
      closing(
        new Cluster(
          ports.slice(0, 3).map((port: number) => ({ host: '127.0.0.1', port })),
          { redisOptions: options },
        ),
      ),
    sentinel: async ({ name, sentinel }) => closing(new Redis({ sentinels: [sentinel], name, ...options })),
  }
}

export const flavours: Flavour[] = [
  nodeRedis('node-redis 5', redis5 as unknown as typeof redis6, 2),
  nodeRedis('node-redis 5', redis5 as unknown as typeof redis6, 3),
  nodeRedis('node-redis 6', redis6, 2),
  nodeRedis('node-redis 6', redis6, 3),
  ioredis('ioredis 5, RESP2', Redis5, Cluster5, {}),
  ioredis('ioredis 6, RESP2', Redis6, Cluster6, {}),
  ioredis('ioredis 6, RESP3', Redis6, Cluster6, { protocol: 3 }),
  ioredis('ioredis 6, RESP3 with maps', Redis6, Cluster6, { protocol: 3, replyMapping: 'resp3', stringNumbers: true }),
]
