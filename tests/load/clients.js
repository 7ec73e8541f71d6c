// Clients of the two libraries for each kind of place, as sites have them.
import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster, createSentinel } from 'redis'

const silent = () => {}

const nodeRedis = {
  single: ({ port }) => createClient({ url: `redis://127.0.0.1:${port}` }),
  pair: ({ name, sentinel }) => createSentinel({ name, sentinelRootNodes: [sentinel], scanInterval: 500 }),
  cluster: ({ ports }) => createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) }),
}

const ioredis = {
  single: ({ port }) => new Redis(port, '127.0.0.1'),
  pair: ({ name, sentinel }) => new Redis({ name, sentinels: [sentinel] }),
  cluster: ({ ports }) => new Cluster(ports.map((port) => ({ host: '127.0.0.1', port }))),
}

/** @param where What `express` of a place says: its kind, and what the client has to know. */
export async function connect(library, where) {
  const make = library === 'ioredis' ? ioredis : nodeRedis
  const client = make[where.kind](where)
  // They say themselves, by the commands that fail, what visitors have of it.
  client.on('error', silent)
  if (library !== 'ioredis') await client.connect()
  return client
}
