/** Moving in from connect-redis, and back. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { RedisStore } from 'connect-redis'
import { RedisSessionStore } from '../src/index.js'
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

function both(options = {}) {
  const prefix = `old${++stores}:`
  const old = new RedisStore({ client: opened.client, prefix })
  const store = new RedisSessionStore({
    client: opened.client,
    prefix: `new${stores}:`,
    legacy: { prefix },
    user: (session) => session.user,
    ...options,
  })
  return { old, store, prefix }
}

const age = 60_000
const session = (data: object) => ({
  cookie: { originalMaxAge: age, expires: new Date(Date.now() + age), httpOnly: true, path: '/' },
  ...data,
})

test('a session of connect-redis is taken over once, with its user and its age', async () => {
  const { old, store, prefix } = both()
  await old.set('sid', session({ user: 'alice', cart: [1] }))
  const taken = await store.get('sid')
  assert.deepEqual([taken.user, taken.cart, taken.cookie.originalMaxAge], ['alice', [1], age])
  assert.equal(await server.command('EXISTS', `${prefix}sid`), 0)
  assert.equal((await store.sessions('alice', 'sid'))[0]!.current, true)
  assert.equal((await store.core.load('sid'))!.idle, age)
  taken.cart.push(2)
  await store.set('sid', taken)
  assert.deepEqual((await store.get('sid')).cart, [1, 2])
  assert.equal(await store.get('other'), null)
})

test('of many requests at the same time each gets the session', async () => {
  const { old, store } = both()
  await old.set('sid', session({ user: 'bob', n: 1 }))
  const got = await Promise.all(Array.from({ length: 20 }, () => store.get('sid')))
  assert.ok(got.every((session) => session.n === 1))
  assert.equal((await store.sessions('bob')).length, 1)
})

test('a session that was signed out does not come back from the old store', async () => {
  const { old, store } = both()
  await old.set('sid', session({ user: 'carol' }))
  await store.destroy('sid')
  assert.equal(await store.get('sid'), null)

  // A request that had read the old session when another one took it over, and was overtaken by a sign-out.
  await old.set('sid', session({ user: 'carol' }))
  const { client } = opened
  const slow = new Proxy(client, {
    get(target, name) {
      if (name !== 'sendCommand') return Reflect.get(target, name)
      return async (words: string[], options: object) => {
        const reply = await target.sendCommand(words, options)
        if (words[0] === 'GET') {
          await store.get('sid')
          await store.signOutAll('carol')
        }
        return reply
      }
    },
  })
  const late = new RedisSessionStore({ client: slow, prefix: store.prefix, legacy: { prefix: old.prefix } })
  assert.equal(await late.get('sid'), null)
  assert.equal(await store.get('sid'), null)
})

test('a request that is overtaken before it asks for the old session gets the new one', async () => {
  const { old, store, prefix } = both()
  await old.set('sid', session({ user: 'heidi' }))
  const { client } = opened
  const slow = sendingBy(client, async (words, options) => {
    if (words[0] === 'GET') assert.equal((await store.get('sid')).user, 'heidi')
    return client.sendCommand(words, options)
  })
  const late = new RedisSessionStore({ client: slow, prefix: store.prefix, legacy: { prefix } })
  assert.equal((await late.get('sid'))?.user, 'heidi')
})

/** What `sendCommand` of a client does, done by `send` instead. */
// biome-ignore lint/suspicious/noExplicitAny: a client of any version
function sendingBy(client: any, send: (words: string[], options: object) => Promise<unknown>) {
  return new Proxy(client, {
    get: (target, name) => (name === 'sendCommand' ? send : Reflect.get(target, name)),
  })
}

test('wherever the process ends while it takes a session over, what is signed out does not come back', async () => {
  const { old, store, prefix } = both()
  const other = await startServer()
  const far = (await flavours[2]!.single(other)) as Client
  try {
    for (const isFar of [false, true]) {
      for (let last = 0; last < 8; last++) {
        await old.set('sid', session({ user: 'erin' }))
        let sent = 0
        // biome-ignore lint/suspicious/noExplicitAny: a client of any version
        const dying = (client: any) =>
          sendingBy(client, async (words, options) => {
            if (sent++ >= last) throw new Error('the process has ended')
            return client.sendCommand(words, options)
          })
        const options = { user: ({ user }: { user?: string }) => user, prefix: store.prefix }
        const near = isFar ? far.client : opened.client
        const make = (wrapped: (client: unknown) => unknown) =>
          new RedisSessionStore({
            ...options,
            client: wrapped(near),
            legacy: { prefix, ...(isFar ? { client: wrapped(opened.client) } : {}) },
          })
        const healthy = make((client) => client)
        await make(dying)
          .get('sid')
          .catch(() => {})
        const isTaken = (await healthy.signOutAll('erin')) === 1
        if (isTaken && isFar) {
          // Two servers do nothing in one step: what is left ends by itself, soon.
          assert.ok(Number(await server.command('PTTL', `${prefix}sid`)) <= 10_000, `after ${last}`)
          await server.command('DEL', `${prefix}sid`)
        }
        assert.equal((await healthy.get('sid')) === null, isTaken, `far: ${isFar}, after ${last}`)
        await healthy.destroy('sid')
      }
    }
  } finally {
    far.close()
    await other.close()
  }
})

test('what was taken over, and signed out, does not come back where the reply was lost', async () => {
  const { old, prefix } = both()
  await old.set('sid', session({ user: 'grace' }))
  const other = await startServer()
  const far = await flavours[2]!.single(other)
  const user = (session: { user?: string }) => session.user
  const losing = sendingBy(far.client, async (words, options) => {
    await far.client.sendCommand(words, options)
    if (words[0] === 'SESSION.SET') throw new Error('Socket closed unexpectedly')
    return null
  })
  const options = { user, legacy: { prefix, client: opened.client } }
  await assert.rejects(new RedisSessionStore({ ...options, client: losing }).get('sid'), /closed/)
  const store = new RedisSessionStore({ ...options, client: far.client })
  assert.equal(await store.signOutAll('grace'), 1)
  // Two servers do nothing in one step: what is left ends by itself, soon.
  assert.ok(Number(await server.command('PTTL', `${prefix}sid`)) <= 10_000)
  far.close()
  await other.close()
})

test('a session that cannot be taken over now stays where it is', async () => {
  const { old, prefix } = both()
  await old.set('sid', session({ user: 'frank', cart: 'x'.repeat(1000) }))
  const other = await startServer({ args: ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'] })
  const client = await flavours[2]!.single(other)
  const store = new RedisSessionStore({ client: client.client, legacy: { prefix, client: opened.client } })
  await assert.rejects(store.get('sid'), /OOM/)
  // Of two requests at the same time the second begins after the first, and ends after it.
  const writing = (before: () => unknown) => {
    const held = sendingBy(client.client, async (words, options) => {
      if (words[0] === 'SESSION.SET') await before()
      return client.client.sendCommand(words, options)
    })
    return new RedisSessionStore({ client: held, legacy: { prefix, client: opened.client } }).get('sid')
  }
  let second: Promise<unknown> | undefined
  let goOn = () => {}
  const waiting = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const first = writing(async () => {
    await new Promise<void>((arrived) => {
      second = writing(() => {
        arrived()
        return waiting
      })
    })
  })
  await assert.rejects(first, /OOM/)
  goOn()
  await assert.rejects(second!, /OOM/)
  assert.ok(Number(await server.command('PTTL', `${prefix}sid`)) > age - 10_000)
  await other.command('CONFIG', 'SET', 'maxmemory', '0')
  assert.equal((await store.get('sid')).user, 'frank')
  client.close()
  await other.close()
})

test('a cookie that has expired, nonsense, and another server', async () => {
  const { old, store, prefix } = both()
  await server.command(
    'SET',
    `${prefix}past`,
    JSON.stringify(session({ cookie: { originalMaxAge: null, expires: new Date(1) } })),
  )
  assert.equal(await store.get('past'), null)
  await server.command('SET', `${prefix}text`, '"no session"')
  assert.equal(await store.get('text'), null)
  await old.set('sid', session({ n: 1 }))
  const other = await startServer()
  const client = await flavours[6]!.single(other)
  const moved = new RedisSessionStore({ client: client.client, legacy: { prefix, client: opened.client } })
  assert.equal((await moved.get('sid')).n, 1)
  assert.equal(await server.command('EXISTS', `${prefix}sid`), 0)
  client.close()
  await other.close()
})

test('a key of the old prefix that is no string is none of its sessions', async () => {
  const { old, store, prefix } = both()
  // Whoever has tried the new store under the old prefix first leaves sessions there.
  await new RedisSessionStore({ client: opened.client, prefix }).set('sid', session({ n: 1 }))
  await server.command('HSET', `${prefix}hash`, 'n', '1')
  for (const id of ['sid', 'hash']) assert.equal(await store.get(id), null)
  await old.set('text', session({ n: 2 }))
  assert.equal((await store.get('text')).n, 2)
})

test('who has more old sessions than he may is signed out with those that come last, and not locked out', async () => {
  const { old, store } = both({ maxSessions: { count: 1, policy: 'reject' } })
  for (const id of ['first', 'second']) await old.set(id, session({ user: 'carol' }))
  assert.equal((await store.get('first'))!.user, 'carol')
  assert.equal(await store.get('second'), null)
  assert.equal((await store.sessions('carol')).length, 1)
})

test('the old prefix cannot be the new one', () => {
  const { client } = opened
  assert.throws(() => new RedisSessionStore({ client, legacy: true }), /prefix "sess:": give the new store another/)
  assert.ok(new RedisSessionStore({ client, prefix: 'session:', legacy: true }))
})

test('and back: connect-redis goes on with what the store gives', async () => {
  const { old, store } = both()
  const dated = { originalMaxAge: age, expires: new Date(Date.now() + age).toISOString() }
  await store.set('sid', session({ user: 'dave', cart: [1] }))
  await store.set('dated', { cookie: dated, n: 1 })
  for (const session of await store.all()) {
    const { id, ...data } = session
    await old.set(id, data)
  }
  await store.clear()
  const back = (await old.get('sid')) as Record<string, unknown>
  assert.deepEqual([back.user, back.cart], ['dave', [1]])
  await until(async () => Number(await server.command('PTTL', `${old.prefix}sid`)) > age - 5000)
  assert.deepEqual((await old.ids()).sort(), ['dated', 'sid'])
})
