// The store that scripts/node-upstream.sh puts in place of a suite's own: one client for the process, of the library
// that UPSTREAM_CLIENT names, and for each store a prefix of its own, so that each begins empty.
const { randomUUID } = require('node:crypto')

const port = Number(process.env.UPSTREAM_PORT)
const library = process.env.UPSTREAM_CLIENT
const RESP = Number(process.env.UPSTREAM_RESP ?? 2)
// Loaded before the tests, the first of which would run out of its time on a busy machine.
const { createClient, Redis } = require(library)

function connect() {
  if (library.startsWith('ioredis')) {
    const client = new Redis(port, '127.0.0.1', { protocol: RESP })
    client.on('connect', () => client.stream.unref())
    return client
  }
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP })
  client.on('error', (error) => console.error(error))
  client.connect()
  client.unref()
  return client
}

let client

module.exports = function makeStore(options) {
  // Only now: express-session is still being loaded when this file is.
  const { RedisSessionStore } = require('redis-session-client')
  client ??= connect()
  return new RedisSessionStore({ client, prefix: `${randomUUID()}:`, ...options })
}
