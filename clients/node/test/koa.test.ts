import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import Koa, { type Context } from 'koa'
import { createSession } from 'koa-session'
import { createClient } from 'redis6'
import { RedisSessionStore } from '../src/index.js'
import { type KoaStore, koaStore as koaStoreOf } from '../src/koa.js'
import { type Server, startServer, until } from './server.js'

// biome-ignore lint/suspicious/noExplicitAny: what koa-session puts into the context
type WithSession = Context & { session: any }

describe('koaStore', () => {
  let server: Server
  let client: ReturnType<typeof createClient>
  let store: RedisSessionStore
  let koaStore: KoaStore
  let http: ReturnType<Koa['listen']>
  let handle: (ctx: WithSession) => unknown
  const gone: string[] = []

  before(async () => {
    server = await startServer()
    client = createClient({ url: server.url })
    await client.connect()
    store = new RedisSessionStore({
      client,
      prefix: 'koa:',
      touchOnGet: false,
      user: (session) => session.userId,
      device: (ctx) => ({ agent: ctx.get('user-agent') }),
    })
    store.on('gone', (id: string) => gone.push(id))
    koaStore = koaStoreOf(store)
  })
  after(async () => {
    client.destroy()
    await server.close()
  })
  beforeEach(async () => {
    await server.command('FLUSHALL')
    gone.length = 0
  })

  /** A store whose users may sign in once. */
  function withLimit(): RedisSessionStore {
    return new RedisSessionStore({
      client,
      prefix: 'koa:',
      touchOnGet: false,
      user: (session) => session.userId,
      maxSessions: { count: 1, policy: 'reject' },
    })
  }

  /** Serves `handler` with koa-session and returns a browser, which keeps its cookie. */
  async function serve(options: object, handler: (ctx: WithSession) => unknown) {
    handle = handler
    const app = new Koa()
    app.use(createSession({ signed: false, store: koaStore, ...options } as never, app) as never)
    app.use(async (ctx) => {
      ctx.body = (await handle(ctx as WithSession)) ?? null
    })
    http?.close()
    http = app.listen(0, '127.0.0.1')
    await once(http, 'listening')
    return browserOf('')
  }
  after(() => http?.close())

  function browserOf(cookie: string) {
    /** What it was told to keep. */
    const sets: string[] = []
    return {
      sets,
      copy: () => browserOf(cookie),
      async get(path = '/', headers: Record<string, string> = {}) {
        const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}${path}`
        const reply = await fetch(url, { headers: { cookie, ...headers } })
        const set = reply.headers.getSetCookie().find((line) => line.startsWith('koa.sess='))
        if (set) cookie = set.split(';')[0]!
        if (set) sets.push(set)
        return reply.text()
      },
      get id() {
        return cookie.slice('koa.sess='.length)
      },
    }
  }

  const fields = async (id: string) => {
    const reply = (await server.command('SESSION.GET', `koa:${id}`)) as string[] | null
    return reply && Object.fromEntries(reply.flatMap((name, i) => (i % 2 ? [] : [[name, reply[i + 1]]])))
  }

  test('keeps a session by its fields, with the age that koa-session gives it', async () => {
    const browser = await serve({ maxAge: 60_000 }, (ctx) => {
      if (ctx.path === '/set') Object.assign(ctx.session, { lang: 'en', cart: { items: [17] }, cookie: 'of its own' })
      return JSON.stringify(ctx.session)
    })
    await browser.get('/set')
    const seen = JSON.parse(await browser.get())
    assert.deepEqual(
      { lang: seen.lang, cart: seen.cart, cookie: seen.cookie },
      { lang: 'en', cart: { items: [17] }, cookie: 'of its own' },
    )
    const kept = await fields(browser.id)
    assert.equal(kept?.cart, '{"items":[17]}')
    const ttl = Number(await server.command('PTTL', `koa:${browser.id}`))
    assert.ok(ttl > 60_000 && ttl <= 70_000, `${ttl}`)
  })

  test('keeps what two requests write at the same time', async () => {
    const waiting: (() => void)[] = []
    const browser = await serve({}, async (ctx) => {
      if (ctx.path === '/begin') ctx.session.begun = true
      if (!ctx.path.startsWith('/field')) return JSON.stringify(ctx.session)
      await new Promise<void>((resolve) => {
        waiting.push(resolve)
        if (waiting.length === 2) for (const go of waiting) go()
      })
      ctx.session[ctx.path.slice(1)] = true
    })
    await browser.get('/begin')
    await Promise.all([browser.get('/field1'), browser.get('/field2')])
    const { begun, field1, field2 } = JSON.parse(await browser.get())
    assert.deepEqual({ begun, field1, field2 }, { begun: true, field1: true, field2: true })
  })

  test('removes a field, clears, destroys and begins anew', async () => {
    const browser = await serve({}, (ctx) => {
      if (ctx.path === '/set') Object.assign(ctx.session, { a: 1, b: 2 })
      if (ctx.path === '/remove') delete ctx.session.a
      if (ctx.path === '/end') ctx.session = null
      if (ctx.path === '/other') ctx.session = { c: 3 }
      if (ctx.path === '/regenerate') return ctx.session.regenerate().then(() => 'done')
      return JSON.stringify(ctx.session)
    })
    await browser.get('/set')
    const first = browser.id
    await browser.get('/remove')
    assert.equal((await fields(first))?.a, undefined)
    assert.equal((await fields(first))?.b, '2')
    await browser.get('/other')
    assert.equal((await fields(browser.id))?.b, undefined)
    assert.equal((await fields(browser.id))?.c, '3')
    const before = browser.id
    await browser.get('/regenerate')
    assert.notEqual(browser.id, before)
    assert.equal(await fields(before), null)
    assert.equal((await fields(browser.id))?.c, '3')
    const last = browser.id
    await browser.get('/end')
    assert.equal(await fields(last), null)
  })

  test('does not bring back a session that ended while the request ran', async () => {
    const browser = await serve({}, async (ctx) => {
      if (ctx.path === '/slow') await server.command('SESSION.REVOKE', 'alice')
      ctx.session.userId = 'alice'
      ctx.session.count = (ctx.session.count ?? 0) + 1
    })
    await browser.get()
    const { id } = browser
    await browser.get('/slow')
    assert.equal(await server.command('EXISTS', `koa:${id}`), 0)
    assert.deepEqual(gone, [id])
  })

  test('knows whose session it is, on what device, and signs out elsewhere', async () => {
    const browser = await serve({}, async (ctx) => {
      if (ctx.path === '/login') ctx.session.userId = 'alice'
      return JSON.stringify(ctx.session)
    })
    await browser.get('/login', { 'user-agent': 'Phone' })
    const devices = await store.sessions('alice', browser.id)
    assert.deepEqual(
      devices.map(({ device, current }) => ({ device, current })),
      [{ device: { agent: 'Phone' }, current: true }],
    )
    assert.equal(await store.signOut('alice', devices[0]!.handle), true)
    assert.equal(JSON.parse(await browser.get()).userId, undefined)
  })

  test('a session for as long as the browser is open lives for the ttl of the store', async () => {
    const browser = await serve({ maxAge: 'session' }, (ctx) => {
      ctx.session.a = 1
      return JSON.stringify(ctx.session)
    })
    await browser.get()
    const ttl = Number(await server.command('PTTL', `koa:${browser.id}`))
    assert.ok(ttl > 86_390_000 && ttl <= 86_400_000, `${ttl}`)
    assert.equal(JSON.parse(await browser.get()).a, 1)
  })

  test('a shorter age set by the session is kept', async () => {
    const browser = await serve({ maxAge: 3_600_000 }, (ctx) => {
      if (ctx.path === '/short') ctx.session.maxAge = 5000
      ctx.session.a = 1
      return JSON.stringify(ctx.session)
    })
    await browser.get()
    await browser.get('/short')
    const ttl = Number(await server.command('PTTL', `koa:${browser.id}`))
    assert.ok(ttl <= 15_000, `${ttl}`)
  })

  test('costs one command to read and two to write', async () => {
    const browser = await serve({}, (ctx) => {
      if (ctx.path === '/set') ctx.session.n = (ctx.session.n ?? 0) + 1
      return JSON.stringify(ctx.session)
    })
    const count = async () => {
      const text = String(await server.command('INFO', 'commandstats'))
      return [...text.matchAll(/cmdstat_session\.\w+:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0)
    }
    await browser.get('/set')
    const start = await count()
    await browser.get()
    assert.equal((await count()) - start, 1)
    await browser.get('/set')
    assert.equal((await count()) - start, 3)
  })

  /** A site where somebody signs in by a rotation. */
  const signingIn = (options: object = {}) =>
    serve(options, async (ctx) => {
      const { path, query } = ctx
      if (path === '/set') Object.assign(ctx.session, query)
      if (path === '/regenerate') await ctx.session.regenerate()
      if (path === '/end') ctx.session = null
      if (path === '/login') {
        ctx.session.userId = query.user
        if (query.gone) await server.command('DEL', `koa:${ctx.session.externalKey}`)
        await koaStore.rotate(ctx, query.grace ? { grace: Number(query.grace) } : {})
        return ctx.session.externalKey
      }
      return JSON.stringify(ctx.session)
    })

  test('a sign-in rotates, and a request with the old cookie reads what was there before and sets no cookie', async () => {
    for (const options of [{}, { rolling: true }, { maxAge: 'session' }]) {
      const browser = await signingIn(options)
      await browser.get('/set?cart=17')
      const old = browser.copy()
      const told = await browser.get('/login?user=alice')
      assert.deepEqual([told, browser.id === old.id], [browser.id, false])
      for (const path of ['/', '/set?late=1']) {
        const late = old.copy()
        const { cart, userId } = JSON.parse(await late.get(path))
        assert.deepEqual([cart, userId, late.id], ['17', undefined, old.id])
      }
      const { cart, userId, late } = JSON.parse(await browser.get())
      assert.deepEqual([cart, userId, late], ['17', 'alice', undefined])
      assert.deepEqual(
        (await store.sessions('alice', browser.id)).map(({ current }) => current),
        [true],
      )
      await store.signOutAll('alice')
    }
  })

  test('without a grace the old key is gone at once', async () => {
    const browser = await signingIn()
    await browser.get('/set?cart=17')
    const old = browser.copy()
    await browser.get('/login?user=alice&grace=0.001')
    await until(async () => (await server.command('EXISTS', `koa:${old.id}`)) === 0)
    assert.equal(JSON.parse(await old.get()).cart, undefined)
  })

  test('a request with the old cookie can begin another session', async () => {
    const browser = await signingIn()
    await browser.get('/set?cart=17')
    const old = browser.copy()
    await browser.get('/login?user=alice')
    for (const path of ['/login?user=bob', '/regenerate']) {
      const late = old.copy()
      await late.get(path)
      assert.notEqual(late.id, old.id, path)
      await late.get('/set?mine=1')
      assert.equal(JSON.parse(await late.get()).mine, '1', path)
    }
    assert.equal(JSON.parse(await browser.get()).userId, 'alice')
    assert.equal((await store.sessions('bob')).length, 1)
  })

  test('a request that came before the sign-in and ends after it sets no cookie', async () => {
    const sessions = koaStoreOf(withLimit())
    for (const slow of ['/write', '/login', '/fail']) {
      let arrived = () => {}
      let goOn = () => {}
      const waiting = new Promise<void>((resolve) => {
        goOn = resolve
      })
      const browser = await serve({ store: sessions }, async (ctx) => {
        const { path, query } = ctx
        if (path === '/set') ctx.session.cart = 17
        if (path === '/set') return
        if (query.slow) {
          arrived()
          await waiting
        }
        if (path === '/write') ctx.session.late = 1
        if (path === '/write') return
        ctx.session.userId = 'alice'
        if (path === '/fail') Object.assign(ctx.sessionOptions, { genid: () => assert.fail('no id') })
        return sessions.rotate(ctx).catch((error) => {
          delete ctx.session.userId
          return error.code
        })
      })
      await browser.get('/set')
      const early = browser.copy()
      const hasArrived = new Promise<void>((resolve) => {
        arrived = resolve
      })
      const answer = early.get(`${slow}?slow=1`)
      await hasArrived
      await browser.get('/login')
      const late = browser.id === early.id ? assert.fail('not rotated') : early.copy()
      if (slow === '/login') assert.equal(await late.get('/login'), 'SESSIONLIMIT')
      goOn()
      assert.equal(await answer, slow === '/login' ? 'SESSIONLIMIT' : slow === '/fail' ? 'ERR_ASSERTION' : '')
      assert.deepEqual([early.sets, late.sets], [[], []], slow)
      assert.equal((await fields(browser.id))?.userId, 'alice')
      await store.signOutAll('alice')
    }
  })

  test('a visitor who had no session is signed in, and one whose session ends meanwhile brings nothing back', async () => {
    const browser = await signingIn()
    await browser.get('/login?user=alice')
    assert.equal(JSON.parse(await browser.get()).userId, 'alice')
    await browser.get('/set?cart=17')
    const { id } = browser
    await browser.get('/login?user=bob&gone=1')
    assert.equal(await fields(id), null)
    const { cart, userId } = JSON.parse(await browser.get())
    assert.deepEqual([cart, userId], [undefined, 'bob'])
  })

  test('a sign-in costs three commands at most', async () => {
    const browser = await signingIn()
    await browser.get('/set?cart=17')
    await server.command('CONFIG', 'RESETSTAT')
    await browser.get('/login?user=alice')
    const text = String(await server.command('INFO', 'commandstats'))
    const names = [...text.matchAll(/cmdstat_session\.(\w+):calls=(\d+)/g)].map(([, name, calls]) => `${name} ${calls}`)
    // koa-session saves once more at the end, where the time of its end has changed by a millisecond at least.
    assert.deepEqual(names.filter((name) => name !== 'set 1').sort(), ['get 1', 'rotate 1'])
  })

  test('of too many sign-ins the last is refused, and nobody is signed in under the old key', async () => {
    const sessions = koaStoreOf(withLimit())
    const browser = await serve({ store: sessions }, async (ctx) => {
      if (ctx.path === '/set') ctx.session.cart = 17
      if (ctx.path !== '/login') return JSON.stringify(ctx.session)
      ctx.session.userId = 'alice'
      return sessions.rotate(ctx).catch((error) => {
        delete ctx.session.userId
        return error.code
      })
    })
    const other = browser.copy()
    await other.get('/login')
    await browser.get('/set')
    const { id } = browser
    assert.equal(await browser.get('/login'), 'SESSIONLIMIT')
    const { cart, userId } = JSON.parse(await browser.get())
    assert.deepEqual([cart, userId], [17, undefined])
    assert.equal((await fields(id))?.userId, undefined)
    assert.equal((await store.sessions('alice')).length, 1)
  })

  test('where a rotation fails nobody is signed in, and the session is what it was', async () => {
    const browser = await signingIn()
    await browser.get('/set?cart=17')
    const { id } = browser
    await server.command('ACL', 'SETUSER', 'default', '-session.rotate')
    try {
      await browser.get('/login?user=alice')
    } finally {
      await server.command('ACL', 'SETUSER', 'default', '+session.rotate')
    }
    assert.equal(browser.id, id)
    const { cart, userId } = JSON.parse(await browser.get())
    assert.deepEqual([cart, userId], ['17', undefined])
    await browser.get('/login?user=alice')
    assert.equal(JSON.parse(await browser.get()).userId, 'alice')
  })

  test('a new key has the beginning of the old one where keys are hashed', async () => {
    const hashed = new RedisSessionStore({ client, prefix: 'koa:', touchOnGet: false, hashKeys: true })
    const sessions = koaStoreOf(hashed)
    const browser = await serve({ store: sessions, genid: () => crypto.randomUUID() }, async (ctx) => {
      if (ctx.path === '/set') ctx.session.cart = 17
      if (ctx.path === '/login') await sessions.rotate(ctx)
      return JSON.stringify(ctx.session)
    })
    await browser.get('/set')
    const old = browser.copy()
    await browser.get('/login')
    assert.notEqual(browser.id, old.id)
    assert.equal(browser.id.slice(0, 4), old.id.slice(0, 4))
    assert.deepEqual([JSON.parse(await browser.get()).cart, JSON.parse(await old.get()).cart], [17, 17])
  })

  for (const isHanded of [true, false]) {
    test(`a ContextStore that hands on ${isHanded ? 'all' : 'no context'} rotates ${isHanded ? 'with a' : 'without'} grace`, async () => {
      class ContextStore {
        get = (...[key, maxAge, passed]: Parameters<KoaStore['get']>) =>
          koaStore.get(key, maxAge, isHanded ? passed : undefined)
        set = (...[key, session, maxAge, passed]: Parameters<KoaStore['set']>) =>
          koaStore.set(key, session, maxAge, isHanded ? passed : undefined)
        destroy = (...[key, passed]: Parameters<KoaStore['destroy']>) =>
          koaStore.destroy(key, isHanded ? passed : undefined)
      }
      Object.assign(ContextStore.prototype, { get() {}, set() {}, destroy() {} })
      const browser = await signingIn({ store: undefined, ContextStore })
      await browser.get('/set?cart=17')
      const old = browser.copy()
      await browser.get('/login?user=alice')
      assert.notEqual(browser.id, old.id)
      const { cart, userId } = JSON.parse(await browser.get())
      assert.deepEqual([cart, userId], ['17', 'alice'])
      assert.equal(JSON.parse(await old.get()).cart, isHanded ? '17' : undefined)
    })
  }

  test('works where no context is passed', async () => {
    const bare = koaStoreOf(store)
    await bare.set('x', { a: 1, b: 2 }, 5000)
    assert.deepEqual(await bare.get('x'), { a: 1, b: 2 })
    await bare.set('x', { b: 3 }, 5000)
    assert.deepEqual(await bare.get('x'), { b: 3 })
    await bare.destroy('x')
    assert.equal(await bare.get('x'), undefined)
  })
})
