/** A cluster whose slots are moved while its sessions are used. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Sessions } from '../src/core.js'
import { type Client, flavours } from './clients.js'
import { type Cluster, commandOn, startCluster } from './server.js'

let cluster: Cluster
before(async () => {
  cluster = await startCluster()
})
after(() => cluster.close())

const run = async (port: number, ...words: string[]) => String(await commandOn(port, ...words))

/** A slot on its way: `open` says so to both nodes, `move` moves what is in it, `close` ends it. */
async function slotOf(key: string, { to }: { to?: number } = {}) {
  const slot = await run(cluster.ports[0]!, 'CLUSTER', 'KEYSLOT', key)
  const holds = await Promise.all(cluster.ports.map((port) => commandOn(port, 'CLUSTER', 'COUNTKEYSINSLOT', slot)))
  const source = cluster.ports[holds.findIndex((count) => Number(count) > 0)]!
  const target = to ?? cluster.ports.find((port) => port !== source)!
  const ids = await Promise.all([source, target].map((port) => run(port, 'CLUSTER', 'MYID')))
  const [sourceId, targetId] = ids as [string, string]
  return {
    source,
    async open() {
      await run(target, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId)
      await run(source, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId)
    },
    async move() {
      const keys = (await commandOn(source, 'CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[]
      for (const key of keys) await run(source, 'MIGRATE', '127.0.0.1', String(target), key, '0', '5000')
    },
    async close() {
      const others = cluster.ports.filter((port) => port !== target && port !== source)
      for (const port of [target, source, ...others]) await run(port, 'CLUSTER', 'SETSLOT', slot, 'NODE', targetId)
    },
  }
}

let users = 0
const someUser = () => `user${++users}`

for (const flavour of flavours.filter(({ name }) => /^(node-redis 6|ioredis 6), RESP3$/.test(name))) {
  describe(flavour.name, () => {
    let opened: Client
    let store: Sessions
    before(async () => {
      opened = await flavour.cluster(cluster)
      store = new Sessions({ client: opened.client, prefix: 's:' })
    })
    after(() => opened.close())

    test('a rotation waits for a slot that is being moved', async () => {
      const session = await store.create({ cart: 17 })
      const slot = await slotOf(store.keyOf(session.id))
      await slot.open()
      const rotating = store.rotate(session, { user: someUser() })
      await sleep(300)
      await slot.move()
      await slot.close()
      const rotated = await rotating
      assert.deepEqual((await store.load(rotated!.id))!.data, { cart: 17 })
    })

    test('a session that moves while the primaries are asked is signed out', async () => {
      const user = someUser()
      const { connection } = store
      const [first] = await connection.primaries()
      const target = Number(first!.address.split(':')[1])
      let session = await store.create({}, { user })
      while ((await slotOf(store.keyOf(session.id))).source === target) {
        await store.destroy(session.id)
        session = await store.create({}, { user })
      }
      const slot = await slotOf(store.keyOf(session.id), { to: target })
      // The first answers before the session has come, the others after it has gone.
      let asked = 0
      const moving = async (words: (string | Buffer)[]) => {
        const primaries = await connection.primaries()
        const replies = [await primaries.find(({ address }) => address.endsWith(`:${target}`))!.send(words)]
        if (asked++ === 0) for (const step of [slot.open, slot.move, slot.close]) await step()
        const others = primaries.filter(({ address }) => !address.endsWith(`:${target}`))
        return [...replies, ...(await Promise.all(others.map(({ send }) => send(words))))]
      }
      const watched = new Sessions({ client: opened.client, prefix: 's:' })
      watched.connection.sendToPrimaries = moving
      assert.equal(await watched.signOutAll(user), 1)
      assert.equal(await store.load(session.id), null)
    })

    test('the limit counts all sessions of a user, whatever their prefix, as on one server', async () => {
      const user = someUser()
      const other = new Sessions({ client: opened.client, prefix: 'other:' })
      const old = await other.create({}, { user })
      await sleep(2) // so that it is the oldest
      const limited = new Sessions({ client: opened.client, prefix: 's:', maxSessions: 2 })
      await limited.create({}, { user })
      assert.equal(await store.count(user), 2)
      await limited.create({}, { user })
      assert.equal(await store.count(user), 2)
      assert.equal(await other.load(old.id), null)
    })
  })
}
