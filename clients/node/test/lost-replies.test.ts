/** A command that must not be carried out twice is not, where a library would send it again. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connection } from '../src/clients.js'
import { Sessions } from '../src/core.js'
import { flavours } from './clients.js'
import { type LossyProxy, startLossyProxy } from './lossy.js'
import { type Cluster, freePort, type Sentinel, type Server, startSentinel, startServer, until } from './server.js'

interface Place {
  proxy: LossyProxy
  server: Server
  // What a client is opened with: the proxy in the server's place.
  target: Server & Cluster & Sentinel
}

const places = {} as Record<'single' | 'cluster' | 'sentinel', Place>
const ends: (() => unknown)[] = []

before(async () => {
  const single = await startServer()
  const singleProxy = await startLossyProxy(() => single.port)
  const throughProxy = { port: singleProxy.port, url: `redis://127.0.0.1:${singleProxy.port}` }
  places.single = { proxy: singleProxy, server: single, target: throughProxy as Place['target'] }

  // A cluster of one node, which tells the port of the proxy as its own.
  const port = await freePort()
  let node: Server | undefined
  const clusterProxy = await startLossyProxy(() => node!.port, port)
  node = await startServer({
    args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-announce-port', String(port)],
  })
  await node.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await until(async () => String(await node.command('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  const url = `redis://127.0.0.1:${port}`
  places.cluster = { proxy: clusterProxy, server: node, target: { ports: [port], nodes: [{ url }] } as Place['target'] }

  let sentinelProxy: LossyProxy | undefined
  const sentinel = await startSentinel({
    async via(port) {
      sentinelProxy = await startLossyProxy(() => port)
      return sentinelProxy.port
    },
  })
  places.sentinel = { proxy: sentinelProxy!, server: sentinel.primary, target: sentinel as unknown as Place['target'] }

  for (const { proxy } of Object.values(places)) ends.push(() => proxy.close())
  ends.push(single.close, node.close, sentinel.close)
})
after(() => Promise.all(ends.map((end) => end())))

const value = async ({ server }: Place, key: string) =>
  Number(await server.command('SESSION.GET', key, 'FIELDS', '1', 'n'))

let counter = 0

for (const flavour of flavours) {
  describe(flavour.name, () => {
    for (const kind of ['single', 'cluster', 'sentinel'] as const) {
      test(kind, async () => {
        const place = places[kind]
        const { client, close } = await flavour[kind](place.target)
        try {
          await check(place, client)
        } finally {
          close()
        }
      })
    }
  })
}

async function check(place: Place, client: unknown): Promise<void> {
  const { proxy } = place
  const { send, sendOnce } = connection(client)
  const key = `lost:${++counter}`
  await send(['SESSION.SET', key, 'FIELDS', '1', 'n', '0'])

  proxy.loseReplyTo('SESSION.INCRBY')
  await assert.rejects(sendOnce(['SESSION.INCRBY', key, 'n', '1']))
  // The connection is back, and what was not answered has not been sent again.
  await until(() => sendOnce(['SESSION.INCRBY', key, 'n', '1']).catch(() => false))
  assert.equal(await value(place, key), 2)

  const store = new Sessions({ client, prefix: `lost${counter}:` })
  const { id } = await store.create({ n: 0 })
  proxy.loseReplyTo('SESSION.SET')
  await assert.rejects(store.update(id, (data) => void data.n++))
  assert.equal((await until(() => store.load(id).catch(() => undefined))).data.n, 1)

  // With a grace a rotation may be sent again, and is one rotation.
  const session = (await store.load(id))!
  proxy.loseReplyTo('SESSION.ROTATE')
  const options = { id: 'x'.repeat(32) }
  const rotated = await store
    .rotate(session, options)
    .catch(() => until(() => store.rotate(session, options).catch(() => null)))
  assert.deepEqual((await until(() => store.load(rotated!.id).catch(() => undefined))).data, { n: 1 })

  proxy.loseReplyTo('SESSION.ROTATE')
  await assert.rejects(store.rotate((await store.load(rotated!.id))!, { grace: 0 }))
}
