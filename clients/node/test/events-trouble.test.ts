/** sessionEvents where a server does not help, cannot be reached, or is another one than before. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as ioredis6 from 'ioredis6'
import * as redis6 from 'redis6'
import { Sessions } from '../src/core.js'
import { sessionEvents } from '../src/events.js'
import { flavours } from './clients.js'
import { begun, listening } from './listening.js'
import { startProxy } from './proxy.js'
import { startCluster, startSentinel, startServer, until } from './server.js'

const PUBLISH = ['--notify-keyspace-events', 'Egxed']

/** Each library and version, in different protocols. */
const libraries = [flavours[0]!, flavours[3]!, flavours[4]!, flavours[7]!]

for (const library of libraries) {
  describe(`sessionEvents, servers that do not help, ${library.name}`, () => {
    test('says once that the server publishes nothing, and asks; listens when it does', async (t) => {
      const server = await startServer()
      const opened = await library.single(server)
      t.after(async () => {
        opened.close()
        await server.close()
      })
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
    })

    test('says that the module is missing', async (t) => {
      const server = await startServer({ module: false, args: PUBLISH })
      const opened = await library.single(server)
      t.after(async () => {
        opened.close()
        await server.close()
      })
      const events = sessionEvents(opened.client)
      begun.add(events)
      events.watch('a')
      await assert.rejects(events.next(), /does not have the module redis-session/)
      assert.deepEqual(await events.next(), { done: true, value: undefined })
    })

    test('misses none while the server cannot be reached, and notices a connection that is dead and open', async (t) => {
      const server = await startServer({ args: PUBLISH })
      const proxy = await startProxy(server.port)
      const opened = await library.single({ ...server, port: proxy.port, url: `redis://127.0.0.1:${proxy.port}` })
      t.after(async () => {
        opened.close()
        await proxy.close()
        await server.close()
      })
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
      await until(async () => String(await server.command('CLIENT', 'LIST', 'TYPE', 'pubsub')).includes('sub=8'))
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
    })
  })

  describe(`sessionEvents, behind Sentinel, ${library.name}`, () => {
    test('follows a failover', async (t) => {
      const setup = await startSentinel()
      for (const server of [setup.primary, setup.replica]) {
        await server.command('CONFIG', 'SET', 'notify-keyspace-events', 'Egxed')
      }
      const opened = await library.sentinel(setup)
      t.after(async () => {
        opened.close()
        await setup.close()
      })
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
      await until(async () => String(await setup.replica.command('CLIENT', 'LIST', 'TYPE', 'pubsub')).includes('sub=8'))
      await setup.replica.command('SESSION.DEL', 'c')
      await until(() => reasons.get('c') === 'signed-out', 'c is told')
      // Until the old primary learns that it is none, or goes, the application's client may be asking that one.
      await setup.primary.stop()
      await until(() => reasons.has('b'), 'b is missed')
      assert.ok(!reasons.has('d'))
      assert.deepEqual(twice, [])
      await events.return()
    })
  })
}

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
