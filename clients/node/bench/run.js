// Holds the store against connect-redis, side by side in one run, and writes docs/benchmarks-node.md.
//
// Each contender is a process of its own that stays; rounds go through all of them in turn, so that what slows the
// machine down slows all of them down. Compared are the medians. BENCH_ROUNDS and BENCH_REQUESTS say how much.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { createClient } from 'redis'
import { startServer } from '../test/server.ts'

const here = import.meta.dirname
const rounds = Number(process.env.BENCH_ROUNDS ?? 15)
const requests = Number(process.env.BENCH_REQUESTS ?? 1000)
const delay = 1 // ms, each way
const browsers = 4
const kinds = ['read', 'write']
const contenders = [
  { store: 'redis-session-client', client: 'node-redis' },
  { store: 'connect-redis', client: 'node-redis' },
  { store: 'redis-session-client', client: 'ioredis' },
]

class Site {
  async start(contender, port) {
    this.process = fork(join(here, 'site.js'), [contender.store, contender.client, String(port)])
    const [{ port: own }] = await once(this.process, 'message')
    this.port = own
    this.agent = new Agent({ keepAlive: true, maxSockets: browsers })
    this.cookies = await Promise.all(Array.from({ length: browsers }, () => this.begin()))
    return this
  }

  async begin() {
    const { headers } = await this.request('/fill')
    return headers['set-cookie'][0].split(';')[0]
  }

  request(path, cookie) {
    return new Promise((resolve, reject) => {
      const headers = cookie ? { cookie } : {}
      get({ port: this.port, host: '127.0.0.1', path, headers, agent: this.agent }, (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (part) => {
          body += part
        })
        response.on('end', () => {
          if (response.statusCode === 200 && body) resolve({ headers: response.headers, body })
          else reject(new Error(`${path}: ${response.statusCode} ${body}`))
        })
      }).on('error', reject)
    })
  }

  async cpu() {
    this.process.send('cpu')
    const [{ cpu }] = await once(this.process, 'message')
    return cpu
  }

  /** Requests a second, and microseconds of the site's CPU a request. */
  async measure(kind, count) {
    const each = Math.ceil(count / browsers)
    const cpu = await this.cpu()
    const began = performance.now()
    await Promise.all(
      this.cookies.map(async (cookie) => {
        for (let n = 0; n < each; n++) await this.request(`/${kind}`, cookie)
      }),
    )
    const seconds = (performance.now() - began) / 1000
    return [(each * browsers) / seconds, ((await this.cpu()) - cpu) / (each * browsers)]
  }

  async close() {
    this.agent.destroy()
    this.process.kill()
    await once(this.process, 'exit')
  }
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]

async function measure(port, count) {
  const sites = await Promise.all(contenders.map((contender) => new Site().start(contender, port)))
  const figures = contenders.map(() => ({ read: [], write: [] }))
  for (let round = 0; round <= rounds; round++) {
    for (const [n, site] of sites.entries()) {
      for (const kind of kinds) {
        const figure = await site.measure(kind, count)
        if (round > 0) figures[n][kind].push(figure) // the first one warms up
      }
    }
  }
  for (const site of sites) await site.close()
  for (const kind of kinds) console.log(`${kind}: ${ratios(figures, kind).join('; ')}`)
  return figures.map((kindly) =>
    Object.fromEntries(
      kinds.map((kind) => [kind, [0, 1].map((column) => median(kindly[kind].map((row) => row[column])))]),
    ),
  )
}

/**
 * The CPU of a request as a multiple of connect-redis's in the same round: where others use the machine as well, the median
 * of these says more than the medians of the two.
 */
function ratios(figures, kind) {
  const base = figures[contenders.findIndex(({ store }) => store === 'connect-redis')][kind]
  return contenders.map(({ store, client }, n) => {
    const ratio = median(figures[n][kind].map(([, cpu], round) => cpu / base[round][1]))
    return `${store}, ${client}: ${ratio.toFixed(2)} x the CPU of connect-redis`
  })
}

/** What connect-redis is asked for to read, and to write: counted by the server. */
async function commands(port, contender) {
  const site = await new Site().start(contender, port)
  const server = createClient({ url: `redis://127.0.0.1:${port}` })
  await server.connect()
  const counts = {}
  for (const kind of kinds) {
    await server.sendCommand(['CONFIG', 'RESETSTAT'])
    await site.request(`/${kind}`, site.cookies[0])
    const stats = String(await server.sendCommand(['INFO', 'commandstats']))
    const names = [...stats.matchAll(/cmdstat_([a-z.|]+):calls=(\d+)/g)]
    counts[kind] = names
      .filter(([, name]) => !/^(config|info|client|hello|command)/.test(name))
      .reduce((sum, [, , calls]) => sum + Number(calls), 0)
  }
  server.destroy()
  await site.close()
  return counts
}

const number = (value) => Math.round(value).toLocaleString('en')

function table(figures, counts) {
  const [own] = figures
  const rows = figures.map((figure, n) => {
    const { store, client } = contenders[n]
    const cells = kinds.flatMap((kind) => [
      String(counts[n][kind]),
      number(figure[kind][0]),
      n === 0 ? '' : (own[kind][0] / figure[kind][0]).toFixed(2),
      number(figure[kind][1]),
    ])
    return `| ${store}, ${client} | ${cells.join(' | ')} |`
  })
  return [
    '| | commands | reads/s | × | CPU µs | commands | writes/s | × | CPU µs |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

const versions = ['redis', 'ioredis', 'connect-redis', 'express', 'express-session'].map((name) => {
  const { version } = JSON.parse(readFileSync(join(here, 'node_modules', name, 'package.json'), 'utf8'))
  return `${name} ${version}`
})

const server = await startServer()
const proxy = spawn(process.execPath, [join(here, 'delay.js'), String(server.port), String(delay)])
try {
  const far = Number(await once(proxy.stdout, 'data').then(([data]) => String(data)))
  const counts = []
  for (const contender of contenders) counts.push(await commands(server.port, contender))
  const near = table(await measure(server.port, requests), counts)
  const beyond = table(await measure(far, Math.ceil(requests / 4)), counts)
  const info = String(await server.command('INFO', 'server'))
  const page = `# What a request costs in Node.js

\`make bench-node\` writes this page: ${new Date().toISOString().slice(0, 10)}, Redis ${info.match(/redis_version:(\S+)/)[1]}, \
Node.js ${process.versions.node}, ${versions.join(', ')}.

The same small Express site on each store: a session of 20 fields, a request that reads it and one that changes a field,
from ${browsers} browsers at a time. All contenders run side by side in one run, ${rounds} rounds of ${number(requests)} requests in turn;
the figures are medians. *×* says how many times as many requests the first row serves; *CPU* is the site's own time a
request, of which most is Express's.

## On the server's own machine

${near}

## With a network of ${delay} ms each way

A store that asks the server twice waits twice.

${beyond}
`
  writeFileSync(join(here, '../../../docs/benchmarks-node.md'), page)
  console.log(page)
} finally {
  proxy.kill()
  await server.close()
}
