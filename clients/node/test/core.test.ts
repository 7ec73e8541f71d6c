import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type SessionError, Sessions, type SessionsOptions } from '../src/core.js'
import { type Client, flavours } from './clients.js'
import { type Server, startServer, until } from './server.js'

let server: Server
let opened: Client
before(async () => {
  server = await startServer()
  opened = await flavours[3]!.single(server)
})
after(async () => {
  opened.close()
  await server.close()
})

let stores = 0
const sessions = (options: Partial<SessionsOptions> = {}) =>
  new Sessions({ client: opened.client, prefix: `t${++stores}:`, ...options })

const code = (expected: string) => (error: SessionError) => error.code === expected

async function meta(key: string) {
  const reply = (await server.command('SESSION.INFO', key)) as (string | number)[]
  return Object.fromEntries(Array.from({ length: reply.length / 2 }, (_, i) => [reply[2 * i], reply[2 * i + 1]]))
}

test('a session is begun, read, changed and ended', async () => {
  const store = sessions({ idle: 60 })
  const { id } = await store.create({ lang: 'en', cart: { items: [1] } })
  assert.match(id, /^[\w-]{32}$/)
  const session = (await store.load(id))!
  assert.deepEqual({ ...session.data }, { lang: 'en', cart: { items: [1] } })
  session.data.cart.items.push(2)
  delete session.data.lang
  session.data.theme = 'dark'
  assert.equal(await store.save(session), true)
  assert.deepEqual((await store.load(id))!.data, { cart: { items: [1, 2] }, theme: 'dark' })
  assert.equal(await store.destroy(id), true)
  assert.equal(await store.load(id), null)
  assert.equal(await store.destroy(id), false)
})

test('two who write different fields keep both, and what one removed stays removed', async () => {
  const store = sessions()
  const { id } = await store.create({ a: 1, b: 1, gone: 1 })
  const [first, second] = [(await store.load(id))!, (await store.load(id))!]
  first.data.a = 2
  delete first.data.gone
  second.data.b = 2
  await store.save(first)
  await store.save(second)
  assert.deepEqual((await store.load(id))!.data, { a: 2, b: 2 })
})

test('what has not changed is not written', async () => {
  const store = sessions()
  const { id } = await store.create({ a: 1, nested: { list: [{ x: 1 }] } })
  const session = (await store.load(id))!
  session.data.nested = JSON.parse(JSON.stringify(session.data.nested))
  assert.equal(await store.save(session), true)
  assert.equal((await meta(store.keyOf(id))).version, 1)
})

test('after a save the next one knows what was saved', async () => {
  const store = sessions()
  const session = await store.create({ a: 1 })
  session.data.b = 2
  await store.save(session)
  delete session.data.b
  await store.save(session)
  await store.save(session)
  assert.deepEqual((await store.load(session.id))!.data, { a: 1 })
  assert.equal((await meta(store.keyOf(session.id))).version, 3)
})

test('all that JSON text can say is kept, also what the server does not take as JSON', async () => {
  const store = sessions()
  const nested = (levels: number): unknown => (levels === 0 ? 'x' : [nested(levels - 1)])
  const data = {
    '': 'no name',
    'ä "\\': '\u0000\u2028\ud800',
    '\udc00name': 1,
    '~json': { mine: 1 },
    '~device': 'mine',
    deepest: nested(63),
    deep: nested(64),
    deeper: nested(500),
  }
  const { id } = await store.create(structuredClone(data))
  const session = (await store.load(id))!
  assert.deepEqual({ ...session.data }, data)
  session.data.deep = 1
  session.data.deepest = nested(80)
  delete session.data['\udc00name']
  assert.equal(await store.save(session), true)
  const { '\udc00name': _, ...rest } = data
  assert.deepEqual((await store.load(id))!.data, { ...rest, deep: 1, deepest: nested(80) })
})

test('a session that has ended is not begun again', async (t) => {
  const ways: [string, (store: Sessions, id: string) => Promise<unknown>][] = [
    ['destroy', (store, id) => store.destroy(id)],
    ['DEL', (store, id) => server.command('DEL', store.keyOf(id))],
    ['REVOKE', (store) => store.signOutAll('alice')],
    ['rotate without grace', async (store, id) => store.rotate((await store.load(id))!, { grace: 0 })],
    ['rotate', async (store, id) => store.rotate((await store.load(id))!)],
  ]
  for (const [name, end] of ways) {
    await t.test(name, async () => {
      const store = sessions()
      const { id } = await store.create({ a: 1 }, { user: 'alice' })
      const session = (await store.load(id))!
      await end(store, id)
      session.data.a = 2
      assert.equal(await store.save(session), false)
      assert.equal(await store.rotate(session), null)
      assert.notEqual((await store.load(id))?.data.a, 2)
      await store.signOutAll('alice')
    })
  }
})

test('a session ends at its time to the millisecond, and use puts that off', async () => {
  const store = sessions({ idle: 0.35 })
  const { id } = await store.create({})
  assert.equal((await meta(store.keyOf(id))).idle, 350)
  for (let i = 0; i < 4; i++) {
    await sleep(150)
    assert.ok(await store.load(id))
  }
  await until(async () => (await store.peek(id)) === null)
})

test('a lifetime ends it whatever its use, and begins again for another user', async () => {
  const store = sessions({ idle: 60, lifetime: 1000 })
  const session = await store.create({})
  const first = await meta(store.keyOf(session.id))
  assert.equal(first.lifetime, 1_000_000)
  await sleep(5)
  await store.save(session, { user: 'alice' })
  const second = await meta(store.keyOf(session.id))
  assert.equal(second.lifetime, 1_000_000)
  assert.ok(second.created > first.created)
})

test('times that the server does not take are brought to what it takes', async () => {
  const store = sessions({ idle: 1e12 })
  const { id } = await store.create({})
  assert.equal((await meta(store.keyOf(id))).idle, 315_360_000_000)
  await store.adjust(id, { idle: 0.2 })
  await until(async () => (await store.peek(id)) === null)
  const forever = await sessions({ idle: null }).create({})
  assert.equal(forever.idle, null)
  for (const idle of [0, -1, Number.NaN, '60' as unknown as number]) assert.throws(() => sessions({ idle }), TypeError)
  for (const lifetime of [0, Number.NaN]) assert.throws(() => sessions({ lifetime }), TypeError)
})

test('a rotation carries the session to a new id, and the old one can be read for a moment', async () => {
  const store = sessions()
  const { id } = await store.create({ cart: 17 })
  const session = (await store.load(id))!
  session.data.role = 'admin'
  const rotated = (await store.rotate(session, { user: 'alice', grace: 0.3 }))!
  assert.notEqual(rotated.id, id)
  assert.deepEqual((await store.load(rotated.id))!.data, { cart: 17, role: 'admin' })
  assert.equal((await store.load(rotated.id))!.user, 'alice')
  const snapshot = (await store.peek(id))!
  assert.deepEqual([snapshot.data, snapshot.user, snapshot.isSnapshot], [{ cart: 17 }, null, true])
  snapshot.data.role = 'forged'
  assert.equal(await store.save(snapshot), false)
  await until(async () => (await store.peek(id)) === null)
  rotated.data.next = 1
  assert.equal(await store.save(rotated), true)
})

test('twenty updates at the same time all land', async () => {
  const store = sessions()
  const { id } = await store.create({ n: 0, other: 'x' })
  await Promise.all(
    Array.from({ length: 20 }, () =>
      store.update(id, async (data) => {
        const { n } = data
        await sleep(1)
        data.n = n + 1
      }),
    ),
  )
  assert.deepEqual((await store.load(id))!.data, { n: 20, other: 'x' })
  assert.equal((await meta(store.keyOf(id))).version, 21)
})

test('an update may return other data, change nothing, find nothing, or throw', async () => {
  const store = sessions()
  const { id } = await store.create({ n: 1, m: 1 })
  assert.deepEqual((await store.update(id, () => ({ n: 2 })))!.data, { n: 2 })
  assert.deepEqual((await store.load(id))!.data, { n: 2 })
  await store.update(id, () => {})
  assert.equal((await meta(store.keyOf(id))).version, 2)
  assert.equal(await store.update('none', () => assert.fail('called')), null)
  await assert.rejects(
    store.update(id, () => {
      throw new RangeError('mine')
    }),
    RangeError,
  )
})

test('an update that never comes through says so', async () => {
  const store = sessions()
  const { id } = await store.create({ n: 0 })
  const change = async (data: { n: number }) => {
    await server.command('SESSION.SET', store.keyOf(id), 'FIELDS', '1', 'other', 'x')
    data.n++
  }
  // What is waited between two tries has an upper bound of 128 ms, so this takes some seconds.
  await assert.rejects(store.update(id, change), code('SESSIONCONFLICT'))
  assert.equal((await store.load(id))!.data.n, 0)
})

test('devices are listed by handle, and ended by it', async () => {
  const store = sessions()
  const phone = await store.create({ secret: 1 }, { user: 'kate', device: { name: 'phone' } })
  await sleep(2)
  const laptop = await store.create({}, { user: 'kate', device: { name: 'laptop' } })
  const other = await store.create({}, { user: 'luke' })
  const list = await store.sessions('kate', phone.id)
  assert.deepEqual(
    list.map(({ device, current }) => [device.name, current]),
    [
      ['laptop', false],
      ['phone', true],
    ],
  )
  const [entry] = list
  assert.ok(entry!.created instanceof Date && entry!.accessed instanceof Date && entry!.deadline! > entry!.accessed)
  assert.equal(entry!.handle, store.handleOf(laptop.id))
  const text = JSON.stringify(list)
  for (const { id } of [phone, laptop]) assert.ok(!text.includes(id) && !text.includes('secret'))
  // Neither another user's session, nor with a key, an id or nonsense.
  for (const handle of [store.handleOf(other.id), laptop.id, store.keyOf(laptop.id), '', 'x']) {
    assert.equal(await store.signOut('kate', handle), false)
  }
  assert.equal(await store.count('kate'), 2)
  assert.equal(await store.signOut('kate', entry!.handle), true)
  assert.equal(await store.load(laptop.id), null)
  assert.equal(await store.signOut('kate', entry!.handle), false)
  assert.ok(await store.load(other.id))
})

test('all others are signed out, or all', async () => {
  const store = sessions()
  const [one] = await Promise.all([1, 2, 3].map(() => store.create({}, { user: 'carol' })))
  const stranger = await store.create({}, { user: 'dave' })
  assert.equal(await store.signOutAll('carol', one!.id), 2)
  assert.deepEqual(
    (await store.sessions('carol', one!.id)).map(({ current }) => current),
    [true],
  )
  assert.equal(await store.signOutAll('carol'), 1)
  assert.equal(await store.signOutAll('carol'), 0)
  assert.ok(await store.load(stranger.id))
})

test('what is shown of the device survives that everything else is replaced', async () => {
  const store = sessions()
  const session = await store.create({ a: 1, b: 1 }, { user: 'erin', device: 'phone' })
  session.data = { a: 1 }
  assert.equal(await store.save((await store.load(session.id))!, { replace: true }), true)
  const read = (await store.load(session.id))!
  read.data = { c: 1 }
  await store.save(read, { replace: true })
  assert.deepEqual((await store.load(session.id))!.data, { c: 1 })
  assert.equal((await store.sessions('erin'))[0]!.device, 'phone')
})

test('the sessions of another prefix are not listed', async () => {
  const [shop, blog] = [sessions(), sessions()]
  await shop.create({}, { user: 'frank' })
  await blog.create({}, { user: 'frank' })
  assert.equal((await shop.sessions('frank')).length, 1)
})

test('a user has no more sessions than are allowed', async (t) => {
  await t.test('the oldest ends', async () => {
    const store = sessions({ maxSessions: 2 })
    const first = await store.create({}, { user: 'g' })
    await sleep(2)
    await store.create({}, { user: 'g' })
    await store.load(first.id)
    await store.create({}, { user: 'g' })
    assert.equal(await store.load(first.id), null)
    assert.equal(await store.count('g'), 2)
  })
  await t.test('the one that was not used for longest ends', async () => {
    const store = sessions({ maxSessions: { count: 2, policy: 'lru' } })
    const first = await store.create({}, { user: 'h' })
    const second = await store.create({}, { user: 'h' })
    await sleep(2)
    await store.load(first.id)
    const third = await store.create({})
    await store.save(third, { user: 'h' })
    assert.equal(await store.load(second.id), null)
    assert.ok(await store.load(first.id))
  })
  await t.test('the new one is refused, and nothing changes', async () => {
    const store = sessions({ maxSessions: { count: 1, policy: 'reject' } })
    await store.create({}, { user: 'i' })
    await assert.rejects(store.create({}, { user: 'i' }), code('SESSIONLIMIT'))
    const visitor = await store.create({ cart: 1 })
    visitor.data.cart = 2
    await assert.rejects(store.rotate(visitor, { user: 'i' }), code('SESSIONLIMIT'))
    await assert.rejects(store.save(visitor, { user: 'i' }), { name: 'SessionError', code: 'SESSIONLIMIT' })
    assert.deepEqual((await store.load(visitor.id))!.data, { cart: 1 })
    // What was refused is not taken for written.
    assert.equal(await store.save(visitor), true)
    assert.deepEqual((await store.load(visitor.id))!.data, { cart: 2 })
  })
  for (const maxSessions of [0, 1.5, { count: 1, policy: 'newest' }]) {
    assert.throws(() => sessions({ maxSessions } as Partial<SessionsOptions>), TypeError)
  }
})

test('hashed keys hold no id, and everything works but to tell the ids', async () => {
  const store = sessions({ hashKeys: true })
  const session = await store.create({ a: 1 }, { user: 'j' })
  const keys = (await server.command('KEYS', '*')) as string[]
  assert.ok(keys.includes(store.keyOf(session.id)))
  assert.ok(!keys.some((key) => key.includes(session.id)))
  const rotated = (await store.rotate(session))!
  assert.equal(rotated.id.slice(0, 4), session.id.slice(0, 4))
  assert.deepEqual((await store.load(rotated.id))!.data, { a: 1 })
  assert.equal((await store.sessions('j', rotated.id))[0]!.current, true)
  await assert.rejects(store.ids(), /hashed/)
  assert.equal(await store.size(), 2)
  await store.clear()
  assert.equal(await store.size(), 0)
})

test('ids, size and clear see the sessions under the prefix alone, be it a pattern', async () => {
  const [store, near] = [sessions({ prefix: 'a[b]*?\\:', scanCount: 3 }), sessions({ prefix: 'ab:' })]
  const ids = await Promise.all(Array.from({ length: 10 }, async () => (await store.create({})).id))
  await near.create({})
  await server.command('SET', 'a[b]*?\\:string', 'x')
  assert.deepEqual((await store.ids()).sort(), ids.sort())
  await store.clear()
  assert.deepEqual([await store.size(), await near.size()], [0, 1])
})

test('a request that took long counts as use, a short one does not', async () => {
  const store = sessions({ idle: 1 })
  const { id } = await store.create({ a: 1 })
  const touched = async () =>
    /cmdstat_session.touch:calls=(\d+)/.exec(String(await server.command('INFO', 'commandstats')))?.[1]
  const before = await touched()
  const session = (await store.load(id))!
  await store.save(session)
  assert.equal(await touched(), before)
  await sleep(150)
  assert.equal(await store.save(session), true)
  assert.notEqual(await touched(), before)
  await store.destroy(id)
  await sleep(110)
  assert.equal(await store.save(session), false)
})

test('errors of the server have a code', async () => {
  const store = sessions()
  await assert.rejects(store.create({ big: 'x'.repeat(2 ** 20) }), code('SESSIONSIZE'))
  const many = Object.fromEntries(Array.from({ length: 1100 }, (_, i) => [`f${i}`, i]))
  await assert.rejects(store.create(many), code('SESSIONSIZE'))
  await server.command('SET', store.keyOf('string'), 'x')
  await assert.rejects(store.load('string'), code('SESSIONTYPE'))
  await assert.rejects(store.load('string'), /prefix/)
})

test('an id may be anything that a browser sends', async () => {
  const store = sessions()
  for (const id of ['', 'a', '{x}', '}', 'ä\u{1f600}', 'x'.repeat(5000), '../..', '*']) {
    assert.equal(await store.load(id), null)
    await store.put(id, { id })
    assert.deepEqual((await store.load(id))!.data, { id })
  }
  assert.ok((await store.ids()).includes('ä\u{1f600}'))
})
