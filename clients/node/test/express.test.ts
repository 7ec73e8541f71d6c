import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import express, { type Request, type Response } from 'express'
import session from 'express-session'
import { RedisSessionStore, type RedisSessionStoreOptions, SessionError } from '../src/index.js'
import { Browser } from './browser.js'
import { type Client, flavours } from './clients.js'
import { type Server, startServer, until } from './server.js'

declare module 'express-session' {
  interface SessionData {
    [name: string]: unknown
  }
}

let server: Server
let opened: Client
before(async () => {
  server = await startServer()
  opened = await flavours[2]!.single(server)
})
after(async () => {
  for (const http of listening) http.close()
  opened.close()
  await server.close()
})

const listening: HttpServer[] = []
let stores = 0

type StoreOptions = Partial<RedisSessionStoreOptions>
type SessionOptions = Partial<session.SessionOptions>

const makeStore = (options: StoreOptions = {}) =>
  new RedisSessionStore({ client: opened.client, prefix: `x${++stores}:`, ...options })

/** Requests wait here for each other: `gates.emit(name)` opens one. */
const gates = new EventEmitter()

/** A small application: each request does to the session what its path says, one step after the other. */
async function site(options: StoreOptions = {}, sessionOptions: SessionOptions = {}) {
  const store = makeStore(options)
  const app = express()
  const errors: Error[] = []
  const gone: unknown[][] = []
  store.on('gone', (...event) => gone.push(event))
  app.use(session({ store, secret: 's', resave: false, saveUninitialized: false, ...sessionOptions }))
  app.use(async (request, response) => {
    for (const step of request.path.split('/').filter(Boolean)) await steps(store, request, step)
    response.json(request.session)
  })
  app.use((error: Error, _request: Request, response: Response, _next: () => void) => {
    errors.push(error)
    if (!response.headersSent) response.status(500).send(error.message)
  })
  const http = app.listen(0, '127.0.0.1')
  listening.push(http)
  await once(http, 'listening')
  const { port } = http.address() as { port: number }
  return { store, errors, gone, browser: () => new Browser(`http://127.0.0.1:${port}`) }
}

async function steps(store: RedisSessionStore, request: Request, step: string): Promise<void> {
  const [verb, ...words] = decodeURIComponent(step).split(' ') as [string, ...string[]]
  const { session } = request
  const done = (work: (callback: (error?: unknown) => void) => void) =>
    new Promise<void>((resolve, reject) => work((error) => (error ? reject(error) : resolve())))
  if (verb === 'set') session[words[0]!] = JSON.parse(words[1]!)
  else if (verb === 'push') (session[words[0]!] as unknown[]).push(1)
  else if (verb === 'unset') delete session[words[0]!]
  else if (verb === 'age') session.cookie.maxAge = Number(words[0])
  else if (verb === 'wait') await Promise.all([once(gates, words[0]!), gates.emit('waiting')])
  else if (verb === 'rotate') await store.rotate(request, words[0] ? { grace: Number(words[0]) } : {})
  else if (verb === 'refused') await refused(store, request, JSON.parse(words[0]!))
  else if (verb === 'destroy') await done((callback) => session.destroy(callback))
  else if (verb === 'regenerate') await done((callback) => session.regenerate(callback))
  else if (verb === 'save') await done((callback) => session.save(callback))
  else if (verb === 'reload') await done((callback) => session.reload(callback))
  else throw new Error(`no step ${verb}`)
}

/** A sign-in that passes the limit, and says so. */
async function refused(store: RedisSessionStore, request: Request, user: string): Promise<void> {
  request.session.user = user
  await assert.rejects(store.rotate(request), { code: 'SESSIONLIMIT' })
  delete request.session.user
}

const idOf = (browser: Browser) => decodeURIComponent(browser.cookies.get('connect.sid')!).slice(2).split('.')[0]!

/** Begins a request that stops at the gate, and gives what opens it. */
async function slow(browser: Browser, path: string) {
  const waiting = once(gates, 'waiting')
  const gate = `gate${Math.random()}`
  const reply = browser.get(path.replace('wait', `wait ${gate}`))
  await waiting
  return async () => {
    gates.emit(gate)
    return await reply
  }
}

/** Which SESSION commands `work` costs. */
async function commands(work: () => Promise<unknown>): Promise<string[]> {
  await server.command('CONFIG', 'RESETSTAT')
  await work()
  const stats = String(await server.command('INFO', 'commandstats'))
  return [...stats.matchAll(/cmdstat_(session\.\w+|get|set|del|expire|eval):calls=(\d+)/g)]
    .flatMap(([, name, calls]) => Array(Number(calls)).fill(name))
    .sort()
}

async function info(store: RedisSessionStore, browser: Browser): Promise<Record<string, number>> {
  const reply = (await server.command('SESSION.INFO', store.core.keyOf(idOf(browser)))) as (string | number)[]
  return Object.fromEntries(Array.from({ length: reply.length / 2 }, (_, i) => [reply[2 * i], reply[2 * i + 1]]))
}

for (const resave of [false, true]) {
  test(`two requests that write different fields keep both, resave: ${resave}`, async () => {
    const { browser } = await site({}, { resave })
    const alice = browser()
    await alice.get('/set a 1/set b 1/set gone 1')
    const finish = await slow(alice, '/wait/set a 2')
    await alice.get('/set b 2/unset gone')
    await finish()
    const { cookie: _, ...data } = await alice.json('/')
    assert.deepEqual(data, { a: 2, b: 2 })
  })

  test(`a slow request that only reads undoes nothing, resave: ${resave}`, async () => {
    const { browser } = await site({}, { resave })
    const alice = browser()
    await alice.get('/set cart [1]')
    const finish = await slow(alice, '/wait')
    await alice.get('/push cart')
    await finish()
    assert.deepEqual((await alice.json('/')).cart, [1, 1])
  })
}

test('with save: replace the last one wins, as with connect-redis', async () => {
  const { browser } = await site({ save: 'replace' })
  const alice = browser()
  await alice.get('/set a 1/set b 1')
  const finish = await slow(alice, '/wait/set a 2')
  await alice.get('/set b 2')
  await finish()
  assert.equal((await alice.json('/')).b, 1)
})

test('what changed deep inside is saved', async () => {
  const { browser } = await site()
  const alice = browser()
  await alice.get('/set cart [1]')
  await alice.get('/push cart')
  assert.deepEqual((await alice.json('/')).cart, [1, 1])
})

test('a session that ended while a slow request ran stays ended', async (t) => {
  const ends: [string, (store: RedisSessionStore, browser: Browser) => Promise<unknown>][] = [
    ['destroy', (_, browser) => browser.copy().get('/destroy/')],
    ['regenerate', (_, browser) => browser.copy().get('/regenerate/set b 1')],
    ['REVOKE', (store) => store.signOutAll('alice')],
    ['DEL', (store, browser) => server.command('DEL', store.core.keyOf(idOf(browser)))],
    ['signOut', async (store) => store.signOut('alice', (await store.sessions('alice'))[0]!.handle)],
  ]
  for (const onGone of ['ignore', 'error'] as const) {
    for (const [name, end] of ends) {
      await t.test(`${name}, onGone: ${onGone}`, async () => {
        const { store, browser, gone, errors } = await site({ onGone, user: (session) => session.user })
        const alice = browser()
        await alice.get('/set user "alice"')
        const id = idOf(alice)
        const finish = await slow(alice, '/wait/set a 2')
        await end(store, alice)
        assert.equal((await finish()).status, 200)
        assert.equal(await store.get(id), null)
        await until(() => gone.length === 1)
        assert.deepEqual([gone[0]![0], (gone[0]![1] as { a: number }).a], [id, 2])
        assert.deepEqual(
          errors.map((error) => (error as SessionError).code),
          onGone === 'error' ? ['SESSIONGONE'] : [],
        )
        await store.signOutAll('alice')
      })
    }
  }
})

test('a request that reads costs one command, one that writes two, a sign-in no more than three', async () => {
  for (const [resave, rolling] of [
    [false, false],
    [true, false],
    [false, true],
  ]) {
    const options = { resave: resave!, rolling: rolling!, cookie: { maxAge: 60_000 } }
    const { browser } = await site({ user: (session) => session.user, device: () => 'd', maxSessions: 3 }, options)
    const alice = browser()
    assert.deepEqual(await commands(() => alice.get('/')), [])
    assert.deepEqual(await commands(() => alice.get('/set cart 1')), ['session.set'])
    assert.deepEqual(await commands(() => alice.get('/')), ['session.getex'])
    assert.deepEqual(await commands(() => alice.get('/set cart 2')), ['session.getex', 'session.set'])
    assert.deepEqual(await commands(() => alice.get('/set cart 2')), ['session.getex'])
    assert.deepEqual(await commands(() => alice.get('/set user "alice"/rotate')), ['session.getex', 'session.rotate'])
    assert.deepEqual(await commands(() => alice.get('/')), ['session.getex'])
    const login = await commands(() => alice.get('/regenerate/set user "bob"/save'))
    assert.deepEqual(login, ['session.del', 'session.getex', 'session.set'])
    assert.deepEqual(await commands(() => alice.get('/destroy')), ['session.del', 'session.getex'])
  }
})

test('"remember me" by the age of the cookie alone is kept', async () => {
  const { store, browser } = await site({}, { cookie: { maxAge: 60_000 } })
  const alice = browser()
  await alice.get('/set a 1')
  assert.equal((await info(store, alice)).idle, 60_000)
  assert.deepEqual(await commands(() => alice.get('/age 2592000000')), ['session.getex', 'session.set'])
  assert.equal((await info(store, alice)).idle, 2_592_000_000)
  const { cookie } = await alice.json('/')
  assert.equal(cookie.originalMaxAge, 2_592_000_000)
  assert.ok(Math.abs(Date.parse(cookie.expires) - Date.now() - 2_592_000_000) < 2000)
  assert.deepEqual(await commands(() => alice.get('/')), ['session.getex'])
  // And forgotten again.
  await alice.get('/age 1000')
  assert.equal((await info(store, alice)).idle, 1000)
})

test('the browser hears of "remember me" with rolling, or where something else has changed', async () => {
  for (const [options, path, expected] of [
    [{ rolling: true }, '/age 9000000', true],
    [{}, '/age 9000000', false],
    [{}, '/age 9000000/set remembered true', true],
  ] as const) {
    const { browser } = await site({}, { cookie: { maxAge: 60_000 }, ...options })
    const alice = browser()
    await alice.get('/set a 1')
    assert.deepEqual(await commands(() => alice.get('/')), ['session.getex'])
    await alice.get(path)
    const expires = Date.parse(/Expires=([^;]+)/.exec(alice.attributes)![1]!)
    assert.equal(expires > Date.now() + 8_000_000, expected)
  }
})

test('a session that is remembered ends with the lifetime of the store, unless it is given its own', async () => {
  const { store, browser } = await site({ user: (session) => session.user, lifetime: 100 })
  const alice = browser()
  await alice.get('/set user "pam"/age 9000000/rotate')
  const left = async () => Number(await server.command('PTTL', store.core.keyOf(idOf(alice))))
  assert.ok((await left()) <= 100_000)
  assert.ok(await store.core.adjust(idOf(alice), { end: { lifetime: 9_000_000 } }))
  for (const path of ['/', '/set cart 1', '/rotate 0', '/']) {
    await alice.get(path)
    assert.ok((await left()) > 8_900_000, path)
  }
})

test('a short age holds to the millisecond', async () => {
  const { store, browser } = await site({}, { cookie: { maxAge: 250 } })
  const alice = browser()
  await alice.get('/set a 1')
  const { idle } = await info(store, alice)
  assert.ok(idle! >= 249 && idle! <= 250)
  const id = idOf(alice)
  const start = Date.now()
  await until(async () => (await store.core.peek(id)) === null)
  assert.ok(Date.now() - start < 350)
})

test('the age of a cookie does not melt away with many requests', async () => {
  const { browser } = await site({}, { resave: true, cookie: { maxAge: 60_000 } })
  const alice = browser()
  for (let i = 0; i < 30; i++) await alice.get(`/set i ${i}`)
  assert.ok((await alice.json('/')).cookie.originalMaxAge >= 59_999)
})

test('a cookie without an age lets the session live for ttl', async () => {
  const { store, browser } = await site({ ttl: 1.5 })
  const alice = browser()
  await alice.get('/set a 1')
  assert.equal((await info(store, alice)).idle, 1500)
  const perUser = await site({ ttl: (session) => (session.user ? 100 : 10) })
  const bob = perUser.browser()
  await bob.get('/set a 1')
  assert.equal((await info(perUser.store, bob)).idle, 10_000)
  await bob.get('/set user "bob"')
  assert.equal((await info(perUser.store, bob)).idle, 100_000)
})

test('a date of the cookie ends the session, but a lifetime may do so before', async () => {
  const store = makeStore({ lifetime: 100 })
  const ends = async (sid: string) => Number(await server.command('PTTL', store.core.keyOf(sid)))
  const dated = (seconds: number) => ({ originalMaxAge: null, expires: new Date(Date.now() + seconds * 1000) })
  await store.set('soon', { cookie: dated(50) })
  await store.set('late', { cookie: dated(500) })
  assert.ok((await ends('soon')) <= 50_000 && (await ends('soon')) > 45_000)
  assert.ok((await ends('late')) <= 100_000 && (await ends('late')) > 95_000)
  const late = await store.get('late')
  late.n = 1
  await store.set('late', late)
  assert.ok((await ends('late')) <= 100_000)
})

test('disableTTL, disableTouch and touchOnGet', async () => {
  const forever = await site({ disableTTL: true })
  const alice = forever.browser()
  await alice.get('/set a 1')
  assert.equal((await info(forever.store, alice)).idle, null)

  const untouched = await site({ disableTouch: true })
  const bob = untouched.browser()
  await bob.get('/set a 1')
  assert.deepEqual(await commands(() => bob.get('/')), ['session.get'])
  assert.deepEqual(await commands(() => bob.get('/age 5000')), ['session.get', 'session.set'])

  const late = await site({ touchOnGet: false })
  const carol = late.browser()
  await carol.get('/set a 1')
  assert.deepEqual(await commands(() => carol.get('/')), ['session.get', 'session.touch'])
})

test('a sign-in rotates the session, and a request under way with the old cookie still reads', async () => {
  const { store, browser } = await site({ user: (session) => session.user })
  const alice = browser()
  await alice.get('/set cart [1]')
  const former = alice.copy()
  const reply = await alice.json('/set user "alice"/rotate/push cart')
  assert.deepEqual([reply.user, reply.cart], ['alice', [1, 1]])
  assert.notEqual(idOf(alice), idOf(former))
  const id = idOf(former)
  const late = await former.json('/set forged 1')
  assert.deepEqual([late.user, late.cart], [undefined, [1]])
  assert.equal(idOf(former), id)
  const data = await alice.json('/')
  assert.deepEqual([data.user, data.cart, data.forged], ['alice', [1, 1], undefined])
  assert.equal((await store.sessions('alice', idOf(alice)))[0]!.current, true)
})

test('a request with the old cookie leaves the cookie alone, whatever it does, and can begin another session', async () => {
  const cookie = { maxAge: 60_000 }
  for (const sessionOptions of [{ cookie, rolling: true }, { cookie }, { resave: true, saveUninitialized: true }]) {
    for (const touchOnGet of [true, false]) {
      const { store, errors, browser } = await site({ user: ({ user }) => user, touchOnGet }, sessionOptions)
      const visitor = browser()
      await visitor.get('/set cart 17')
      const old = visitor.copy()
      await visitor.get('/set user "alice"/rotate')
      for (const path of ['/', '/set late 1', '/set late 1/save', '/age 1000', '/reload/reload/set late 1']) {
        const late = old.copy()
        assert.equal((await late.json(path)).cart, 17)
        assert.equal(late.attributes, '', `a cookie at ${path}`)
      }
      for (const path of ['/set user "bob"/rotate', '/regenerate/set user "bob"']) {
        const late = old.copy()
        await late.get(path)
        assert.equal((await late.json('/')).user, 'bob')
        assert.equal((await store.sessions('bob', idOf(late)))[0]!.current, true)
      }
      assert.deepEqual(await visitor.json('/').then(({ cart, user, late }) => [cart, user, late]), [
        17,
        'alice',
        undefined,
      ])
      assert.deepEqual(errors, [])
    }
  }
})

test('a visitor who had no session is signed in with one', async () => {
  const { store, browser } = await site({ user: (session) => session.user })
  const alice = browser()
  await alice.get('/set user "nora"/rotate')
  assert.equal((await alice.json('/')).user, 'nora')
  assert.equal((await store.sessions('nora')).length, 1)
})

test('a second click on "sign in" begins a session of its own with what it has set', async () => {
  const { browser } = await site({ user: (session) => session.user })
  const alice = browser()
  await alice.get('/set cart [1]')
  const second = alice.copy()
  await alice.get('/set user "alice"/rotate')
  await second.get('/set user "alice"/rotate')
  const data = await second.json('/')
  assert.deepEqual([data.user, data.cart], ['alice', undefined])
  assert.notEqual(idOf(second), idOf(alice))
  assert.deepEqual((await alice.json('/')).cart, [1])
})

test('after a rotation save, reload and another rotation work', async () => {
  const { browser } = await site()
  const alice = browser()
  await alice.get('/set a 1')
  const reply = await alice.json('/rotate/set b 1/save/set b 2/reload/rotate/set c 3/save')
  assert.deepEqual([reply.a, reply.b, reply.c], [1, 1, 3])
  assert.deepEqual((await alice.json('/')).c, 3)
})

test('where a rotation fails nobody is signed in under the old id', async () => {
  const { client, close } = await flavours[2]!.single(server)
  const { store, errors, browser } = await site({ client, user: ({ user }) => user })
  try {
    const alice = browser()
    await alice.get('/set cart 17')
    await server.command('ACL', 'SETUSER', 'default', '-session.rotate')
    assert.equal((await alice.get('/set user "paul"/rotate')).status, 500)
    assert.match(errors[0]!.message, /^NOPERM/)
    assert.deepEqual((await alice.json('/')).user, undefined)
    assert.deepEqual(await store.sessions('paul'), [])
    await server.command('ACL', 'SETUSER', 'default', '+session.rotate')
    await alice.get('/set user "paul"/rotate')
    const { user, cart } = await alice.json('/')
    assert.deepEqual([user, cart], ['paul', 17])
  } finally {
    await server.command('ACL', 'SETUSER', 'default', '+session.rotate')
    close()
  }
})

test('too many sign-ins with an explicit save or rotate are told', async () => {
  const { browser, errors } = await site({
    user: (session) => session.user,
    maxSessions: { count: 1, policy: 'reject' },
  })
  const [one, two] = [browser(), browser()]
  await one.get('/set user "olga"/rotate')
  await two.get('/set cart 1')
  const reply = await two.get('/set user "olga"/rotate')
  assert.deepEqual([reply.status, (errors[0] as SessionError).code], [500, 'SESSIONLIMIT'])
  assert.match(reply.text, /maximum of 1/)
})

test('a second click on "sign in" that passes the limit signs nobody out', async () => {
  for (const rolling of [false, true]) {
    const { store, browser } = await site(
      { user: (session) => session.user, maxSessions: { count: 1, policy: 'reject' } },
      { rolling },
    )
    const one = browser()
    await one.get('/set cart 1')
    const [two, late, before] = [one.copy(), one.copy(), idOf(one)]
    const finish = await slow(two, '/wait/refused "rita"')
    await one.get('/set user "rita"/rotate')
    assert.notEqual(idOf(one), before)
    await late.get('/refused "rita"')
    await finish()
    // A browser has one cookie, which the last answer sets.
    assert.deepEqual([idOf(two), idOf(late)], [before, before])
    assert.equal((await one.json('/')).user, 'rita')
    assert.equal((await store.sessions('rita')).length, 1)
    await store.signOutAll('rita')
  }
})

test('devices: what the request tells is kept beside the session and shown', async () => {
  const { store, browser } = await site({
    user: (session) => session.user,
    device: (request) => ({ agent: request.get('user-agent') }),
  })
  const [phone, laptop] = [browser(), browser()]
  await phone.get('/set user 42', { headers: { 'user-agent': 'Safari' } })
  await laptop.get('/set cart 1')
  await sleep(2)
  await laptop.get('/set user 42/rotate', { headers: { 'user-agent': 'Firefox' } })
  const list = await store.sessions(42, idOf(laptop))
  assert.deepEqual(
    list.map(({ device, current }) => [device.agent, current]),
    [
      ['Firefox', true],
      ['Safari', false],
    ],
  )
  assert.deepEqual(Object.keys(await laptop.json('/')).sort(), ['cart', 'cookie', 'user'])
  assert.equal(await store.signOut(42, list[1]!.handle), true)
  assert.equal((await phone.json('/')).user, undefined)
  assert.equal(await store.signOutAll(42, idOf(laptop)), 0)
})

test('devices: a session that is taken over is shown with the browser that brings it', async () => {
  const prefix = `legacy${stores}:`
  const { store, browser } = await site({
    user: (session) => session.user,
    device: (request) => request.get('user-agent'),
    legacy: { prefix },
  })
  const alice = browser()
  await alice.get('/set user "mia"')
  const id = idOf(alice)
  const text = String(await server.command('SESSION.GET', store.core.keyOf(id), 'JSON'))
  await server.command('SESSION.DEL', store.core.keyOf(id))
  for (const step of ['/', '/set cart 1', '/rotate']) {
    await server.command('SET', prefix + id, text)
    const cost = await commands(() => alice.get(step, { headers: { 'user-agent': 'Safari' } }))
    assert.deepEqual(
      (await store.sessions('mia')).map(({ device }) => device),
      ['Safari'],
      `${step} ${cost}`,
    )
    assert.deepEqual(await commands(() => alice.get('/')), ['session.getex'])
    await store.signOutAll('mia')
  }
})

test('update takes what its function returns for a session only if it is an object', async () => {
  const store = makeStore()
  const change = (work: (session: Record<string, unknown>) => unknown) => store.update('sid', work as () => void)
  await store.set('sid', { cookie: {}, cart: [1], n: 1 })
  await change((session) => (session.cart as number[]).push(2))
  await change((session) => delete session.n)
  await change((session) => {
    session.name = 'alice'
    return session.name
  })
  const { cookie: _, ...data } = (await store.get('sid'))!
  assert.deepEqual(data, { cart: [1, 2], name: 'alice' })
  await store.core.update('sid', (({ cart }) => cart!.push(3)) as (data: Record<string, number[]>) => void)
  assert.deepEqual((await store.get('sid')).cart, [1, 2, 3])
  await change(() => ({ other: 1 }))
  assert.deepEqual(Object.keys((await store.get('sid'))!), ['cookie', 'other'])
})

test('a user who signs out is bound no more', async () => {
  const { store, browser } = await site({ user: (session) => session.user })
  const alice = browser()
  await alice.get('/set user "pia"')
  assert.equal((await store.sessions('pia')).length, 1)
  await alice.get('/unset user')
  assert.equal((await store.sessions('pia')).length, 0)
})

test('a store that learns of users later binds them at the next request, even if that only reads', async () => {
  const before = await site()
  const alice = before.browser()
  await alice.get('/set user "rita"')
  const store = makeStore({ prefix: before.store.prefix, user: (session) => session.user })
  const id = idOf(alice)
  const session = await store.get(id)
  await store.touch(id, session)
  assert.equal((await store.sessions('rita')).length, 1)
})

test('update: twenty at the same time, and the cookie stays a cookie', async () => {
  const { store, browser } = await site({ user: (session) => session.user }, { cookie: { maxAge: 60_000 } })
  const alice = browser()
  await alice.get('/set n 0')
  const id = idOf(alice)
  await Promise.all(Array.from({ length: 20 }, () => store.update(id, (session) => void session.n++)))
  const { n, cookie } = await alice.json('/')
  assert.deepEqual([n, cookie.originalMaxAge], [20, 60_000])
  const updated = await store.update(id, (session) => ({ ...session, user: 'sue' }))
  assert.equal(updated.user, 'sue')
  assert.equal((await store.sessions('sue')).length, 1)
})

test('a serializer of the application keeps the session as one text', async () => {
  const serializer = {
    parse: async (text: string) => JSON.parse(Buffer.from(text, 'base64').toString()),
    stringify: (session: unknown) => Buffer.from(JSON.stringify(session)).toString('base64'),
  }
  const { store, browser } = await site({ serializer, user: (session) => session.user }, { cookie: { maxAge: 60_000 } })
  const alice = browser()
  await alice.get('/set a 1/set user "tina"')
  assert.deepEqual(await commands(() => alice.get('/')), ['session.getex'])
  await alice.get('/set a 2/rotate/set b 3')
  const data = await alice.json('/age 90000')
  assert.deepEqual([data.a, data.b], [2, 3])
  assert.equal((await info(store, alice)).idle, 90_000)
  assert.equal((await alice.json('/')).cookie.originalMaxAge, 90_000)
  assert.equal((await store.all())[0].a, 2)
  assert.equal((await info(store, alice)).fields, 1)
  const finish = await slow(alice, '/wait/set a 9')
  await alice.get('/destroy')
  await finish()
  assert.equal(await store.get(idOf(alice)), null)
})

test('callbacks get what promises get, once, and what they throw is theirs', async () => {
  const store = makeStore()
  const called = (work: (callback: (...result: unknown[]) => void) => void) =>
    new Promise<unknown[]>((resolve) => work((...result) => resolve(result)))
  assert.deepEqual(await called((callback) => store.set('a', { cookie: {}, x: 1 }, callback)), [null, undefined])
  const [error, session] = await called((callback) => store.get('a', callback))
  assert.deepEqual([error, (session as { x: number }).x], [null, 1])
  assert.deepEqual(await called((callback) => store.length(callback)), [null, 1])
  assert.deepEqual(await called((callback) => store.ids(callback)), [null, ['a']])
  assert.deepEqual(await called((callback) => store.all(callback)), [null, [{ id: 'a', cookie: {}, x: 1 }]])
  assert.deepEqual(await called((callback) => store.touch('a', { cookie: {} }, callback)), [null, undefined])
  assert.deepEqual(await called((callback) => store.destroy('a', callback)), [null, undefined])
  assert.deepEqual(await called((callback) => store.get('a', callback)), [null, null])
  assert.deepEqual(await called((callback) => store.clear(callback)), [null, undefined])

  let calls = 0
  const mine = new Error('mine')
  const uncaught = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve))
  store.get('a', () => {
    calls++
    throw mine
  })
  assert.equal(await uncaught, mine)
  await sleep(20)
  process.setUncaughtExceptionCaptureCallback(null)
  assert.equal(calls, 1)
})

test('errors of the server reach the callback, and nothing is an unhandled rejection', async () => {
  const store = makeStore()
  await server.command('SET', store.core.keyOf('string'), 'x')
  const errors = await Promise.all(
    (['get', 'destroy'] as const).map((name) => new Promise((resolve) => store[name]('string', resolve))),
  )
  errors.push(await new Promise((resolve) => store.set('string', { cookie: {} }, resolve)))
  errors.push(await new Promise((resolve) => store.touch('string', { cookie: {} }, resolve)))
  for (const error of errors) assert.equal((error as SessionError).code, 'SESSIONTYPE')
  assert.ok(errors[0] instanceof SessionError)
})

test('options that make no sense are told at once', () => {
  for (const options of [{ ttl: 0 }, { ttl: -1 }, { lifetime: 0 }, { maxSessions: 0 }, { client: {} }]) {
    assert.throws(() => makeStore(options), TypeError)
  }
})

test('options that are misspelt or of the wrong kind are told at once, with what would do', () => {
  const { client } = makeStore()
  for (const [option, message] of [
    [{ maxsessions: 3 }, 'The store has no option maxsessions, but maxSessions'],
    [{ idle: 60 }, 'The store has no option idle'],
    [{ toString: 1 }, 'The store has no option toString'],
    [{ user: 'userId' }, 'user must be a function, such as (session) => session.user'],
    [{ device: {} }, "device must be a function, such as (req) => req.get('user-agent')"],
    [{ save: 'all' }, 'save must be "merge" or "replace"'],
    [{ onGone: 'throw' }, 'onGone must be "ignore" or "error"'],
    [{ legacy: 'sess:' }, "legacy must be true, or an object such as { prefix: 'sess:' }"],
    [{ prefix: null }, 'prefix must be a string'],
    [{ maxSessions: null }, 'maxSessions must be a number or { count, policy }'],
    [{ hashKeys: 'false' }, 'hashKeys must be true or false'],
    [{ scanCount: 0 }, 'scanCount must be an integer above 0'],
    [{ serializer: { parse() {} } }, 'serializer must be an object with the functions parse and stringify'],
  ] as [object, string][]) {
    const options = { client, ...option } as RedisSessionStoreOptions
    assert.throws(() => new RedisSessionStore(options), { name: 'TypeError', message })
  }
  assert.throws(() => new RedisSessionStore(undefined as unknown as RedisSessionStoreOptions), /needs options/)
  assert.ok(
    new RedisSessionStore({
      client,
      user: undefined,
      legacy: false,
      serializer: JSON,
    } as object as RedisSessionStoreOptions),
  )
})

test('a cookie that has expired ends the session', async () => {
  const { store, browser } = await site()
  const alice = browser()
  await alice.get('/set a 1')
  await alice.get('/age -1')
  assert.equal(await store.get(idOf(alice)), null)
})
