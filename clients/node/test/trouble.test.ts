/** Servers that lack what is needed, go away, or come back as others. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Sessions } from '../src/core.js'
import { RedisSessionStore } from '../src/index.js'
import { keyOfSlot } from '../src/slots.js'
import { flavours } from './clients.js'
import { type Cluster, type Server, startCluster, startSentinel, startServer, until } from './server.js'

let server: Server
let plain: Server
let cluster: Cluster
before(async () => {
  ;[server, plain, cluster] = await Promise.all([
    startServer(),
    startServer({ module: false }),
    startCluster({ replicas: true }),
  ])
})
after(() => Promise.all([server.close(), plain.close(), cluster.close()]))

describe('ready', () => {
  for (const flavour of flavours) {
    test(`${flavour.name}: the module is missing`, async () => {
      const { client, close } = await flavour.single(plain)
      const missing = { name: 'SessionError', code: 'SESSIONSERVER', message: /does not have the module.*loadmodule/ }
      await assert.rejects(new RedisSessionStore({ client }).ready(), missing)
      await assert.rejects(new RedisSessionStore({ client }).get('a'), missing)
      close()
    })
  }

  test('the server is too old', async () => {
    // No server of these versions is at hand, and the module would not load into one: a client that answers as they do.
    const answering = (info: string) => ({
      isOpen: true,
      sendCommand: async ([name]: string[]) => {
        if (name === 'INFO') return info
        throw new Error("ERR unknown command 'SESSION.COUNT', with args beginning with: 'ready'")
      },
    })
    for (const [info, message] of [
      ['# Server\r\nredis_version:6.2.14\r\n', /is Redis 6\.2\.14: .* needs Redis 7\.0 or Valkey 8\.0/],
      ['# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.2.5\r\n', /is Valkey 7\.2\.5/],
      ['# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\n', /loadmodule/],
    ] as const) {
      const store = new RedisSessionStore({ client: answering(info) })
      await assert.rejects(store.ready(), { code: 'SESSIONSERVER', message })
    }
  })

  test('a user who may not ask for the version is told of the module', async () => {
    await plain.command('ACL', 'SETUSER', 'narrow', 'on', 'nopass', '~*', '+@all', '-info')
    const { client, close } = await flavours[2]!.single({ ...plain, url: `redis://narrow:x@127.0.0.1:${plain.port}` })
    await assert.rejects(new Sessions({ client }).ready(), { code: 'SESSIONSERVER', message: /loadmodule/ })
    close()
  })

  test('a user who may not use the keys, or may not read the old ones, is told which', async () => {
    await server.command('ACL', 'SETUSER', 'web', 'on', 'nopass', '~web:*', '+@all')
    const { client, close } = await flavours[2]!.single({ ...server, url: `redis://web:x@127.0.0.1:${server.port}` })
    const old = { legacy: { prefix: 'old:' } }
    const told = (message: RegExp) => ({ name: 'SessionError', code: 'SESSIONSERVER', message })
    await assert.rejects(
      new Sessions({ client, prefix: 'x:' }).ready(),
      told(/may not .* SESSION\.GETEX .* "x:.*NOPERM/),
    )
    await assert.rejects(
      new RedisSessionStore({ client, prefix: 'web:', ...old }).ready(),
      told(/ GET .* "old:.*NOPERM/),
    )
    await new RedisSessionStore({ client, prefix: 'web:' }).ready()
    await server.command('ACL', 'SETUSER', 'web', '~old:*', '-del')
    await assert.rejects(
      new RedisSessionStore({ client, prefix: 'web:', ...old }).ready(),
      told(/ DEL .* "old:.*NOPERM/),
    )
    await server.command('ACL', 'SETUSER', 'web', '+del', '-eval')
    await assert.rejects(
      new RedisSessionStore({ client, prefix: 'web:', ...old }).ready(),
      told(/ EVAL .* "old:.*NOPERM/),
    )
    await server.command('ACL', 'SETUSER', 'web', '+eval')
    await new RedisSessionStore({ client, prefix: 'web:', ...old }).ready()
    close()
  })
})

describe('a server that goes away and comes back costs errors for that time', () => {
  for (const flavour of flavours) {
    test(flavour.name, async () => {
      const { client, close } = await flavour.single(server)
      const store = new RedisSessionStore({ client })
      try {
        await store.set('a', { cookie: {}, n: 1 })
        await server.stop()
        // Some libraries let a command wait for the server, others reject it.
        const during = store.get('a').then(
          (session) => session,
          (error: Error) => error,
        )
        await server.start()
        await until(() =>
          store.set('b', { cookie: {}, n: 2 }).then(
            () => true,
            () => false,
          ),
        )
        assert.equal((await store.get('b')).n, 2)
        const outcome = await during
        assert.ok(outcome === null || outcome instanceof Error)
      } finally {
        close()
      }
    })
  }
})

describe('a failover behind Sentinel', () => {
  for (const flavour of [flavours[1]!, flavours[3]!, flavours[4]!, flavours[6]!]) {
    test(flavour.name, async () => {
      const sentinel = await startSentinel()
      const { client, close } = await flavour.sentinel(sentinel)
      const store = new Sessions({ client })
      try {
        const { id } = await store.create({ a: 1 }, { user: 'alice' })
        await until(async () => (await sentinel.replica.command('EXISTS', store.keyOf(id))) === 1)
        await sentinel.failover()
        const session = await until(() => store.load(id).catch(() => undefined))
        session.data.a = 2
        assert.equal(await until(() => store.save(session).catch(() => undefined)), true)
        assert.equal((await store.sessions('alice')).length, 1)
        assert.equal(await sentinel.replica.command('SESSION.GET', store.keyOf(id), 'JSON'), '{"a":2}')
      } finally {
        close()
        await sentinel.close()
      }
    })
  }
})

test('a primary of a cluster becomes a replica, and everybody is still signed out everywhere', async (t) => {
  const tested = [flavours[1]!, flavours[3]!, flavours[4]!, flavours[6]!]
  const clients = await Promise.all(tested.map((flavour) => flavour.cluster(cluster)))
  const users = tested.map((_, i) => `user${i}`)
  try {
    for (const [i, { client }] of clients.entries()) {
      const store = new Sessions({ client })
      for (let n = 0; n < 12; n++) await store.create({}, { user: users[i]! })
    }
    const [replica] = await roles(cluster, 'slave')
    await until(() => replica!.command('CLUSTER', 'FAILOVER').catch(() => false))
    await until(async () => (await roles(cluster, 'master')).includes(replica!), 'the replica is a primary')
    await until(async () => (await roles(cluster, 'master')).length === 3, 'the former primary is a replica')
    for (const [i, { client }] of clients.entries()) {
      await t.test(tested[i]!.name, async () => {
        const store = new Sessions({ client })
        const user = users[i]!
        assert.equal(await until(() => store.count(user).catch(() => false)), 12)
        assert.equal((await store.sessions(user)).length, 12)
        assert.equal(await store.signOutAll(user), 12)
        assert.equal(await store.count(user), 0)
      })
    }
  } finally {
    for (const { close } of clients) close()
  }
})

/** What docs/operations.md gives the user of web servers in a cluster, and to list ids. */
function rightsOfWebServers(): string[] {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/operations.md'), 'utf8')
  const [, user] = /^user web on \S+ (.* \+session\.set .*)$/m.exec(page)!
  const [, more] = /In a cluster add\s+`([^`]*)`/.exec(page)!
  return `nopass ${user} ${more} +scan`.split(' ')
}

for (const rights of [[], rightsOfWebServers()]) {
  const who = rights.length > 0 ? 'a client with the rights of web servers' : 'a client'
  test(`${who} that has not heard of a new primary asks it all the same`, async (t) => {
    const small = await startCluster()
    const added = await startServer({ args: ['--cluster-enabled', 'yes'] })
    const all = [...small.nodes, added]
    const id = String(await added.command('CLUSTER', 'MYID'))
    const tested = [flavours[1]!, flavours[3]!, flavours[4]!, flavours[6]!]
    const clients = await Promise.all(tested.map((flavour) => flavour.cluster(small)))
    try {
      for (const { client } of clients) await new Sessions({ client }).create({})
      await added.command('CLUSTER', 'MEET', '127.0.0.1', String(small.ports[0]))
      await until(async () => {
        const known = await Promise.all(all.map((node) => node.command('CLUSTER', 'INFO')))
        return known.every((info) => String(info).includes('cluster_known_nodes:4'))
      })
      const slot = `sess:{${keyOfSlot(0)}}`
      const serves = (node: typeof added) =>
        node.command('SESSION.INFO', slot).then(
          () => true,
          () => false,
        )
      await until(async () => {
        for (const node of [added, ...small.nodes]) await node.command('CLUSTER', 'SETSLOT', '0', 'NODE', id)
        // Else a node that has heard of it late may say that the slot is still its own. While nodes have yet to hear of
        // each other's epochs, this one's may turn out to be no later than theirs.
        await added.command('CLUSTER', 'BUMPEPOCH')
        await sleep(200)
        return (await Promise.all(all.map(serves))).every((does, i) => does === (all[i] === added))
      })
      for (const node of all) await node.command('ACL', 'SETUSER', 'default', ...rights)
      for (const [i, flavour] of tested.entries()) {
        await t.test(flavour.name, async () => {
          const store = new Sessions({ client: clients[i]!.client })
          await until(() => added.command('SESSION.SET', `sess:{${keyOfSlot(0)}}x`, 'USER', 'eve').catch(() => false))
          assert.equal((await store.sessions('eve')).length, 1)
          assert.equal((await store.ids()).length >= 1, true)
          assert.equal(await store.signOutAll('eve'), 1)
          await store.ready()
        })
      }
    } finally {
      for (const { close } of clients) close()
      await Promise.all([small.close(), added.close()])
    }
  })
}

test('in a cluster, too, a user who may not ask the nodes is told which right is missing', async () => {
  const small = await startCluster()
  const { client, close } = await flavours[2]!.cluster(small)
  try {
    for (const node of small.nodes) await node.command('ACL', 'SETUSER', 'default', '-cluster|nodes')
    const start = Date.now()
    await assert.rejects(new Sessions({ client }).ready(), /NOPERM.*cluster\|nodes/)
    assert.ok(Date.now() - start < 2000)
  } finally {
    close()
    await small.close()
  }
})

async function roles({ nodes }: Cluster, role: string): Promise<Server[]> {
  const infos = await Promise.all(nodes.map((node) => node.command('INFO', 'replication').catch(() => '')))
  return nodes.filter((_, i) => String(infos[i]).includes(`role:${role}`))
}
