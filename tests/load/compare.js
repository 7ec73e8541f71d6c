// The same site on the stores that sites have today, beside ours: reading, writing, logins and logouts, which all of them can.
import { setTimeout as sleep } from 'node:timers/promises'
import { startServer } from '../../clients/node/test/server.ts'
import { Crowd, startDjango, startExpress } from './children.js'
import { ofServer, ofSites } from './cpu.js'
import { together } from './figures.js'
import { GRACE, IDLE, options } from './options.js'
import { memoryOf } from './places.js'

const ROUNDS = 6
const WARM_UP = 500 // ms

const frameworks = {
  express: { start: startExpress, stores: ['ours', 'connect-redis'] },
  django: { start: startDjango, stores: ['ours', 'cache'] },
}

/** Of one framework and one store: a server of its own, sites and visitors. */
class Contender {
  async start(framework, store) {
    this.framework = framework
    this.store = store
    this.seconds = 0
    /** Seconds of CPU that the sites and the server have used under load. */
    this.cpu = { sites: 0, server: 0 }
    this.server = await startServer()
    const { port, url } = this.server
    const where = framework === 'django' ? { url: `${url}/0` } : { kind: 'single', port }
    const site = { store, where, client: 'node-redis', cap: 0, grace: GRACE, idle: IDLE, handles: false }
    const start = () => frameworks[framework].start(site)
    this.sites = await Promise.all(Array.from({ length: options.processes }, start))
    this.crowd = new Crowd(options.processes)
    this.order = { browsers: options.browsers, cap: 0, grace: GRACE, basic: true }
    const ports = { [framework]: this.sites.map((site) => site.port) }
    this.before = await memoryOf(this.server)
    await this.crowd.ask('start', { ...this.order, ports })
    await sleep(WARM_UP)
    await this.crowd.ask('stop')
    await this.crowd.ask('forget')
    return this
  }

  async turn(seconds) {
    const before = await this.#used()
    await this.crowd.ask('go', this.order)
    const began = Date.now()
    await sleep(seconds * 1000)
    this.reports = await this.crowd.ask('stop')
    this.seconds += (Date.now() - began) / 1000
    const after = await this.#used()
    for (const what of Object.keys(this.cpu)) this.cpu[what] += after[what] - before[what]
  }

  async #used() {
    return { sites: ofSites(this.sites), server: await ofServer(this.server) }
  }

  async finish() {
    const memory = (await memoryOf(this.server)) - this.before
    const keys = Number(await this.server.command('DBSIZE'))
    const checked = await this.crowd.ask('check')
    const { framework, store, seconds, cpu } = this
    const figures = together(this.reports.map((report) => report.figures))
    const differences = checked.flatMap((one) => one.differences)
    return { framework, store, seconds, cpu, figures, memory, keys, differences }
  }

  async close() {
    await this.crowd?.close()
    await Promise.all((this.sites ?? []).map((site) => site.close()))
    await this.server?.close()
  }
}

/** One framework: its stores take turns, so that what slows the machine down slows both of them down. */
async function compareStores(framework, seconds) {
  const contenders = frameworks[framework].stores.map(() => new Contender())
  try {
    const { stores } = frameworks[framework]
    await Promise.all(contenders.map((contender, n) => contender.start(framework, stores[n])))
    for (let round = 1; round <= ROUNDS; round++) {
      // Each is the first one as often as the other.
      for (const contender of round % 2 ? contenders : contenders.toReversed()) {
        await contender.turn(seconds / ROUNDS)
        const requests = contender.reports.reduce((sum, { figures }) => sum + figures.requests, 0)
        const rate = Math.round(requests / contender.seconds)
        console.log(`  ${framework} on ${contender.store}, round ${round}: ${rate} requests a second until now`)
      }
    }
    return await Promise.all(contenders.map((contender) => contender.finish()))
  } finally {
    await Promise.all(contenders.map((contender) => contender.close()))
  }
}

/** @returns For each framework and store what it took. Each is under load for a quarter of the time of a place. */
export async function compare() {
  console.log('compare: each store on a server of its own, one after the other')
  const found = []
  for (const framework of Object.keys(frameworks)) found.push(...(await compareStores(framework, options.seconds / 4)))
  return found
}
