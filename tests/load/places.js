// Where the sites have their sessions, and what happens there while they are used.
import { commandOn, startCluster, startSentinel, startServer } from '../../clients/node/test/server.ts'
import { moveTogether, reshard, untilAgreed } from './move.js'
import { waitFor } from './wait.js'
import { startWatermark } from './watermark.js'

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

/** A primary and its replica behind Sentinel. The primary is killed, and comes back as a replica of the other. */
async function pair() {
  const { name, sentinel, primary, replica, close } = await startSentinel()
  const tell = (...words) => commandOn(sentinel.port, 'SENTINEL', ...words)
  // Of a busy machine it would believe that the clock has jumped, and do nothing for half a minute.
  await tell('DEBUG', 'tilt-trigger', '20000', 'tilt-period', '1000', 'info-period', '500')
  // It waits for other replicas otherwise, before it sends the first one all that it has.
  await replica.command('CONFIG', 'SET', 'repl-diskless-sync-delay', '0')
  const watermark = startWatermark(primary.port)
  let current = primary
  let former
  return {
    kind: 'pair',
    says: 'a primary and a replica behind Sentinel',
    django: {
      sentinel: { sentinels: [`127.0.0.1:${sentinel.port}`], service_name: name, socket_timeout: 2 },
    },
    express: { kind: 'pair', name, sentinel },
    primaries: async () => [current],
    replicas: async () => (former ? [former] : []),
    async disturb(crowd) {
      const from = await watermark.stop()
      await primary.stop()
      const killed = Date.now()
      await crowd.ask('killed', { from, killed })
      const role = async () => String(await replica.command('INFO', 'replication'))
      await waitFor(async () => (await role()).includes('role:master'), 'the replica is the primary')
      current = replica
      const promoted = Date.now()
      const address = async () => String((await tell('GET-MASTER-ADDR-BY-NAME', name))[1])
      await waitFor(async () => (await address()) === String(replica.port), 'Sentinel names the new primary')
      // As a replica from the start: as a primary it would be empty, and clients that come too early would believe it.
      const args = ['--replicaof', '127.0.0.1', String(replica.port)]
      former = await startServer({ port: primary.port, args })
      const link = async () => String(await former.command('INFO', 'replication'))
      await waitFor(async () => (await link()).includes('master_link_status:up'), 'the former primary follows')
      return { killed, text: `the primary was killed; the replica was the primary ${promoted - killed} ms later` }
    },
    close: async () => {
      watermark.close()
      await former?.close()
      await close()
    },
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
