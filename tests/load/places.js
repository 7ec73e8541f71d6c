// Where the sites have their sessions, and what happens there while they are used.
import { startCluster, startServer } from '../../clients/node/test/server.ts'
import { moveTogether, reshard, untilAgreed } from './move.js'
import { pair } from './pair.js'

/** Slots that are moved one by one, a second of the load. */
const ONE_BY_ONE = 10

/** One server. Nothing happens. */
async function single() {
  const server = await startServer()
  return {
    kind: 'single',
    says: 'one server',
    django: { url: `${server.url}/0` },
    express: { kind: 'single', port: server.port },
    primaries: async () => [server],
    close: () => server.close(),
  }
}

/** Three primaries. Slots are moved between them key by key, first many at a time, then one by one. */
async function cluster() {
  const { nodes, ports, close } = await startCluster()
  return {
    kind: 'cluster',
    says: 'a cluster of three primaries',
    django: { cluster: { nodes: ports.map((port) => `127.0.0.1:${port}`), socket_timeout: 2 } },
    express: { kind: 'cluster', ports },
    primaries: async () => nodes,
    async disturb(crowd, seconds) {
      await crowd.ask('moving', { isMoving: true })
      const moved = await moveTogether(nodes, seconds / 4)
      const slots = Math.round(Math.min(1000, ONE_BY_ONE * seconds))
      await reshard(nodes[1], nodes[2], slots)
      await untilAgreed(nodes)
      await crowd.ask('moving', { isMoving: false })
      const together = `${moved.slots} slots with ${moved.keys} sessions were moved to other primaries, 200 at a time`
      return { text: `${together}, and then ${slots} one by one, by redis-cli --cluster reshard` }
    },
    close,
  }
}

export const places = { single, pair, cluster }

/** What the module of some servers counts, added up: `session_created`, for example, as `created`. */
export async function countsOf(servers) {
  const counts = {}
  for (const server of servers) {
    const said = String(await server.command('INFO', 'session'))
    for (const [, name, value] of said.matchAll(/^session_(\w+):(\d+)/gm))
      counts[name] = (counts[name] ?? 0) + Number(value)
  }
  return counts
}

/** What a server says of its memory, in bytes. */
export async function memoryOf(server) {
  const said = String(await server.command('INFO', 'memory'))
  return Number(said.match(/^used_memory:(\d+)/m)[1])
}
