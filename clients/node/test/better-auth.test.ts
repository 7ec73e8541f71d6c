import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { type BetterAuthStorage, betterAuthStorage } from '../src/better-auth.js'
import { type Client, flavours } from './clients.js'
import { type Server, startCluster, startServer, until } from './server.js'

const PASSWORD = 'correct horse battery staple'
const EMAIL = 'alice@example.org'

/** An application with better-auth, and its browsers. */
function application(secondaryStorage: BetterAuthStorage) {
  const auth = betterAuth({
    baseURL: 'http://localhost:3000',
    secret: 'a secret of a test, which has more than thirty-two characters',
    database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
    secondaryStorage,
    // The real hash takes a long time on purpose.
    emailAndPassword: {
      enabled: true,
      password: { hash: async (password) => password, verify: async ({ hash, password }) => hash === password },
    },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
  })
  async function call(path: string, { cookie = '', body }: { cookie?: string; body?: object } = {}) {
    const headers = { cookie, origin: 'http://localhost:3000', 'content-type': 'application/json' }
    const request = new Request(`http://localhost:3000/api/auth${path}`, {
      method: body ? 'POST' : 'GET',
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    const response = await auth.handler(request)
    const set = response.headers.getSetCookie().find((line) => line.startsWith('better-auth.session_token='))
    // biome-ignore lint/suspicious/noExplicitAny: what better-auth answers
    const json = (await response.json().catch(() => null)) as any
    return { status: response.status, json, cookie: set?.split(';')[0] ?? cookie }
  }
  return {
    call,
    signUp: () => call('/sign-up/email', { body: { email: EMAIL, password: PASSWORD, name: 'Alice' } }),
    signIn: () => call('/sign-in/email', { body: { email: EMAIL, password: PASSWORD } }),
  }
}

describe('better-auth on betterAuthStorage', () => {
  let server: Server
  let opened: Client

  before(async () => {
    server = await startServer()
    opened = await flavours.at(-1)!.single(server)
  })
  after(async () => {
    opened.close()
    await server.close()
  })
  beforeEach(async () => void (await server.command('FLUSHALL')))

  test('signs up, signs in, lists sessions, revokes one, revokes the others', async () => {
    const { call, signUp, signIn } = application(betterAuthStorage(opened))
    const { status, json, cookie: first } = await signUp()
    assert.equal(status, 200)
    const { cookie: second } = await signIn()
    const { cookie: third } = await signIn()
    assert.equal((await call('/get-session', { cookie: second })).json.user.email, EMAIL)
    const list = async () => (await call('/list-sessions', { cookie: first })).json as { token: string }[]
    assert.equal((await list()).length, 3)
    assert.equal(await server.command('SESSION.COUNT', json.user.id), 3)

    const token = decodeURIComponent(second).split('=')[1]!.split('.')[0]!
    await call('/revoke-session', { cookie: first, body: { token } })
    assert.equal((await call('/get-session', { cookie: second })).json, null)
    assert.equal((await list()).length, 2)

    await call('/revoke-other-sessions', { cookie: first, body: {} })
    assert.equal((await call('/get-session', { cookie: third })).json, null)
    assert.equal((await list()).length, 1)

    await call('/sign-out', { cookie: first, body: {} })
    assert.equal(await server.command('SESSION.COUNT', json.user.id), 0)
  })

  test('loses none of twenty sessions that sign in at the same time', async () => {
    const { call, signUp, signIn } = application(betterAuthStorage(opened))
    const { cookie, json } = await signUp()
    const browsers = await Promise.all(Array.from({ length: 20 }, signIn))
    assert.ok(browsers.every(({ status }) => status === 200))
    assert.equal((await call('/list-sessions', { cookie })).json.length, 21)
    await call('/revoke-sessions', { cookie, body: {} })
    for (const { cookie } of browsers) assert.equal((await call('/get-session', { cookie })).json, null)
    assert.equal(await server.command('SESSION.COUNT', json.user.id), 0)
  })

  test('ends sessions at the server: better-auth knows at once', async () => {
    const { call, signUp } = application(betterAuthStorage(opened))
    const { cookie, json } = await signUp()
    await server.command('SESSION.REVOKE', json.user.id)
    assert.equal((await call('/get-session', { cookie })).json, null)
  })

  test('changes the user in all his sessions, and keeps each to its end', async () => {
    const { call, signUp, signIn } = application(betterAuthStorage(opened))
    const { cookie } = await signUp()
    const { cookie: second } = await signIn()
    await call('/update-user', { cookie, body: { name: 'Alice Liddell' } })
    assert.equal((await call('/get-session', { cookie: second })).json.user.name, 'Alice Liddell')
    const key = `better-auth:${decodeURIComponent(second).split('=')[1]!.split('.')[0]}`
    const ttl = Number(await server.command('TTL', key))
    assert.ok(ttl > 7 * 86_400 - 10 && ttl <= 7 * 86_400, `${ttl}`)
  })

  test('takes over the sessions of its own storage for Redis', async () => {
    // As @better-auth/redis-storage keeps them: plain strings.
    const old = {
      get: (key: string) => server.command('GET', `better-auth:${key}`) as Promise<string | null>,
      set: async (key: string, value: string) =>
        void (await server.command('SET', `better-auth:${key}`, value, 'EX', '600000')),
      delete: async (key: string) => void (await server.command('DEL', `better-auth:${key}`)),
    }
    const storage = betterAuthStorage({ ...opened, legacy: true })
    const former = application({ ...storage, ...old, core: storage.core })
    const { cookie, json } = await former.signUp()
    const { call } = former
    const token = decodeURIComponent(cookie).split('=')[1]!.split('.')[0]!
    assert.equal(await server.command('TYPE', `better-auth:${token}`), 'string')
    assert.equal((await call('/get-session', { cookie })).json.user.email, EMAIL)

    assert.equal(JSON.parse((await storage.get(token))!).session.token, token)
    const listed = JSON.parse((await storage.get(`active-sessions-${json.user.id}`))!)
    assert.deepEqual(
      listed.map((entry: { token: string }) => entry.token),
      [token],
    )
    await storage.set(token, (await storage.get(token))!, 60)
    assert.equal(await server.command('SESSION.COUNT', json.user.id), 1)
    await storage.delete(token)
    assert.equal(await storage.get(`active-sessions-${json.user.id}`), null)
  })
})

// A cluster takes its time to begin: one library of each kind.
const onCluster = [flavours[3], flavours[7]]

for (const flavour of flavours) {
  for (const topology of onCluster.includes(flavour) ? (['single', 'cluster'] as const) : (['single'] as const)) {
    describe(`betterAuthStorage, ${topology}, ${flavour.name}`, () => {
      test('keeps sessions and everything else', async () => {
        const running = topology === 'single' ? await startServer() : await startCluster()
        const opened =
          topology === 'single' ? await flavour.single(running as Server) : await flavour.cluster(running as never)
        try {
          await contract(betterAuthStorage(opened))
        } finally {
          opened.close()
          await running.close()
        }
      })
    })
  }
}

const token = (n: number) => String(n).padStart(32, 'abcdefghijklmnopqrstuvwxyz')

function value(n: number, seconds = 60, more: object = {}): string {
  const expiresAt = new Date(Date.now() + seconds * 1000).toISOString()
  return JSON.stringify({
    session: { token: token(n), userId: 'alice', expiresAt, ...more },
    user: { id: 'alice', name: 'Alice "the Ätherial"' },
  })
}

async function contract(storage: BetterAuthStorage) {
  const list = async () => {
    const text = await storage.get('active-sessions-alice')
    return text === null ? null : JSON.parse(text).map((entry: { token: string }) => entry.token)
  }
  assert.equal(await storage.get(token(1)), null)
  assert.equal(await list(), null)

  // Sessions, each in a slot of its own.
  for (const n of [3, 1, 2]) await storage.set(token(n), value(n, 60 + n), 60 + n)
  assert.deepEqual(JSON.parse((await storage.get(token(1)))!).user, { id: 'alice', name: 'Alice "the Ätherial"' })
  assert.deepEqual(await list(), [1, 2, 3].map(token))
  // What better-auth writes of the list does not matter, whoever lost what.
  await storage.set('active-sessions-alice', '[]', 60)
  await storage.delete('active-sessions-alice')
  assert.deepEqual(await list(), [1, 2, 3].map(token))
  await storage.delete(token(3))
  assert.deepEqual(await list(), [1, 2].map(token))

  // Two requests read the same, and change the session and the user.
  const read = JSON.parse((await storage.get(token(1)))!)
  await storage.get(token(1))
  await Promise.all([
    storage.set(token(1), JSON.stringify({ ...read, user: { ...read.user, name: 'Bob' } }), 60),
    storage.set(token(1), JSON.stringify({ ...read, session: { ...read.session, organization: 7 } }), 60),
  ])
  const both = JSON.parse((await storage.get(token(1)))!)
  assert.deepEqual([both.user.name, both.session.organization], ['Bob', 7])

  // A session that was deleted after it was read does not come back.
  const stale = (await storage.get(token(2)))!
  await storage.delete(token(2))
  await storage.set(token(2), stale, 60)
  assert.equal(await storage.get(token(2)), null)

  // A token that does not look like one, and a value that does.
  const odd = JSON.stringify({ session: { token: 'my:token', userId: 'carol', expiresAt: new Date() }, user: {} })
  await storage.set('my:token', odd, 60)
  assert.equal(JSON.parse((await storage.get('my:token'))!).session.token, 'my:token')
  assert.ok(await storage.get('active-sessions-carol'))
  await storage.delete('my:token')
  assert.equal(await storage.get('my:token'), null)
  await storage.set(token(9), 'plain', 60)
  assert.equal(await storage.get(token(9)), 'plain')
  await storage.delete(token(9))
  assert.equal(await storage.get(token(9)), null)

  // Everything else.
  await storage.set('verification:x', '{"value":1}', 60)
  assert.equal(await storage.get('verification:x'), '{"value":1}')
  const takers = await Promise.all(Array.from({ length: 10 }, () => storage.getAndDelete('verification:x')))
  assert.deepEqual(
    takers.filter((taken) => taken !== null),
    ['{"value":1}'],
  )
  await storage.set(token(4), value(4), 60)
  const ends = await Promise.all(Array.from({ length: 10 }, () => storage.getAndDelete(token(4))))
  assert.equal(ends.filter((taken) => taken !== null).length, 1)
  await storage.set('short', 'x', 0.05)
  await until(async () => (await storage.get('short')) === null)
  await storage.set('for ever', 'x')
  assert.equal(await storage.get('for ever'), 'x')

  const counts = await Promise.all(Array.from({ length: 20 }, () => storage.increment('rate', 1)))
  assert.deepEqual(
    [...counts].sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 1),
  )
  await until(async () => (await storage.get('rate')) === null)
  assert.equal(await storage.increment('rate', 1), 1)
  await assert.rejects(storage.increment('rate', 0), TypeError)
}
