// Where sessions are kept, and what a session is told about its user and device.

import { RedisSessionStore } from 'redis-session-client'

const DAY = 86_400

/** A device is signed out after so many seconds without use ... */
export const IDLE = 14 * DAY
/** ... and after so many in any case. The browser keeps its cookie for so long; what counts is what the server says. */
export const LIFETIME = 90 * DAY

export function sessionStore(client, { maxDevices }) {
  return new RedisSessionStore({
    client,
    prefix: 'devices:',
    ttl: () => IDLE, // a function: the age of the cookie has no say in it
    lifetime: LIFETIME,
    // Keys are hashes of the ids: who reads the database cannot sign in with what it holds.
    hashKeys: true,
    // Whose session it is, by what sign-in.js writes into it.
    user: (session) => session.user,
    maxSessions: { count: maxDevices, policy: 'reject' },
    device: (req) => ({ userAgent: req.get('User-Agent')?.slice(0, 300) }),
  })
}
