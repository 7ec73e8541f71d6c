// Moves slots of a cluster from one primary to another while it is used, in two ways.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { waitFor } from './wait.js'

/** Slots that are open at once, and for how many milliseconds. */
const TOGETHER = 200
const OPEN = 200

/** As an operator does it: one slot after the other. */
export async function reshard(from, to, slots) {
  const ids = await Promise.all([from, to].map((node) => node.command('CLUSTER', 'MYID')))
  const [source, target] = ids.map(String)
  const words = ['--cluster-from', source, '--cluster-to', target, '--cluster-slots', String(slots), '--cluster-yes']
  const cli = process.env.SESSION_CLI ?? 'redis-cli'
  const child = spawn(cli, ['--cluster', 'reshard', `127.0.0.1:${from.port}`, ...words])
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      said += text
    })
  }
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${cli} --cluster reshard ended with ${code}:\n${said.slice(-2000)}`)
}

async function connect({ port }) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** So many slots of a node, those with the most sessions. */
async function fullest(client, id, count) {
  const ranges = (await client.sendCommand(['CLUSTER', 'SLOTS'])).filter(([, , [, , owner]]) => String(owner) === id)
  const slots = ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, n) => Number(first) + n))
  const counts = await Promise.all(
    slots.map((slot) => client.sendCommand(['CLUSTER', 'COUNTKEYSINSLOT', String(slot)])),
  )
  const byCount = slots.map((slot, n) => ({ slot, keys: Number(counts[n]) })).sort((a, b) => b.keys - a.keys)
  return byCount.slice(0, count).map(({ slot }) => slot)
}

/**
 * Two hundred slots at a time, those with the most sessions, all open at once for a fifth of a second, so that many
 * requests find their session on its way: from each primary to the next, until the time is over.
 *
 * @returns How many slots and how many keys were moved.
 */
export async function moveTogether(nodes, seconds) {
  const clients = await Promise.all(nodes.map(connect))
  const ids = await Promise.all(clients.map((client) => client.sendCommand(['CLUSTER', 'MYID'])))
  const end = Date.now() + seconds * 1000
  const moved = { slots: 0, keys: 0 }
  for (let from = 0; Date.now() < end; from = (from + 1) % nodes.length) {
    const to = (from + 1) % nodes.length
    const slots = await fullest(clients[from], String(ids[from]), TOGETHER)
    moved.keys += await moveBatch({ clients, ids, from, to, port: nodes[to].port }, slots)
    moved.slots += slots.length
    await untilAgreed(nodes)
  }
  for (const client of clients) client.destroy()
  return moved
}

async function moveBatch({ clients, ids, from, to, port }, slots) {
  const set = (node, words) =>
    Promise.all(slots.map((slot) => clients[node].sendCommand(['CLUSTER', 'SETSLOT', String(slot), ...words])))
  await set(to, ['IMPORTING', ids[from]])
  await set(from, ['MIGRATING', ids[to]])
  const began = Date.now()
  let keys = 0
  for (const [n, slot] of slots.entries()) {
    keys += await moveKeys(clients[from], port, slot)
    const due = began + (OPEN * (n + 1)) / slots.length
    if (due > Date.now() + 1) await sleep(due - Date.now())
  }
  for (const node of [to, from, ...clients.keys()]) await set(node, ['NODE', ids[to]])
  return keys
}

/** All keys of a slot. One that is made meanwhile is made on the other node. */
async function moveKeys(source, port, slot) {
  let moved = 0
  for (;;) {
    const keys = await source.sendCommand(['CLUSTER', 'GETKEYSINSLOT', String(slot), '100'])
    if (keys.length === 0) return moved
    for (const key of keys) {
      // NOKEY: it has ended meanwhile.
      const said = await source.sendCommand(['MIGRATE', '127.0.0.1', String(port), String(key), '0', '5000'])
      if (String(said) === 'OK') moved += 1
    }
  }
}

async function agree(nodes) {
  const said = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'SLOTS')))
  const maps = said.map((slots) => JSON.stringify(slots.map(([first, last, [, port]]) => [first, last, port]).sort()))
  return maps.every((map) => map === maps[0])
}

export const untilAgreed = (nodes) => waitFor(() => agree(nodes), 'the nodes agree on the slots')
