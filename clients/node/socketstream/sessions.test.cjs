// SocketStream itself, on a server with the module: scripts/test-socketstream.sh installs what it needs and runs it.
const assert = require('node:assert/strict')
const { once } = require('node:events')
const http = require('node:http')
const { after, before, beforeEach, test } = require('node:test')
const { Redis } = require('ioredis')
const { RedisSessionStore } = require('redis-session-client')
const { sessionEvents } = require('redis-session-client/events')
const ss = require('socketstream')
const useSessions = require('./sessions.cjs')

const SECRET = 'a secret of a test'
const client = new Redis(Number(process.env.SESSION_PORT), '127.0.0.1')
const store = new RedisSessionStore({ client, prefix: 'ss:', user: (session) => session.userId })
const subscriptions = require('socketstream/lib/websocket/subscriptions')
const internal = require('socketstream/lib/request/middleware/internal')(ss.api)

let server
let handle

before(async () => {
  await client.config('SET', 'notify-keyspace-events', 'Egxed')
  useSessions(ss, store, SECRET)
  server = http.createServer((request, response) => {
    ss.session.strategy.sessionMiddleware(request, response, () => handle(request, response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => {
  server.close()
  client.disconnect()
})
beforeEach(() => client.flushall())

/** A request by HTTP. @returns The cookie and the body. */
async function page(handler, cookie = '') {
  handle = handler
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { cookie } })
  const set = response.headers.getSetCookie()[0]?.split(';')[0]
  return { cookie: set ?? cookie, body: await response.text() }
}

/** What SocketStream does with a message of a web socket: the session that its cookie names is put into the request. */
function message(cookie, socketId) {
  const sessionId = ss.session.extractSocketSessionToken({ headers: { cookie } })
  return new Promise((resolve, reject) => {
    const request = { sessionId, socketId }
    try {
      internal.session()(request, {}, () => resolve(request.session))
    } catch (error) {
      reject(error)
    }
  })
}

const saved = (save) => new Promise((resolve, reject) => save((error) => (error ? reject(error) : resolve())))

test('a page and its web socket share one session', async () => {
  const { cookie } = await page((request, response) => {
    request.session.basket = ['book']
    response.end()
  })
  const session = await message(cookie, 'socket-1')
  assert.deepEqual(session.basket, ['book'])
  session.theme = 'dark'
  await saved((done) => session.save(done))
  const { body } = await page((request, response) => response.end(request.session.theme), cookie)
  assert.equal(body, 'dark')
})

test('a page and a message that are under way at the same time keep what each has written', async () => {
  const { cookie } = await page((_request, response) => response.end())
  await page(async (request, response) => {
    request.session.fromPage = 1
    const session = await message(cookie, 'socket-1')
    session.fromSocket = 2
    await saved((done) => session.save(done))
    response.end()
  }, cookie)
  const session = await message(cookie, 'socket-1')
  assert.deepEqual([session.fromPage, session.fromSocket], [1, 2])
})

test('setUserId says whose session it is, on the server too', async () => {
  const { cookie } = await page((_request, response) => response.end())
  const session = await message(cookie, 'socket-1')
  await saved((done) => session.setUserId('alice', done))
  assert.deepEqual(subscriptions.user.members('alice'), ['socket-1'])
  assert.equal((await store.sessions('alice', session.id))[0].current, true)
  assert.equal((await page((request, response) => response.end(request.session.userId), cookie)).body, 'alice')
  await saved((done) => session.setUserId(null, done))
  assert.deepEqual(subscriptions.user.members('alice'), [])
  assert.equal((await store.sessions('alice')).length, 0)
})

test('channels belong to the session, and each of its sockets joins them', async () => {
  const { cookie } = await page((_request, response) => response.end())
  const session = await message(cookie, 'socket-1')
  await saved((done) => session.channel.subscribe(['news', 'chat'], done))
  await message(cookie, 'socket-2')
  assert.deepEqual(subscriptions.channel.members('news').sort(), ['socket-1', 'socket-2'])
  const other = await message(cookie, 'socket-1')
  await saved((done) => other.channel.unsubscribe('news', done))
  assert.deepEqual((await message(cookie, 'socket-3')).channel.list(), ['chat'])
})

test('a session that ended while a message was answered does not come back', async () => {
  const { cookie } = await page((_request, response) => response.end())
  const session = await message(cookie, 'socket-1')
  await saved((done) => session.setUserId('alice', done))
  const slow = await message(cookie, 'socket-1')
  await store.signOutAll('alice')
  slow.theme = 'dark'
  await saved((done) => slow.save(done))
  assert.equal(await client.exists(store.core.keyOf(slow.id)), 0)
})

test('the sockets of a session that is signed out elsewhere are closed', async () => {
  const { cookie } = await page((_request, response) => response.end())
  const session = await message(cookie, 'socket-1')
  await saved((done) => session.setUserId('alice', done))
  const events = sessionEvents(client, { store })
  await events.ready()
  events.watch(session.id)
  await store.signOut('alice', (await store.sessions('alice'))[0].handle)
  const { value } = await events.next()
  assert.deepEqual({ id: value.id, reason: value.reason }, { id: session.id, reason: 'signed-out' })
  await events.return()
  // A message that comes all the same meets an empty session, which is nobody's.
  assert.equal((await message(cookie, 'socket-1')).userId, undefined)
})
