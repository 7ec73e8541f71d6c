import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { fastifyRotation, idGenerator, type RotateSession } from '../src/fastify.js'
import { RedisSessionStore, type SessionError } from '../src/index.js'
import { type Client, flavours } from './clients.js'
import { type Server, startServer } from './server.js'

const SECRET = 'a secret of a test, which has more than thirty-two characters'

// biome-ignore lint/suspicious/noExplicitAny: a session holds whatever the application puts there
type Session = any
type Request = FastifyRequest & { session: Session; rotateSession: RotateSession }
type Handler = (request: Request, reply: FastifyReply) => unknown

for (const flavour of [flavours[2]!, flavours.at(-1)!]) {
  describe(`@fastify/session with RedisSessionStore, ${flavour.name}`, () => {
    let server: Server
    let opened: Client
    let store: RedisSessionStore
    let app: FastifyInstance | undefined
    const gone: string[] = []

    before(async () => {
      server = await startServer()
      opened = await flavour.single(server)
      store = new RedisSessionStore({ client: opened.client, prefix: 'web:', user: (session) => session.userId })
      store.on('gone', (id: string) => gone.push(id))
    })
    after(async () => {
      await app?.close()
      opened.close()
      await server.close()
    })
    beforeEach(async () => {
      await server.command('FLUSHALL')
      gone.length = 0
    })

    async function serve(handler: Handler, options: object = {}) {
      await app?.close()
      app = Fastify()
      await app.register(fastifyCookie)
      await app.register(fastifySession, { secret: SECRET, cookie: { secure: false }, store, ...options } as never)
      await app.register(fastifyRotation, { store, ...options })
      app.get('*', (request, reply) => handler(request as never, reply))
      return browserOf('')
    }

    function browserOf(cookie: string) {
      const browser = {
        cookie,
        copy: () => browserOf(browser.cookie),
        async get(url: string) {
          const { cookie } = browser
          const reply = await app!.inject({ url, headers: cookie ? { cookie } : {} })
          const set = reply.cookies.find(({ name }) => name === 'sessionId')
          if (set) browser.cookie = `sessionId=${encodeURIComponent(set.value)}`
          return { status: reply.statusCode, text: reply.body, set }
        },
        get id() {
          return decodeURIComponent(browser.cookie).slice('sessionId='.length).split('.')[0]!
        },
      }
      return browser
    }

    const kept = async (id: string) => JSON.parse(String(await server.command('SESSION.GET', `web:${id}`, 'JSON')))

    test('two requests at the same time keep what each has written', async () => {
      let waiting: (() => void)[] = []
      const browser = await serve(async ({ session, url }) => {
        if (url === '/begin') session.lang = 'en'
        if (!url.startsWith('/field')) return JSON.stringify(session)
        await new Promise<void>((resolve) => {
          waiting.push(resolve)
          if (waiting.length === 2) for (const go of waiting) go()
        })
        waiting = []
        session[url.slice(1)] = { deep: [url] }
        if (url === '/field2') delete session.lang
        return 'ok'
      })
      await browser.get('/begin')
      await Promise.all([browser.get('/field1'), browser.get('/field2')])
      const { lang, field1, field2 } = await kept(browser.id)
      assert.deepEqual(
        { lang, field1, field2 },
        { lang: undefined, field1: { deep: ['/field1'] }, field2: { deep: ['/field2'] } },
      )
    })

    test('a request that reads costs one command, one that writes two', async () => {
      const browser = await serve(({ session, url }) => {
        if (url === '/set') session.n = (session.n ?? 0) + 1
        return JSON.stringify(session)
      })
      const count = async () => {
        const text = String(await server.command('INFO', 'commandstats'))
        return [...text.matchAll(/cmdstat_session\.\w+:calls=(\d+)/g)].reduce(
          (sum, [, calls]) => sum + Number(calls),
          0,
        )
      }
      await browser.get('/set')
      const start = await count()
      const { text } = await browser.get('/')
      assert.equal(JSON.parse(text).n, 1)
      assert.equal((await count()) - start, 1)
      await browser.get('/set')
      assert.equal((await count()) - start, 3)
    })

    test('reading keeps a session alive, and without it the session ends', async () => {
      const browser = await serve(
        ({ session, url }) => {
          if (url === '/set') session.n = 1
          return String(session.n)
        },
        { cookie: { secure: false, maxAge: 1000 } },
      )
      await browser.get('/set')
      const { id } = browser
      for (let i = 0; i < 3; i++) {
        await sleep(500)
        assert.equal((await browser.get('/')).text, '1')
        assert.equal(browser.id, id)
      }
      await sleep(1100)
      assert.equal((await browser.get('/')).text, 'undefined')
    })

    test('"remember me" by the age of the cookie reaches the server', async () => {
      const browser = await serve(({ session, url }) => {
        if (url === '/set') session.n = 1
        if (url === '/remember') session.options({ maxAge: 30 * 86_400_000 })
        return String(session.n)
      })
      await browser.get('/set')
      const { set } = await browser.get('/remember')
      assert.ok(Number(set?.expires) > Date.now() + 29 * 86_400_000, String(set?.expires))
      const ttl = Number(await server.command('TTL', `web:${browser.id}`))
      assert.ok(ttl > 30 * 86_400 - 10, `${ttl}`)
      // And it stays.
      await browser.get('/')
      assert.ok(Number(await server.command('TTL', `web:${browser.id}`)) > 30 * 86_400 - 10)
    })

    test('destroys, regenerates with some fields, and reloads', async () => {
      const browser = await serve(async ({ session, url }, reply) => {
        if (url === '/set') Object.assign(session, { a: 1, b: 2 })
        if (url === '/regenerate') await session.regenerate(['a'])
        if (url === '/destroy') await session.destroy()
        if (url === '/reload') {
          session.a = 'not saved'
          await session.reload()
        }
        return reply.send('ok')
      })
      await browser.get('/set')
      const first = browser.id
      await browser.get('/reload')
      assert.equal((await kept(first)).a, 1)
      await browser.get('/regenerate')
      assert.notEqual(browser.id, first)
      assert.equal(await server.command('EXISTS', `web:${first}`), 0)
      const { a, b } = await kept(browser.id)
      assert.deepEqual({ a, b }, { a: 1, b: undefined })
      await browser.get('/destroy')
      assert.equal(await server.command('EXISTS', `web:${browser.id}`), 0)
    })

    test('does not bring back a session that was signed out while the request ran', async () => {
      const browser = await serve(async ({ session, url }) => {
        if (url === '/slow') await store.signOutAll('alice')
        session.userId = 'alice'
        session.n = (session.n ?? 0) + 1
        return 'ok'
      })
      await browser.get('/login')
      const { id } = browser
      assert.equal((await store.sessions('alice', id)).length, 1)
      assert.equal((await browser.get('/slow')).status, 200)
      assert.equal(await server.command('EXISTS', `web:${id}`), 0)
      assert.deepEqual(gone, [id])
    })

    /** A site where somebody signs in by a rotation. Each request does what its path says. */
    const signingIn = (options: object = {}) =>
      serve(async (request) => {
        const [, verb, name] = request.url.split('/')
        if (verb === 'set') request.session[name!] = 17
        if (verb === 'save') await request.session.save()
        if (verb === 'reload') await request.session.reload()
        if (verb === 'regenerate') await request.session.regenerate()
        if (verb === 'gone') await server.command('DEL', `web:${request.session.sessionId}`)
        if (verb === 'login' || verb === 'gone') {
          request.session.userId = name
          try {
            await request.rotateSession()
          } catch (error) {
            if ((error as SessionError).code !== 'SESSIONLIMIT') throw error
            delete request.session.userId
            return { code: 'SESSIONLIMIT' }
          }
        }
        return request.session
      }, options)

    for (const options of [{}, { rolling: false, saveUninitialized: false }]) {
      test(`a sign-in rotates, and a request with the old cookie sets none, ${JSON.stringify(options)}`, async () => {
        const browser = await signingIn({ ...options, cookie: { secure: false, maxAge: 60_000 } })
        await browser.get('/set/cart')
        const old = browser.copy()
        const login = JSON.parse((await browser.get('/login/alice')).text)
        assert.deepEqual([login.cart, login.userId, browser.id === old.id], [17, 'alice', false])
        for (const path of ['/', '/set/late', '/save', '/reload']) {
          const { text, set } = await old.copy().get(path)
          const { cart, userId } = JSON.parse(text)
          assert.deepEqual([cart, userId, set], [17, undefined, undefined], path)
        }
        const { cart, userId, late, cookie } = JSON.parse((await browser.get('/')).text)
        assert.deepEqual([cart, userId, late, cookie.originalMaxAge], [17, 'alice', undefined, 60_000])
        assert.deepEqual(
          (await store.sessions('alice', browser.id)).map(({ current }) => current),
          [true],
        )
      })
    }

    test('a request with the old cookie can begin another session', async () => {
      const browser = await signingIn()
      await browser.get('/set/cart')
      const old = browser.copy()
      await browser.get('/login/alice')
      for (const path of ['/login/bob', '/regenerate']) {
        const late = old.copy()
        await late.get(path)
        assert.notEqual(late.id, old.id, path)
        await late.get('/set/mine')
        assert.equal(JSON.parse((await late.get('/')).text).mine, 17, path)
      }
      assert.equal(JSON.parse((await browser.get('/')).text).userId, 'alice')
      assert.equal((await store.sessions('bob')).length, 1)
    })

    test('a request that came before the sign-in and ends after it sets no cookie', async () => {
      const limited = new RedisSessionStore({
        client: opened.client,
        prefix: 'web:',
        user: (session) => session.userId,
        maxSessions: { count: 1, policy: 'reject' },
      })
      let arrived = () => {}
      let wait: Promise<void> | undefined
      for (const slow of ['write', 'login']) {
        const browser = await serve(
          async (request) => {
            const [, verb] = request.url.split('/')
            if (request.url.endsWith('/slow')) {
              arrived()
              await wait
            }
            if (verb === 'set') request.session.cart = 17
            if (verb === 'write') request.session.late = 1
            if (verb !== 'login') return 'ok'
            request.session.userId = 'alice'
            return request.rotateSession().catch((error: SessionError) => {
              delete request.session.userId
              return error.code
            })
          },
          { store: limited },
        )
        await browser.get('/set')
        const early = browser.copy()
        const hasArrived = new Promise<void>((resolve) => {
          arrived = resolve
        })
        let goOn = () => {}
        wait = new Promise((resolve) => {
          goOn = resolve
        })
        const answer = early.get(`/${slow}/slow`)
        await hasArrived
        const old = browser.copy()
        await browser.get('/login')
        assert.notEqual(browser.id, old.id)
        const late = await old.get('/login')
        assert.deepEqual([late.text, late.set], ['SESSIONLIMIT', undefined])
        goOn()
        const { text, set } = await answer
        assert.deepEqual([text, set], [slow === 'login' ? 'SESSIONLIMIT' : 'ok', undefined])
        assert.equal((await kept(browser.id)).userId, 'alice')
        await store.signOutAll('alice')
      }
    })

    test('a visitor who had no session is signed in, and one whose session ends meanwhile brings nothing back', async () => {
      const browser = await signingIn()
      await browser.get('/login/alice')
      assert.equal(JSON.parse((await browser.get('/')).text).userId, 'alice')
      await browser.get('/set/cart')
      const { id } = browser
      await browser.get('/gone/bob')
      assert.equal(await server.command('EXISTS', `web:${id}`), 0)
      const { cart, userId } = JSON.parse((await browser.get('/')).text)
      assert.deepEqual([cart, userId], [undefined, 'bob'])
    })

    test('a sign-in costs two commands', async () => {
      const browser = await signingIn()
      await browser.get('/set/cart')
      await server.command('CONFIG', 'RESETSTAT')
      await browser.get('/login/alice')
      const text = String(await server.command('INFO', 'commandstats'))
      const names = [...text.matchAll(/cmdstat_session\.(\w+):calls=(\d+)/g)].map(([, name, n]) => `${name} ${n}`)
      assert.deepEqual(names.sort(), ['getex 1', 'rotate 1'])
    })

    test('where a rotation fails nobody is signed in under the old id', async () => {
      const browser = await signingIn()
      await browser.get('/set/cart')
      await server.command('ACL', 'SETUSER', 'default', '-session.rotate')
      try {
        const { status, set } = await browser.get('/login/alice')
        assert.deepEqual([status, set], [500, undefined])
      } finally {
        await server.command('ACL', 'SETUSER', 'default', '+session.rotate')
      }
      const { cart, userId } = JSON.parse((await browser.get('/')).text)
      assert.deepEqual([cart, userId], [17, undefined])
      assert.equal(JSON.parse((await browser.get('/login/alice')).text).userId, 'alice')
    })

    test('of too many sign-ins the last is told, and the session is what it was', async () => {
      const limited = new RedisSessionStore({
        client: opened.client,
        prefix: 'web:',
        user: (session) => session.userId,
        maxSessions: { count: 1, policy: 'reject' },
      })
      const browser = await signingIn({ store: limited })
      await browser.copy().get('/login/alice')
      await browser.get('/set/cart')
      const { id } = browser
      assert.equal(JSON.parse((await browser.get('/login/alice')).text).code, 'SESSIONLIMIT')
      const { cart, userId } = JSON.parse((await browser.get('/')).text)
      assert.deepEqual([cart, userId, browser.id], [17, undefined, id])
    })

    test('with hashed keys ids of ours are needed, and without them that is told', async () => {
      const hashed = new RedisSessionStore({ client: opened.client, prefix: 'web:', hashKeys: true })
      const other = await signingIn({ store: hashed })
      await other.get('/set/cart')
      const { status, text } = await other.get('/login/alice')
      assert.equal(status, 500)
      assert.match(JSON.parse(text).message, /idGenerator/)
      const browser = await signingIn({ store: hashed, idGenerator: idGenerator(hashed) })
      await browser.get('/set/cart')
      const old = browser.copy()
      await browser.get('/login/alice')
      assert.notEqual(browser.id, old.id)
      for (const one of [browser, old]) assert.equal(JSON.parse((await one.get('/')).text).cart, 17)
    })

    test('the plugin is registered after @fastify/session', async () => {
      const bare = Fastify()
      bare.register(fastifyRotation, { store })
      await assert.rejects(async () => bare.ready(), /after @fastify\/session/)
    })

    test('a server that is away is an error of that request alone', async () => {
      const browser = await serve(({ session }) => {
        session.n = 1
        return 'ok'
      })
      await browser.get('/')
      await server.command('DEL', `web:${browser.id}`)
      await server.command('SET', `web:${browser.id}`, 'of another program')
      assert.equal((await browser.get('/')).status, 500)
      await server.command('DEL', `web:${browser.id}`)
      assert.equal((await browser.get('/')).status, 200)
    })
  })
}
