import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { keyOfSlot, slotOf } from '../src/slots.js'
import { type Server, startServer } from './server.js'

let node: Server
before(async () => {
  node = await startServer({ args: ['--cluster-enabled', 'yes'] })
})
after(() => node.close())

test('a key belongs to the slot that the server says', async () => {
  for (const key of [
    '',
    'a',
    'sess:{ab}cd',
    'sess:{}ab',
    '{a}{b}',
    '}{',
    'sess:{ä}x',
    'sess:\u{1f600}',
    'x'.repeat(300),
  ]) {
    assert.equal(slotOf(key), Number(await node.command('CLUSTER', 'KEYSLOT', key)), key)
  }
})

test('there is a key for each slot', async () => {
  for (const slot of [0, 1, 8191, 16383]) {
    assert.equal(Number(await node.command('CLUSTER', 'KEYSLOT', keyOfSlot(slot))), slot)
  }
})
