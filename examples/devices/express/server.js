// Starts the site. Settings come from the environment:
//   PORT            where to listen on 127.0.0.1 (3000)
//   REDIS_URL       the server with the module (redis://127.0.0.1:6379)
//   SESSION_SECRET  signs the cookie; without it cookies end when the site starts again
//   MAX_DEVICES     on how many devices one person may be signed in (5)
//   TRUST_PROXY     1 behind one proxy that speaks HTTPS for the site: cookies are then for HTTPS alone

import { randomBytes } from 'node:crypto'
import { createClient } from 'redis'
import { createApp } from './app.js'
import { sessionStore } from './sessions.js'

const env = process.env

// Without the offline queue a request fails at once while the server is away; it would wait for it otherwise.
const client = createClient({ url: env.REDIS_URL ?? 'redis://127.0.0.1:6379', disableOfflineQueue: true })
client.on('error', (error) => console.error(`Redis: ${error.message || error.code}`))
await client.connect()

const store = sessionStore(client, { maxDevices: Number(env.MAX_DEVICES ?? 5) })
await store.ready()

const app = createApp({
  store,
  isReady: () => client.isReady,
  secret: env.SESSION_SECRET ?? randomBytes(32).toString('base64url'),
  trustProxy: Number(env.TRUST_PROXY ?? 0),
})
const server = app.listen(Number(env.PORT ?? 3000), '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`My devices, in Express: http://127.0.0.1:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(() => client.destroy())
    server.closeAllConnections()
  })
}
