/** Every client library, in every protocol that it speaks, on a single server, a cluster, and behind Sentinel. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Sessions } from '../src/core.js'
import { type Client, flavours } from './clients.js'
import { type Cluster, type Sentinel, type Server, startCluster, startSentinel, startServer } from './server.js'

let servers: { single: Server; cluster: Cluster; sentinel: Sentinel }
before(async () => {
  const [single, cluster, sentinel] = await Promise.all([startServer(), startCluster(), startSentinel()])
  servers = { single, cluster, sentinel }
})
after(async () => {
  await Promise.all(Object.values(servers).map((server) => server.close()))
})

let stores = 0

async function everything(client: unknown, cluster: boolean): Promise<void> {
  const name = `user${++stores}`
  const options = { client, prefix: `p${stores}:`, idle: 60 }
  const store = new Sessions(options)
  await store.ready()

  const made = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => store.create({ n }, { user: name, device: { n } })))
  const session = (await store.load(made[0]!.id))!
  assert.deepEqual([session.data, session.user, session.idle], [{ n: 1 }, name, 60_000])
  session.data.list = [1]
  delete session.data.n
  assert.equal(await store.save(session), true)
  assert.deepEqual((await store.peek(session.id))!.data, { list: [1] })
  assert.equal(await store.load('none'), null)

  const rotated = (await store.rotate(session, { grace: 10 }))!
  assert.deepEqual((await store.load(rotated.id))!.data, { list: [1] })
  assert.equal((await store.peek(session.id))!.isSnapshot, true)
  await Promise.all([1, 2, 3].map(() => store.update(rotated.id, (data) => void data.list.push(0))))
  assert.equal((await store.load(rotated.id))!.data.list.length, 4)

  const devices = await store.sessions(name, rotated.id)
  assert.deepEqual(devices.map(({ device }) => device.n).sort(), [1, 2, 3, 4, 5, 6])
  assert.equal(devices.filter(({ current }) => current).length, 1)
  assert.ok(devices.every(({ deadline, accessed }) => deadline!.getTime() === accessed.getTime() + 60_000))
  assert.equal(await store.count(name), 6)
  const other = devices.find(({ current }) => !current)!
  assert.deepEqual([await store.signOut(name, other.handle), await store.signOut(name, other.handle)], [true, false])

  assert.deepEqual(
    (await store.ids()).filter((id) => id === rotated.id),
    [rotated.id],
  )
  // Four others, and what the rotation has left behind.
  assert.equal(await store.signOutAll(name, rotated.id), 5)
  assert.equal(await store.count(name), 1)

  const few = new Sessions({ ...options, maxSessions: 2 })
  for (let i = 0; i < 4; i++) await few.create({}, { user: name })
  assert.equal(await few.count(name), 2)
  const lru = new Sessions({ ...options, maxSessions: { count: 2, policy: 'lru' } })
  await lru.create({}, { user: name })
  assert.equal(await lru.count(name), 2)
  const strict = new Sessions({ ...options, maxSessions: { count: 2, policy: 'reject' } })
  await assert.rejects(strict.create({}, { user: name }), { code: 'SESSIONLIMIT' })
  // One of the two may be written again, also by who has not read it, or has read it before it was the user's.
  const own = await strict.create({ n: 1 }, { user: `${name}b` })
  await strict.create({}, { user: `${name}b` })
  await strict.put(own.id, { n: 2 }, { user: `${name}b` })
  const early = (await strict.load(own.id))!
  early.user = null
  assert.equal(await strict.save(early, { user: `${name}b` }), true)
  early.user = null
  assert.equal((await strict.rotate(early, { user: `${name}b` }))!.data.n, 2)
  assert.equal(await strict.count(`${name}b`), 2)

  for (const id of ['a', 'abc', 'a}', '{', '{a}b', 'ab}cd', 'ä€']) {
    const short = (await store.add(id, { id }))!
    const longer = (await store.rotate(short))!
    assert.deepEqual([longer.id.length > 20, (await store.load(longer.id))!.data], [true, { id }], id)
    assert.deepEqual((await store.rotate(longer, { grace: 0 }))!.data, { id })
  }
  if (cluster) await assert.rejects(store.add('}abc', {}), /must not begin with "}"/)
  else assert.ok(await store.rotate((await store.add('}abc', {}))!))

  const hashed = new Sessions({ ...options, prefix: `h${stores}:`, hashKeys: true })
  const hidden = await hashed.create({ a: 1 })
  assert.deepEqual((await hashed.load((await hashed.rotate(hidden))!.id))!.data, { a: 1 })

  await store.clear()
  assert.deepEqual([await store.size(), await store.count(name)], [0, 0])
  assert.equal(store.connection.topology === 'cluster', cluster)
}

for (const flavour of flavours) {
  describe(flavour.name, () => {
    for (const kind of ['single', 'cluster', 'sentinel'] as const) {
      test(kind, async () => {
        let opened: Client | undefined
        try {
          opened = await flavour[kind](servers[kind] as Server & Cluster & Sentinel)
          await everything(opened.client, kind === 'cluster')
          assert.equal(new Sessions({ client: opened.client }).connection.topology, kind)
        } finally {
          opened?.close()
        }
      })
    }
  })
}

test('what is no client is refused', () => {
  for (const client of [undefined, null, {}, 'redis://127.0.0.1', () => {}]) {
    assert.throws(() => new Sessions({ client }), /node-redis.*ioredis/)
  }
})
