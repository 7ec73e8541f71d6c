// The site in Express, on a free port of 127.0.0.1, which it tells its parent.
//
// What it is to be comes in LOAD_SITE, as JSON: `store` ("ours" or "connect-redis"), `client` ("node-redis" or
// "ioredis"), `where` (the server), `cap`, `idle` and `grace` (seconds), and in `handles` whether answers tell the handle of
// the session. Pages answer in JSON what they have read of the session.
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { RedisSessionStore } from 'redis-session-client'
import { connect } from './clients.js'

const chosen = JSON.parse(process.env.LOAD_SITE)
const ours = chosen.store === 'ours'
const client = await connect(chosen.client, chosen.where)

const store = ours
  ? new RedisSessionStore({
      client,
      prefix: 'express:',
      user: (session) => session.user,
      device: (request) => ({ agent: request.get('user-agent') }),
      ...(chosen.cap ? { maxSessions: chosen.cap } : {}),
    })
  : new RedisStore({ client })
if (ours) await store.ready()

const app = express()
app.disable('x-powered-by').set('etag', false)
app.use(
  session({
    store,
    name: 'sid',
    secret: 'of a load test',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: chosen.idle * 1000 },
  }),
)

const fieldsOf = (session) => Object.fromEntries(Object.entries(session).filter(([name]) => name.startsWith('f')))
const stateOf = (request) => ({ user: request.session.user ?? null, fields: fieldsOf(request.session) })

function answer(request, response, more = {}) {
  if (chosen.handles && request.sessionID) response.set('X-Handle', store.core.handleOf(request.sessionID))
  response.json({ ...stateOf(request), ...more })
}

app.get('/begin', (request, response) => {
  Object.assign(request.session, JSON.parse(request.query.fields))
  if (request.query.idle) request.session.cookie.maxAge = Number(request.query.idle) * 1000
  answer(request, response)
})

// The pages from here on are for visitors who have a session.
app.use((request, response, next) => {
  if (request.path === '/support' || Object.keys(fieldsOf(request.session)).length > 0) return next()
  if (request.session.user !== undefined) return next()
  response.status(403).json(stateOf(request))
})

app.get('/view', (request, response) => answer(request, response))

app.get('/write', (request, response) => {
  request.session[request.query.name] = request.query.value
  answer(request, response)
})

app.get('/login', async (request, response) => {
  const user = Number(request.query.user)
  if (ours) {
    request.session.user = user
    await store.rotate(request, { grace: chosen.grace })
  } else {
    const fields = fieldsOf(request.session)
    await new Promise((resolve, reject) => request.session.regenerate((error) => (error ? reject(error) : resolve())))
    Object.assign(request.session, fields, { user })
  }
  answer(request, response)
})

app.get('/logout', async (request, response) => {
  await new Promise((resolve, reject) => request.session.destroy((error) => (error ? reject(error) : resolve())))
  response.json({ user: null, fields: {} })
})

app.get('/devices', async (request, response) => {
  const found = await store.sessions(request.session.user, request.sessionID)
  answer(request, response, { devices: found.map(({ handle, current }) => [handle, current]) })
})

app.get('/sign_out', async (request, response) => {
  answer(request, response, { done: await store.signOut(request.session.user, request.query.handle) })
})

// As docs/express.md has it.
app.get('/password', async (request, response) => {
  await store.rotate(request, { grace: 0 })
  await store.signOutAll(request.session.user, request.sessionID)
  answer(request, response)
})

// For the support desk: the sessions of any user.
app.get('/support', async (request, response) => {
  const { user } = request.query
  const found = await store.sessions(user)
  response.json({ devices: found.map(({ handle }) => [handle, false]), count: await store.core.count(user) })
})

app.use((error, _request, response, _next) => {
  response.status(500).json({ error: `${error.code ?? error.name}: ${error.message}` })
})

const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('disconnect', () => process.exit())
