// The load at one place: sites, visitors, what happens to the servers meanwhile, and the check at the end.
import { setTimeout as sleep } from 'node:timers/promises'
import { Crowd, startDjango, startExpress } from './children.js'
import { together } from './figures.js'
import { CAP, GRACE, IDLE, options } from './options.js'
import { countsOf, memoryOf, places } from './places.js'
import { tamper } from './tamper.js'
import { verify } from './verify.js'

const PROGRESS = 5000 // ms

export async function startSites(place) {
  const clients = ['node-redis', 'ioredis']
  const site = { store: 'ours', cap: CAP, grace: GRACE, idle: IDLE, handles: true }
  const each = Array.from({ length: options.processes }, (_, n) => n)
  const started = await Promise.all([
    ...each.map(() => startDjango({ ...site, where: place.django })),
    ...each.map((n) => startExpress({ ...site, where: place.express, client: clients[n % 2] })),
  ])
  const ports = started.map(({ port }) => port)
  return {
    ports: { django: ports.slice(0, options.processes), express: ports.slice(options.processes) },
    close: () => Promise.all(started.map((site) => site.close())),
  }
}

/** Says every few seconds how it goes. */
function startProgress(name, crowd) {
  const began = Date.now()
  let before = 0
  const timer = setInterval(async () => {
    const said = await crowd.ask('progress').catch(() => [])
    const sum = (what) => said.reduce((total, one) => total + one[what], 0)
    const rate = (sum('requests') - before) / (PROGRESS / 1000)
    before = sum('requests')
    const at = Math.round((Date.now() - began) / 1000)
    const parts = [`${Math.round(rate)} requests a second`, `${sum('alive')} sessions`, `${sum('errors')} errors`]
    console.log(`  ${name}, ${at} s: ${parts.join(', ')}, ${sum('differences')} differences`)
  }, PROGRESS)
  return () => clearInterval(timer)
}

/** Lets the visitors come for so many seconds, and does to the servers what is done to them, in the middle. */
async function underLoad(place, crowd, seconds) {
  const end = Date.now() + seconds * 1000
  let disturbed
  if (place.disturb) {
    await sleep(seconds * 350)
    disturbed = await place.disturb(crowd, seconds)
    console.log(`  ${disturbed.text}`)
    // It goes on for a while afterwards, however long that took.
    await sleep(seconds * 200)
  }
  await sleep(Math.max(0, end - Date.now()))
  return disturbed
}

export async function runPlace(kind) {
  const place = await places[kind]()
  const crowd = new Crowd(options.processes)
  let sites
  try {
    console.log(`${kind}: ${place.says}`)
    sites = await startSites(place)
    const before = await memory(place)
    const order = { ports: sites.ports, browsers: options.browsers, cap: CAP, grace: GRACE, basic: false }
    await crowd.ask('start', order)
    const began = Date.now()
    const quiet = startProgress(kind, crowd)
    const disturbed = await underLoad(place, crowd, options.seconds)
    const reports = await crowd.ask('stop')
    const seconds = (Date.now() - began) / 1000
    quiet()
    const after = await memory(place)
    const counts = await countsOf(await place.primaries())
    if (options.tamper) await tamper(options.tamper, place)
    const checked = await crowd.ask('check')
    const verified = await verify(place, checked)
    const figures = together(reports.map((report) => report.figures))
    return { kind, says: place.says, seconds, disturbed, figures, memory: [before, after], counts, ...verified }
  } finally {
    await crowd.close()
    await sites?.close()
    await place.close()
  }
}

async function memory(place) {
  const all = await Promise.all((await place.primaries()).map(memoryOf))
  return all.reduce((a, b) => a + b, 0)
}
