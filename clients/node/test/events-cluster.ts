/** What the tests of sessionEvents in a cluster do with each library. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Flavour, flavours } from './clients.js'
import { listening } from './listening.js'
import { type Cluster, startCluster, until } from './server.js'

export function hearsAllPrimaries(library: Flavour): void {
  test(`sessionEvents hears all primaries, through a move of slots and a failover, ${library.name}`, async (t) => {
    const cluster = await startCluster({ replicas: true })
    await Promise.all(cluster.nodes.map((node) => node.command('CONFIG', 'SET', 'notify-keyspace-events', 'Egxed')))
    const opened = await library.cluster(cluster)
    const operator = await flavours[6]!.cluster(cluster)
    const run = (name: string, key: string) => operator.client.call(name, key)
    t.after(async () => {
      opened.close()
      operator.close()
      await cluster.close()
    })
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
  })
}

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
