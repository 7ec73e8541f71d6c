// A primary and its replica behind Sentinel. The primary is killed, and comes back as a replica of the other.
import { commandOn, startSentinel, startServer } from '../../clients/node/test/server.ts'
import { waitFor } from './wait.js'
import { startWatermark } from './watermark.js'

/** Milliseconds without an answer after which Sentinel takes a primary for dead: when one is killed, and else. */
const IMPATIENT = 1000
const PATIENT = 600_000

/** Sentinel, as the test talks to it. */
class Watcher {
  constructor({ name, sentinel }) {
    this.name = name
    this.port = sentinel.port
  }

  tell(...words) {
    return commandOn(this.port, 'SENTINEL', ...words)
  }

  /** Until then a busy machine is not taken for a dead one: a failover that nobody knows of would lose what it likes. */
  after(milliseconds) {
    return this.tell('SET', this.name, 'down-after-milliseconds', String(milliseconds))
  }

  async prepare() {
    // Of a busy machine it would believe that the clock has jumped, and do nothing for half a minute.
    await this.tell('DEBUG', 'tilt-trigger', '20000', 'tilt-period', '1000', 'info-period', '500')
    await this.after(PATIENT)
  }

  async primary() {
    const [, port] = await this.tell('GET-MASTER-ADDR-BY-NAME', this.name)
    return Number(port)
  }

  /** How many failovers there were. */
  async failovers() {
    const said = await this.tell('MASTER', this.name)
    return Number(said[said.indexOf('config-epoch') + 1])
  }
}

const follows = async (server) => String(await server.command('INFO', 'replication')).includes('master_link_status:up')
const leads = async (server) => String(await server.command('INFO', 'replication')).includes('role:master')

export async function pair() {
  const { name, sentinel, primary, replica, close } = await startSentinel()
  const watcher = new Watcher({ name, sentinel })
  await watcher.prepare()
  // It waits for other replicas otherwise, before it sends the first one all that it has.
  await replica.command('CONFIG', 'SET', 'repl-diskless-sync-delay', '0')
  const watermark = startWatermark(primary.port)
  let former
  return {
    kind: 'pair',
    says: 'a primary and a replica behind Sentinel',
    django: { sentinel: { sentinels: [`127.0.0.1:${sentinel.port}`], service_name: name, socket_timeout: 2 } },
    express: { kind: 'pair', name, sentinel },
    primaries: async () => [former ? replica : primary],
    replicas: async () => (former ? [former] : []),
    async disturb(crowd) {
      const from = await watermark.stop()
      await primary.stop()
      const killed = Date.now()
      await Promise.all([crowd.ask('killed', { from, killed }), watcher.after(IMPATIENT)])
      await waitFor(() => leads(replica), 'the replica is the primary')
      const promoted = Date.now()
      await waitFor(async () => (await watcher.primary()) === replica.port, 'Sentinel names the new primary')
      await watcher.after(PATIENT)
      // As a replica from the start: as a primary it would be empty, and clients that come too early would believe it.
      former = await startServer({ port: primary.port, args: ['--replicaof', '127.0.0.1', String(replica.port)] })
      await waitFor(() => follows(former), 'the former primary follows')
      return { killed, text: `the primary was killed; the replica was the primary ${promoted - killed} ms later` }
    },
    /** What has gone wrong here that the sites have nothing to do with. */
    async faults() {
      const failovers = await watcher.failovers()
      return failovers === 1 ? [] : [`there were ${failovers} failovers, and the books know of one`]
    },
    close: async () => {
      watermark.close()
      await former?.close()
      await close()
    },
  }
}
