import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as ioredis6 from 'ioredis6'
import * as redis6 from 'redis6'
import { betterAuthStorage } from '../src/better-auth.js'
import { Sessions } from '../src/core.js'
import { type EndedSession, type SessionEvents, type SessionEventsOptions, sessionEvents } from '../src/events.js'
import { RedisSessionStore } from '../src/index.js'
import { type Client, flavours } from './clients.js'
import { startProxy } from './proxy.js'
import { type Cluster, type Server, startCluster, startSentinel, startServer, until } from './server.js'

const page = readFileSync(join(import.meta.dirname, '../../../docs/sockets.md'), 'utf8')
const PUBLISH = ['--notify-keyspace-events', 'Egxed']

/** Each library and version, in different protocols. */
const libraries = [flavours[0]!, flavours[3]!, flavours[4]!, flavours[7]!]

/** Collects what is reported, by key. */
function collect(events: SessionEvents) {
  const reasons = new Map<string, string>()
  const twice: EndedSession[] = []
  const done = (async () => {
    for await (const session of events) {
      if (reasons.has(session.id)) twice.push(session)
      reasons.set(session.id, session.reason)
    }
  })()
  return { reasons, twice, done }
}

async function listening(opened: Client, options: SessionEventsOptions = {}) {
  const events = sessionEvents(opened.client, { onWarning: (message) => assert.fail(message), ...options })
  const collected = collect(events)
  await events.ready()
  return { events, ...collected }
}

for (const library of libraries) {
  describe(`sessionEvents, one server, ${library.name}`, () => {
    let server: Server
    let opened: Client
    const run = (...args: string[]) => server.command(...args)

    before(async () => {
      server = await startServer({ args: [...PUBLISH, '--enable-debug-command', 'yes'] })
      opened = await library.single(server)
    })
    after(async () => {
      opened.close()
      await server.close()
    })

    test('tells which of the watched sessions ended, and why', async () => {
      const { events, reasons, twice } = await listening(opened)
      for (const key of ['out', 'revoked', 'short', 'gone', 'moved', 'old', 'oldgrace', 'stays', 'unwatched']) {
        await run('SESSION.SET', key, 'USER', key)
        events.watch(key)
      }
      events.unwatch('unwatched')
      await run('SESSION.SET', 'short', 'PX', '200')
      await run('SESSION.DEL', 'out', 'unwatched')
      await run('SESSION.REVOKE', 'revoked')
      await run('DEL', 'gone')
      await run('RENAME', 'moved', 'elsewhere')
      await run('SESSION.ROTATE', 'old', 'new')
      await run('SESSION.ROTATE', 'oldgrace', 'newgrace', 'GRACE', '10')
      await run('SESSION.TOUCH', 'stays')
      await until(() => reasons.size === 7, 'seven ends')
      assert.deepEqual(Object.fromEntries(reasons), {
        out: 'signed-out',
        revoked: 'signed-out',
        short: 'expired',
        gone: 'deleted',
        moved: 'deleted',
        old: 'rotated',
        oldgrace: 'rotated',
      })
      assert.deepEqual(twice, [])
      await events.return()
    })

    test('does not take the new key of a rotation for one that ended', async () => {
      const { events, reasons } = await listening(opened)
      for (let i = 0; i < 20; i++) {
        await run('SESSION.SET', `login:${i}`)
        await run('SESSION.ROTATE', `login:${i}`, `user:${i}`, 'USER', 'alice', ...(i % 2 ? ['GRACE', '10'] : []))
        events.watch(`user:${i}`)
      }
      await run('SESSION.DEL', 'user:0')
      await until(() => reasons.has('user:0'))
      await sleep(50)
      assert.deepEqual([...reasons], [['user:0', 'signed-out']])
      await events.return()
    })

    test('reports a session that ended before it was watched, and the snapshot of a rotated one', async () => {
      const { events, reasons } = await listening(opened)
      await run('SESSION.SET', 'early')
      await run('SESSION.ROTATE', 'early', 'late', 'GRACE', '10')
      events.watch('early')
      events.watch('never')
      await until(() => reasons.size === 2)
      assert.deepEqual(Object.fromEntries(reasons), { early: 'rotated', never: 'unknown' })
      await events.return()
    })

    test('knows a deadline without the server, which removes sessions when it has the time', async () => {
      await run('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
      try {
        const { events, reasons } = await listening(opened)
        await run('SESSION.SET', 'quiet', 'PX', '300')
        events.watch('quiet')
        await sleep(150)
        await run('SESSION.TOUCH', 'quiet')
        await until(() => reasons.has('quiet'))
        assert.equal(reasons.get('quiet'), 'expired')
        await events.return()
      } finally {
        await run('DEBUG', 'SET-ACTIVE-EXPIRE', '1')
      }
    })

    test('reports sessions that the server evicts', async () => {
      const { events, reasons } = await listening(opened)
      for (let i = 0; i < 50; i++) {
        await run('SESSION.SET', `big:${i}`, 'FIELDS', '1', 'data', 'x'.repeat(20_000))
        events.watch(`big:${i}`)
      }
      await run('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random')
      await run('CONFIG', 'SET', 'maxmemory', '1mb')
      await run('SET', 'filler', 'x').catch(() => undefined)
      await until(() => reasons.size > 0)
      await run('CONFIG', 'SET', 'maxmemory', '0')
      assert.ok(
        [...reasons.values()].every((reason) => reason === 'evicted'),
        String([...reasons.values()]),
      )
      await events.return()
    })

    test('misses none of those that end while the connection is cut', async () => {
      const { events, reasons, twice } = await listening(opened)
      const keys = Array.from({ length: 100 }, (_, i) => `cut:${i}`)
      for (const key of keys) {
        await run('SESSION.SET', key)
        events.watch(key)
      }
      // One transaction cuts the connection and ends sessions, so that nobody can be told of them.
      const client = redis6.createClient({ url: server.url, RESP: 2 })
      await client.connect()
      const cut = client.multi().addCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
      for (const key of keys.slice(0, 50)) cut.addCommand(['SESSION.DEL', key])
      await cut.exec()
      client.destroy()
      await until(() => reasons.size === 50, 'fifty ends')
      assert.deepEqual([...reasons.keys()].sort(), keys.slice(0, 50).sort())
      // It listens again.
      await run('SESSION.DEL', ...keys.slice(50))
      await until(() => reasons.size === 100, 'all ends')
      assert.deepEqual(new Set([...reasons.values()].slice(50)), new Set(['signed-out']))
      assert.deepEqual(twice, [])
      await events.return()
    })

    test('tells each end once, and no other, whatever happens to connections', async () => {
      const { events, reasons, twice } = await listening(opened, { interval: 200 })
      const ended = new Set<string>()
      const alive = new Set<string>()
      for (let n = 0; n < 300; n++) {
        const key = `random:${n}`
        await run('SESSION.SET', key, 'USER', key)
        events.watch(key)
        const ends = [
          ['SESSION.DEL', key],
          ['SESSION.REVOKE', key],
          ['DEL', key],
          ['SESSION.SET', key, 'PX', '30'],
          ['SESSION.ROTATE', key, `${key}:new`],
          ['SESSION.ROTATE', key, `${key}:new`, 'GRACE', '5'],
        ]
        const choice = Math.floor(Math.random() * (ends.length + 3))
        if (n % 20 === 19) await run('CLIENT', 'KILL', 'TYPE', n % 40 === 39 ? 'normal' : 'pubsub', 'SKIPME', 'yes')
        // What ends is ended while it is asked for, while it is told of, or long after.
        if (Math.random() < 0.5) await sleep(Math.random() * 10)
        await run(...(ends[choice] ?? ['SESSION.TOUCH', key]))
        if (ends[choice]) ended.add(key)
        else alive.add(key)
      }
      await until(() => reasons.size >= ended.size, 'all ends')
      await sleep(500)
      assert.deepEqual([...reasons.keys()].sort(), [...ended].sort())
      assert.deepEqual(twice, [])
      for (const key of alive) await run('SESSION.DEL', key)
      await until(() => reasons.size === 300, 'the last ends')
      await events.return()
    })

    test('watches by session ids, whatever a store makes of them', async () => {
      const stores = [
        new RedisSessionStore({ client: opened.client, prefix: 'plain:' }),
        new RedisSessionStore({ client: opened.client, prefix: 'hashed:', hashKeys: true }),
        betterAuthStorage(opened),
        new Sessions(opened),
      ]
      for (const [n, store] of stores.entries()) {
        const sessions = 'core' in store ? store.core : store
        const { events, reasons } = await listening(opened, { store })
        const { id } = await sessions.create({}, { user: 'alice' })
        events.watch(id)
        await sleep(20)
        assert.equal(await sessions.signOutAll('alice'), 1)
        await until(() => reasons.has(id), `the session of store ${n}`)
        assert.equal(reasons.get(id), 'signed-out')
        await events.return()
      }
    })

    test('works for a user with no more rights than the page says', async () => {
      const [, rights] = /A user with limited rights needs `([^`]*)`/.exec(page)!
      await run('ACL', 'SETUSER', 'sockets', 'on', '>secret', '~*', '&__keyevent@0__:*', ...rights!.split(' '))
      const limited = opened.client.duplicate({ username: 'sockets', password: 'secret' })
      limited.on('error', () => {})
      if (library.name.startsWith('node-redis')) await limited.connect()
      const { events, reasons } = await listening({ client: limited, close: () => {} })
      await run('SESSION.SET', 'seen')
      events.watch('seen')
      await run('SESSION.DEL', 'seen')
      await until(() => reasons.has('seen'))
      assert.equal(reasons.get('seen'), 'signed-out')
      await events.return()
      limited.disconnect()
    })

    test('closes its connections and leaves the client alone', async () => {
      const listeners = async () => String(await run('CLIENT', 'LIST', 'TYPE', 'pubsub')).trim()
      const { events, done } = await listening(opened)
      assert.notEqual(await listeners(), '')
      await events.return()
      await done
      await until(async () => (await listeners()) === '', 'nobody listens')
      assert.deepEqual(await events.next(), { done: true, value: undefined })
      const again = await listening(opened)
      await again.events.return()
    })
  })

  describe(`sessionEvents, servers that do not help, ${library.name}`, () => {
    test('says once that the server publishes nothing, and asks; listens when it does', async () => {
      const server = await startServer()
      const opened = await library.single(server)
      const warnings: string[] = []
      const { events, reasons } = await listening(opened, {
        interval: 100,
        onWarning: (message) => warnings.push(message),
      })
      await server.command('SESSION.SET', 'a')
      await server.command('SESSION.SET', 'b')
      events.watch('a')
      events.watch('b')
      await server.command('SESSION.DEL', 'a')
      await until(() => reasons.has('a'))
      assert.equal(reasons.get('a'), 'unknown')
      await sleep(300)
      assert.equal(warnings.length, 1)
      assert.match(warnings[0]!, /notify-keyspace-events to Egxed or more: it is empty/)
      await server.command('CONFIG', 'SET', 'notify-keyspace-events', 'EA')
      await sleep(300)
      await server.command('SESSION.DEL', 'b')
      await until(() => reasons.has('b'))
      assert.equal(reasons.get('b'), 'signed-out')
      await events.return()
      opened.close()
      await server.close()
    })

    test('says that the module is missing', async () => {
      const server = await startServer({ module: false, args: PUBLISH })
      const opened = await library.single(server)
      const events = sessionEvents(opened.client)
      events.watch('a')
      await assert.rejects(events.next(), /does not have the module redis-session/)
      assert.deepEqual(await events.next(), { done: true, value: undefined })
      opened.close()
      await server.close()
    })

    test('misses none while the server cannot be reached, and notices a connection that is dead and open', async () => {
      const server = await startServer({ args: PUBLISH })
      const proxy = await startProxy(server.port)
      const opened = await library.single({ ...server, port: proxy.port, url: `redis://127.0.0.1:${proxy.port}` })
      const { events, reasons } = await listening(opened, { interval: 200 })
      for (const key of ['a', 'b', 'c', 'd']) {
        await server.command('SESSION.SET', key)
        events.watch(key)
      }
      await sleep(50)
      proxy.cut()
      await server.command('SESSION.DEL', 'a')
      await sleep(300)
      assert.deepEqual([...reasons], [])
      proxy.mend()
      await until(() => reasons.has('a'), 'a is missed')
      await until(async () => String(await server.command('CLIENT', 'LIST', 'TYPE', 'pubsub')).includes('sub=7'))
      const listener = async () => /id=\d+/.exec(String(await server.command('CLIENT', 'LIST', 'TYPE', 'pubsub')))?.[0]
      const before = await listener()
      proxy.swallow('subscribe')
      await server.command('SESSION.DEL', 'b')
      await until(() => reasons.has('b'), 'b is missed')
      await until(async () => ![undefined, before].includes(await listener()), 'it listens again')
      await server.command('SESSION.DEL', 'c')
      await until(() => reasons.get('c') === 'signed-out', 'c is told')
      assert.ok(!reasons.has('d'))
      await events.return()
      opened.close()
      await proxy.close()
      await server.close()
    })
  })

  describe(`sessionEvents, behind Sentinel, ${library.name}`, () => {
    test('follows a failover', async () => {
      const setup = await startSentinel()
      for (const server of [setup.primary, setup.replica]) {
        await server.command('CONFIG', 'SET', 'notify-keyspace-events', 'Egxed')
      }
      const opened = await library.sentinel(setup)
      const { events, reasons, twice } = await listening(opened, { interval: 500 })
      for (const key of ['a', 'b', 'c', 'd']) {
        await setup.primary.command('SESSION.SET', key)
        events.watch(key)
      }
      await setup.primary.command('SESSION.DEL', 'a')
      await until(() => reasons.get('a') === 'signed-out')
      await until(async () => String(await setup.replica.command('EXISTS', 'd')) === '1')
      await setup.failover()
      // The sentinel cuts the connections of a server whose role it changes.
      await until(() => setup.replica.command('SESSION.DEL', 'b').catch(() => false))
      await until(async () => String(await setup.replica.command('CLIENT', 'LIST', 'TYPE', 'pubsub')).includes('sub=7'))
      await setup.replica.command('SESSION.DEL', 'c')
      await until(() => reasons.get('c') === 'signed-out', 'c is told')
      // Until the old primary learns that it is none, or goes, the application's client may be asking that one.
      await setup.primary.stop()
      await until(() => reasons.has('b'), 'b is missed')
      assert.ok(!reasons.has('d'))
      assert.deepEqual(twice, [])
      await events.return()
      opened.close()
      await setup.close()
    })
  })
}

// Most of it is waiting for the cluster.
describe('sessionEvents, cluster', { concurrency: 2 }, () => {
  for (const library of libraries) {
    test(`hears all primaries, through a move of slots and a failover, ${library.name}`, async () => {
      const cluster = await startCluster({ replicas: true })
      await Promise.all(cluster.nodes.map((node) => node.command('CONFIG', 'SET', 'notify-keyspace-events', 'Egxed')))
      const opened = await library.cluster(cluster)
      const operator = await flavours[6]!.cluster(cluster)
      const run = (name: string, key: string) => operator.client.call(name, key)
      const { events, reasons, twice } = await listening(opened, { interval: 500 })
      const keys = Array.from({ length: 40 }, (_, i) => `s:${i}`)
      for (const key of keys) {
        await run('SESSION.SET', key)
        events.watch(key)
      }
      await sleep(100)
      for (const key of keys.slice(0, 10)) await run('SESSION.DEL', key)
      await until(() => reasons.size === 10, 'ten ends on three primaries')
      assert.deepEqual(new Set(reasons.values()), new Set(['signed-out']))

      await moveSlotOf(cluster, keys[10]!)
      await sleep(200)
      assert.equal(reasons.size, 10, 'a key that moves has not ended')
      await run('SESSION.DEL', keys[10]!)
      await until(() => reasons.has(keys[10]!), 'the moved one')

      await cluster.nodes[3]!.command('CLUSTER', 'FAILOVER')
      await until(async () => String(await cluster.nodes[3]!.command('ROLE')).startsWith('master'))
      for (const key of keys.slice(11, 25)) await run('SESSION.DEL', key)
      await until(() => reasons.size === 25, 'ends after a failover')

      await until(async () => String(await cluster.nodes[4]!.command('INFO', 'replication')).includes('_status:up'))
      await cluster.nodes[1]!.stop()
      await until(async () => String(await cluster.nodes[4]!.command('ROLE')).startsWith('master'))
      for (const key of keys.slice(25)) await until(() => run('SESSION.DEL', key).catch(() => false))
      await until(() => reasons.size === 40, 'ends after a primary died')
      assert.deepEqual(twice, [])
      await events.return()
      opened.close()
      operator.close()
      await cluster.close()
    })
  }
})

test('sessionEvents finds the primaries for clients that connect when they have to', async () => {
  const cluster = await startCluster()
  await Promise.all(cluster.nodes.map((node) => node.command('CONFIG', 'SET', 'notify-keyspace-events', 'Egxed')))
  const rootNodes = cluster.nodes.map(({ url }) => ({ url }))
  const sparing = redis6.createCluster({ rootNodes, minimizeConnections: true })
  await sparing.connect()
  const [{ host, port }] = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })) as [
    { host: string; port: number },
  ]
  const lazy = new ioredis6.Cluster([{ host, port }], { lazyConnect: true })
  for (const client of [sparing, lazy]) {
    const { events, reasons } = await listening({ client, close: () => {} })
    const sessions = new Sessions({ client })
    const ids = await Promise.all(Array.from({ length: 10 }, async () => (await sessions.create({})).id))
    for (const id of ids) events.watch(sessions.keyOf(id))
    await Promise.all(ids.map((id) => sessions.destroy(id)))
    await until(() => reasons.size === 10)
    assert.ok([...reasons.values()].every((reason) => reason === 'signed-out' || reason === 'unknown'))
    await events.return()
  }
  sparing.destroy()
  lazy.disconnect()
  await cluster.close()
})

/** Moves the slot of a key, with what is in it, from the primary that has it to the next one. */
async function moveSlotOf(cluster: Cluster, key: string): Promise<void> {
  const [first] = cluster.nodes
  const slot = String(await first!.command('CLUSTER', 'KEYSLOT', key))
  const primaries = cluster.nodes.slice(0, 3)
  const ids = await Promise.all(primaries.map(async (node) => String(await node.command('CLUSTER', 'MYID'))))
  const holds = await Promise.all(
    primaries.map(async (node) => Number(await node.command('CLUSTER', 'COUNTKEYSINSLOT', slot)) > 0),
  )
  const from = holds.indexOf(true)
  const to = (from + 1) % 3
  await primaries[to]!.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[from]!)
  await primaries[from]!.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to]!)
  const keys = (await primaries[from]!.command('CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[]
  const target = ['127.0.0.1', String(primaries[to]!.port), '', '0', '5000', 'KEYS', ...keys]
  await primaries[from]!.command('MIGRATE', ...target)
  for (const node of [primaries[to]!, primaries[from]!]) {
    await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', ids[to]!)
  }
}
