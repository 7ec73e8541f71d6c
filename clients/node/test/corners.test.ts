/** What applications do that is not in any example: each of these went wrong once. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { after, before, test } from 'node:test'
import express from 'express'
import session from 'express-session'
import { Redis as Redis5 } from 'ioredis5'
import * as redis6 from 'redis6'
import { type Data, Sessions } from '../src/core.js'
import { RedisSessionStore, type RedisSessionStoreOptions } from '../src/index.js'
import { koaStore } from '../src/koa.js'
import { type Client, flavours } from './clients.js'
import { type Server, startServer, until } from './server.js'

let server: Server
let opened: Client
before(async () => {
  server = await startServer()
  opened = await flavours[2]!.single(server)
})
after(async () => {
  opened.close()
  await server.close()
})

let stores = 0
const makeSessions = () => new Sessions({ client: opened.client, prefix: `c${++stores}:` })
const makeStore = (options: Partial<RedisSessionStoreOptions> = {}) =>
  new RedisSessionStore({ client: opened.client, prefix: `c${++stores}:`, ...options })
const cookie = (originalMaxAge: number | null = null) => ({ originalMaxAge })

/** How often the server was given each of the module's commands. */
async function calls(): Promise<Record<string, number>> {
  const text = String(await server.command('INFO', 'commandstats'))
  return Object.fromEntries(
    [...text.matchAll(/cmdstat_session\.(\w+):calls=(\d+)/g)].map(([, name, n]) => [name, Number(n)]),
  )
}

test('a second save does not wait for the first, and still tells what the first has made of it', async () => {
  const sessions = makeSessions()
  const { id } = await sessions.create({ step: 1 })
  const loaded = (await sessions.load(id))!
  loaded.data.step = 2
  loaded.data.flash = 'saved'
  const first = sessions.save(loaded)
  loaded.data.step = 1
  delete loaded.data.flash
  assert.deepEqual(await Promise.all([first, sessions.save(loaded)]), [true, true])
  assert.deepEqual((await sessions.load(id))!.data, { step: 1 })
})

test('a save that fails does not stop the one after it', async () => {
  const sessions = makeSessions()
  const { id } = await sessions.create({})
  const loaded = (await sessions.load(id))!
  loaded.data.big = 'x'.repeat(2_000_000)
  const first = sessions.save(loaded)
  delete loaded.data.big
  loaded.data.small = 1
  const second = sessions.save(loaded)
  await assert.rejects(first, { code: 'SESSIONSIZE' })
  assert.equal(await second, true)
  assert.deepEqual((await sessions.load(id))!.data, { small: 1 })
})

test('a client that gives numbers as strings knows that a session is there', async () => {
  const client = new Redis5(server.port, '127.0.0.1', { stringNumbers: true })
  const sessions = new Sessions({ client, prefix: `c${++stores}:` })
  try {
    const { id } = await sessions.create({})
    assert.equal(await sessions.touch(id), true)
    assert.equal(await sessions.touch('none'), false)
  } finally {
    client.disconnect()
  }
})

test('an age beyond what the server takes is not written at every request', async () => {
  for (const years of [20, 1_000_000]) {
    const store = makeStore()
    await store.set('long', { cookie: cookie(years * 31_536_000_000) })
    const loaded = (await store.get('long'))!
    const before = await calls()
    await store.touch('long', loaded)
    assert.deepEqual(await calls(), before)
    assert.equal(loaded.cookie.originalMaxAge, years * 31_536_000_000)
    assert.ok(Date.parse(loaded.cookie.expires) > Date.now() + 9 * 31_536_000_000)
  }
})

test('a client of node-redis that takes callbacks is refused at once', async () => {
  const client = redis6.createClient({ url: server.url })
  await client.connect()
  try {
    assert.throws(() => makeStore({ client: client.legacy() }), { name: 'TypeError', message: /redis >= 5/ })
  } finally {
    client.destroy()
  }
})

test("fields that express-session's own properties hide are left alone", async () => {
  const store = makeStore()
  const fields = { id: 5, req: 6, save: 7, lang: 'en', cookie: cookie() }
  await server.command('SESSION.SET', `${store.prefix}of-others`, 'JSON', JSON.stringify(fields))
  const request = { sessionID: 'of-others', sessionStore: store }
  const session = store.createSession(request, (await store.get('of-others'))!)
  session.lang = 'fr'
  await store.set('of-others', session)
  const { id, req, save, lang } = (await store.core.load('of-others'))!.data
  assert.deepEqual({ id, req, save, lang }, { id: 5, req: 6, save: 7, lang: 'fr' })
})

test('a member named as what every object inherits is removed like any other', async () => {
  const sessions = makeSessions()
  const { id } = await sessions.create({ constructor: 'Ferrari', toString: 1, lap: 1 })
  const session = (await sessions.load(id))!
  for (const name of ['constructor', 'toString']) delete session.data[name]
  await sessions.save(session)
  assert.deepEqual(Object.keys((await sessions.load(id))!.data), ['lap'])
})

test('what was read from one store can be written to another', async () => {
  const [from, to] = [makeStore(), makeStore()]
  await from.set('session', { lang: 'en', cookie: cookie() })
  await to.set('session', (await from.get('session'))!)
  assert.equal((await to.get('session'))!.lang, 'en')
})

test('a cookie without an age that is changed in place is saved', async () => {
  const store = makeStore()
  for (const save of ['set', 'touch'] as const) {
    await store.set(save, { cookie: cookie() })
    const loaded = (await store.get(save))!
    loaded.cookie.secure = true
    await store[save](save, loaded)
    assert.equal((await store.get(save))!.cookie.secure, true)
  }
})

test('a member whose name begins as that of the device is removed like any other', async () => {
  const sessions = makeSessions()
  for (const data of [
    { '~device2': 1, lang: 'en' },
    { lang: 'en', '~device2': 1 },
  ]) {
    const { id } = await sessions.create(data)
    const loaded = (await sessions.load(id))!
    delete loaded.data['~device2']
    await sessions.save(loaded)
    assert.deepEqual((await sessions.load(id))!.data, { lang: 'en' })
  }
})

test('with a serializer, too, a rotation does not bring back a session that was signed out', async () => {
  const serializer = { parse: (text: string) => JSON.parse(text), stringify: (data: object) => JSON.stringify(data) }
  const store = makeStore({ serializer, user: ({ user }) => user })
  store.generate = (request) => {
    request.sessionID = 'next'
    request.session = { cookie: { ...cookie(), toJSON: () => cookie() } }
  }
  await store.set('first', { user: 'alice', admin: true, basket: [1], cookie: cookie() })
  // biome-ignore lint/suspicious/noExplicitAny: a request as far as the store is concerned
  const request: any = { sessionID: 'first', sessionStore: store }
  store.createSession(request, (await store.get('first'))!)
  request.session.basket.push(2)
  request.session.asked = true
  await store.signOutAll('alice')
  await store.rotate(request)
  assert.equal(request.sessionID, 'next')
  const { cookie: _, ...data } = (await store.get('next'))!
  assert.deepEqual(data, { basket: [1, 2], asked: true })
  assert.deepEqual(await store.sessions('alice'), [])
})

test('an option that is undefined is not given, nor is legacy: false', async () => {
  const { client } = opened
  const [ttl, maxSessions, user, legacy] = [undefined, undefined, undefined, false]
  // With exactOptionalPropertyTypes, as here, the types have to say so.
  const store = new RedisSessionStore({ client, prefix: `c${++stores}:`, ttl, maxSessions, user, legacy })
  await store.set('session', { cookie: cookie() })
  assert.equal((await store.core.load('session'))!.idle, 86_400_000)
})

test('what is no name of a user is refused, not many people made one', async () => {
  const store = makeStore({ user: ({ user }) => user })
  const save = (user: unknown) => store.set('session', { user, cookie: cookie() })
  for (const user of [{ name: 'alice' }, Number.NaN, false, [{}]]) await assert.rejects(save(user), TypeError)
  assert.equal(await store.get('session'), null)
  await save({ toString: () => '65a1' })
  assert.equal((await store.sessions('65a1')).length, 1)
})

test('what JSON has nothing for is no device', async () => {
  const store = makeStore({ user: ({ user }) => user, device: () => () => 'Firefox' })
  const data = Object.defineProperty({ user: `u${stores}`, cookie: cookie() }, 'req', { value: {} })
  await store.set('session', data)
  const [device] = await store.sessions(`u${stores}`)
  assert.equal(device!.device, undefined)
})

test('with disableTouch an object of the application keeps nothing alive either', async () => {
  const store = makeStore({ disableTouch: true, ttl: 100 })
  await store.set('session', { cookie: cookie() })
  const ttl = async () => Number(await server.command('PTTL', `${store.prefix}session`))
  await until(async () => (await ttl()) < 99_990)
  const before = await ttl()
  await store.touch('session', { cookie: cookie() })
  assert.ok((await ttl()) <= before)
})

test('an update that returns other data keeps the cookie', async () => {
  const store = makeStore()
  await store.set('session', { count: 1, old: true, cookie: cookie(60_000) })
  await store.update('session', ({ count }) => ({ count: count + 1 }))
  const { count, old, cookie: kept } = (await store.get('session'))!
  assert.deepEqual([count, old, kept.originalMaxAge], [2, undefined, 60_000])
})

test('what an update happens to return beside is no session', async () => {
  const store = makeStore()
  await store.set('session', { list: [2, 1], prefs: { a: 1 }, cookie: cookie() })
  const update = (change: (session: Data) => unknown) => store.update('session', change as () => void)
  await update(({ list }) => list.sort())
  await update(({ prefs }) => Object.assign(prefs, { b: 2 }))
  await update((session) => Object.assign(session, { more: { c: 3 } }).more)
  const { list, prefs, more } = (await store.get('session'))!
  assert.deepEqual({ list, prefs, more }, { list: [1, 2], prefs: { a: 1, b: 2 }, more: { c: 3 } })
})

test('session.destroy() without a callback does not end the process when the server is away', async (t) => {
  const client = redis6.createClient({ url: server.url, disableOfflineQueue: true })
  client.on('error', () => {})
  await client.connect()
  const store = makeStore({ client })
  const app = express()
  app.use(session({ store, secret: 's', resave: false, saveUninitialized: false }))
  app.get('/', (request, response) => {
    client.destroy()
    request.session.destroy(undefined as never)
    response.end()
  })
  const http: HttpServer = app.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => http.close())
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  t.after(() => process.off('warning', note))
  const { port } = http.address() as { port: number }
  await fetch(`http://127.0.0.1:${port}/`)
  await until(() => warnings.some(({ name }) => name === 'SessionWarning'), 'a warning')
  await assert.rejects(store.destroy('session'))
})

test("a session of Koa's may have a member req, and one that others wrote is not Koa's context", async () => {
  const store = makeStore()
  const koa = koaStore(store)
  const passed = { ctx: { secret: 'of the server' } }
  await koa.set('session', { req: 1 }, 60_000, passed)
  await koa.set('session', { req: 2, cookie: 3 }, 60_000, passed)
  assert.deepEqual(await koa.get('session', 60_000, { ctx: {} }), { req: 2, cookie: 3 })
  await store.core.put('of-others', { req: 1, lang: 'en', cookie: cookie() })
  assert.deepEqual(await koa.get('of-others', 60_000, passed), { lang: 'en' })
})
