// The same small site on each session store: a request that reads a session of 20 fields, one that writes a field of it.
// `node site.js STORE CLIENT PORT` serves it, and tells its parent how much CPU it has used whenever it is asked.
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { RedisSessionStore } from 'redis-session-client'

const [storeName, clientName, port] = process.argv.slice(2)

const clients = {
  'node-redis': async () => {
    const client = createClient({ url: `redis://127.0.0.1:${port}` })
    await client.connect()
    return client
  },
  // connect-redis 9 and later take node-redis alone.
  ioredis: async () => new Redis({ port: Number(port), host: '127.0.0.1' }),
}
const stores = {
  'redis-session-client': (client) => new RedisSessionStore({ client }),
  'connect-redis': (client) => new RedisStore({ client }),
}

const fields = Object.fromEntries(
  Array.from({ length: 20 }, (_, n) => [`field${n}`, `value ${n} of a session of twenty`]),
)

const app = express()
app.use(
  session({
    store: stores[storeName](await clients[clientName]()),
    secret: 'of a benchmark',
    resave: false,
    saveUninitialized: false,
  }),
)
app.get('/fill', (request, response) => {
  Object.assign(request.session, fields)
  response.send('filled')
})
app.get('/read', (request, response) => {
  response.send(request.session.field7)
})
app.get('/write', (request, response) => {
  request.session.field7 = String(performance.now())
  response.send('written')
})

const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send({ cpu: user + system })
})
