/**
 * Servers for tests: one alone, a cluster of three primaries, one behind a sentinel. Each binds to 127.0.0.1 on free
 * ports, has its data in a folder of its own, and is ended by its process id.
 *
 * SESSION_SERVER is the server's program (redis-server), SESSION_MODULE the module (the one that `make build` makes).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis6'

const program = process.env.SESSION_SERVER ?? 'redis-server'
export const modulePath = resolve(
  process.env.SESSION_MODULE ?? join(import.meta.dirname, '../../../target/release/libredis_session.so'),
)

export interface Server {
  port: number
  url: string
  /** Sends a command on a connection of its own, past every client under test. */
  command(...args: string[]): Promise<unknown>
  /** Ends the process; `start` begins it again on the same port. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Stops the process where it is, so that nothing is answered, and lets it go on. */
  freeze(): void
  thaw(): void
  /** Ends the process and removes its folder. */
  close(): Promise<void>
}

export interface Options {
  /** Whether to load the module; true where nothing is said. */
  module?: boolean
  args?: string[]
  port?: number
}

export async function freePort(): Promise<number> {
  for (;;) {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as { port: number }
    probe.close()
    // A cluster's bus listens 10000 above.
    if (port < 55536) return port
  }
}

/** Waits until `condition` gives something other than false, undefined or null, for half a minute at most. */
export async function until<T>(condition: () => T | Promise<T>, what = 'the condition'): Promise<NonNullable<T>> {
  const end = Date.now() + 30_000
  for (;;) {
    const value = await condition()
    if (value !== false && value != null) return value
    if (Date.now() > end) throw new Error(`${what} was not met in half a minute`)
    await sleep(10)
  }
}

/** Calls `command` on a new connection to the server at `port`. */
export async function commandOn(port: number, ...args: string[]): Promise<unknown> {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2, socket: { reconnectStrategy: false } })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.sendCommand(args)
  } finally {
    client.destroy()
  }
}

async function run(args: string[], port: number): Promise<ChildProcess> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit').then(() => true)
  ended.catch(() => {})
  let log = ''
  child.stdout!.on('data', (text) => {
    log += text
  })
  const stopEarly = Promise.race([ended, sleep(10_000, true, { ref: false })]).then((value) => value)
  let early = false
  stopEarly.then(() => {
    early = true
  })
  for (;;) {
    const reply = await commandOn(port, 'PING').catch(() => undefined)
    if (reply === 'PONG') return child
    if (early) throw new Error(`${program} does not start:\n${log}`)
    await sleep(20)
  }
}

async function end(child: ChildProcess | undefined) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGCONT')
  child.kill('SIGKILL')
  await exited
}

const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
// The test runner ends a file that hangs.
process.on('SIGTERM', () => process.exit(1))

export async function startServer(options: Options = {}): Promise<Server> {
  const port = options.port ?? (await freePort())
  const folder = mkdtempSync(join(tmpdir(), 'session-test-'))
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', folder]
  if (options.module !== false) args.push('--loadmodule', modulePath)
  args.push(...(options.args ?? []))
  let child: ChildProcess | undefined
  const server: Server = {
    port,
    url: `redis://127.0.0.1:${port}`,
    command: (...command) => commandOn(port, ...command),
    async start() {
      child = await run(args, port)
      children.add(child)
    },
    async stop() {
      await end(child)
      if (child) children.delete(child)
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async close() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}

export interface Cluster {
  /** The primaries first, then the replicas. */
  nodes: Server[]
  ports: number[]
  close(): Promise<void>
}

/** A cluster of three primaries, and of one replica for each where `replicas` is true. */
export async function startCluster({ replicas = false } = {}): Promise<Cluster> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--repl-diskless-sync-delay', '0']
  const nodes = await Promise.all(Array.from({ length: replicas ? 6 : 3 }, () => startServer({ args })))
  const [first] = nodes
  const shares = ['0 5460', '5461 10922', '10923 16383']
  await Promise.all(shares.map((share, i) => nodes[i]!.command('CLUSTER', 'ADDSLOTSRANGE', ...share.split(' '))))
  for (const [i, node] of nodes.entries()) await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1))
  for (const node of nodes.slice(1)) await node.command('CLUSTER', 'MEET', '127.0.0.1', String(first!.port))
  const all = (text: string) => async () => {
    const states = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')))
    return states.every((state) => String(state).includes(text))
  }
  await until(all(`cluster_known_nodes:${nodes.length}`), 'the cluster knows its nodes')
  for (const [i, node] of nodes.slice(3).entries()) {
    const id = String(await nodes[i]!.command('CLUSTER', 'MYID'))
    await until(() => node.command('CLUSTER', 'REPLICATE', id).catch(() => false), 'a replica follows')
  }
  await until(all('cluster_state:ok'), 'the cluster is up')
  for (const node of nodes.slice(3)) {
    await until(async () => String(await node.command('INFO', 'replication')).includes('master_link_status:up'))
  }
  return {
    nodes,
    ports: nodes.map((node) => node.port),
    close: async () => void (await Promise.all(nodes.map((node) => node.close()))),
  }
}

export interface Sentinel {
  name: string
  sentinel: { host: string; port: number }
  primary: Server
  replica: Server
  /** Makes the replica the primary, and ends the former one. */
  failover(): Promise<void>
  close(): Promise<void>
}

/** A primary, a replica and a sentinel that watches them. `via` may give another port than the primary's to find it at. */
export async function startSentinel({ via = async (port: number) => port } = {}): Promise<Sentinel> {
  const primary = await startServer({ args: ['--repl-diskless-sync-delay', '0'] })
  const knownAs = await via(primary.port)
  const replica = await startServer({ args: ['--replicaof', '127.0.0.1', String(primary.port)] })
  await until(async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up'))
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'session-test-'))
  const file = join(folder, 'sentinel.conf')
  writeFileSync(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor sessions 127.0.0.1 ${knownAs} 1`,
      'sentinel down-after-milliseconds sessions 1000',
      'sentinel failover-timeout sessions 3000',
    ].join('\n'),
  )
  const child = await run([file, '--sentinel'], port)
  children.add(child)
  await until(async () => {
    const replicas = (await commandOn(port, 'SENTINEL', 'REPLICAS', 'sessions')) as unknown[]
    return replicas.length === 1
  }, 'the sentinel knows the replica')
  return {
    name: 'sessions',
    sentinel: { host: '127.0.0.1', port },
    primary,
    replica,
    async failover() {
      await until(
        () => commandOn(port, 'SENTINEL', 'FAILOVER', 'sessions').catch(() => false),
        'the sentinel begins a failover',
      )
      const info = () => replica.command('INFO', 'replication').catch(() => '')
      await until(async () => String(await info()).includes('role:master'), 'the replica is the primary')
      // It would take writes, and lose them, until the sentinel looks at it again, in ten seconds.
      await primary.stop()
    },
    async close() {
      await end(child)
      children.delete(child)
      rmSync(folder, { recursive: true, force: true })
      await Promise.all([primary.close(), replica.close()])
    },
  }
}
