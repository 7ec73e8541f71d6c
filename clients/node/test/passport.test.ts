/** A site that signs people in with Passport, as docs/express.md says, and as Passport does it by itself. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import { after, before, test } from 'node:test'
import express, { type NextFunction, type Request, type Response } from 'express'
import session from 'express-session'
import passport from 'passport'
import { RedisSessionStore, type RedisSessionStoreOptions } from '../src/index.js'
import { Browser } from './browser.js'
import { type Client, flavours } from './clients.js'
import { type Server, startServer } from './server.js'

declare module 'express-session' {
  interface SessionData {
    passport?: { user?: string }
    cart?: string[]
  }
}

interface User {
  id: string
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

/** As passport-local, but that it believes whoever says a name. */
class Names {
  name = 'names'
  declare success: (user: User) => void
  authenticate(request: Request) {
    this.success({ id: String(request.query.name) })
  }
}
passport.use(new Names() as unknown as passport.Strategy)
passport.serializeUser((user, done) => done(null, (user as User).id))
passport.deserializeUser((id: string, done) => done(null, { id }))

const listening: HttpServer[] = []
let stores = 0

async function site(options: Partial<RedisSessionStoreOptions> = {}) {
  const user = (session: session.SessionData) => session.passport?.user
  const store = new RedisSessionStore({ client: opened.client, prefix: `p${++stores}:`, user, ...options })
  const app = express()
  app.use(session({ store, secret: 's', resave: false, saveUninitialized: false }))
  app.use(passport.session())
  const then = (response: Response, next: NextFunction) => (error?: unknown) => (error ? next(error) : response.json(1))
  app.get('/cart', (request, response) => {
    request.session.cart = ['book']
    response.json(1)
  })
  app.get('/rotate', passport.authenticate('names', { session: false }), async (request, response) => {
    request.session.passport = { user: (request.user as User).id }
    try {
      await store.rotate(request)
    } catch (error) {
      delete request.session.passport
      return response.status(409).json((error as { code: string }).code)
    }
    response.json(1)
  })
  app.get('/passport', passport.authenticate('names', { keepSessionInfo: true }), (_, response) => response.json(1))
  app.get('/logout', (request, response, next) => request.logout(then(response, next)))
  app.get('/destroy', (request, response, next) => request.session.destroy(then(response, next)))
  app.get('/', ({ user, session }, response) =>
    response.json([(user as User | undefined)?.id ?? null, session.cart ?? null]),
  )
  app.use((error: { code?: string }, _request: Request, response: Response, _next: NextFunction) => {
    response.status(500).json(error.code ?? 'error')
  })
  const http = app.listen(0, '127.0.0.1')
  listening.push(http)
  await once(http, 'listening')
  const { port } = http.address() as { port: number }
  return { store, browser: () => new Browser(`http://127.0.0.1:${port}`) }
}

for (const way of ['rotate', 'passport']) {
  test(`signing in by ${way}: another id, the same cart, and a session of the user`, async () => {
    const { store, browser } = await site()
    const alice = browser()
    await alice.get('/cart')
    const before = alice.cookies.get('connect.sid')
    assert.equal((await alice.get(`/${way}?name=${way}-alice`)).status, 200)
    assert.notEqual(alice.cookies.get('connect.sid'), before)
    assert.deepEqual(await alice.json('/'), [`${way}-alice`, ['book']])
    assert.equal((await store.sessions(`${way}-alice`)).length, 1)
    assert.equal((await alice.get('/logout')).status, 200)
    assert.deepEqual(await alice.json('/'), [null, null])
    assert.equal((await store.sessions(`${way}-alice`)).length, 0)
  })
}

test('a cap is told at the route that rotates, and the cart stays; Passport has ended the session by then', async () => {
  const { browser } = await site({ maxSessions: { count: 1, policy: 'reject' } })
  await browser().get('/rotate?name=carol')
  const second = browser()
  await second.get('/cart')
  assert.deepEqual(await second.get('/rotate?name=carol'), { status: 409, text: '"SESSIONLIMIT"' })
  assert.deepEqual(await second.json('/'), [null, ['book']])
  assert.deepEqual(await second.get('/passport?name=carol'), { status: 500, text: '"SESSIONLIMIT"' })
  assert.deepEqual(await second.json('/'), [null, null])
})

test('where memory is full, destroy signs out; logout, which writes, does not', async () => {
  const { browser } = await site()
  const alice = browser()
  await alice.get('/rotate?name=dora')
  await server.command('CONFIG', 'SET', 'maxmemory', '1')
  assert.equal((await alice.get('/logout')).status, 500)
  assert.equal((await alice.json('/'))[0], 'dora')
  assert.equal((await alice.get('/destroy')).status, 200)
  assert.equal((await alice.json('/'))[0], null)
  await server.command('CONFIG', 'SET', 'maxmemory', '0')
})
