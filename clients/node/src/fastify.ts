/** Rotation for @fastify/session. */

import type { RedisSessionStore } from './index.js'
import { newId } from './keys.js'

// biome-ignore lint/suspicious/noExplicitAny: the types of Fastify need not be installed
type Any = any

/**
 * Gives the session of a request a new id, as whoever signs somebody in must, and saves it in the same step: in place of
 * `request.session.regenerate()`. The data stay, in a new object `request.session`. Requests under way that bring the old
 * id still read for `grace` seconds (10 where nothing is said, 300 at most) what was there before. If the session has ended
 * meanwhile, a new one begins with what this request has changed.
 *
 * It throws SessionError SESSIONLIMIT where the user has too many sessions: this one is what it was. Whatever else keeps
 * the server from it: the session is not saved then.
 */
export type RotateSession = (options?: { grace?: number }) => Promise<void>

/**
 * A plugin of Fastify that gives requests the method `rotateSession`: see RotateSession. It is registered after
 * @fastify/session, with the same store.
 *
 * @example
 * await app.register(fastifySession, { store, secret })
 * await app.register(fastifyRotation, { store })
 */
export function fastifyRotation(
  fastify: Any,
  { store }: { store: RedisSessionStore },
  done: (error?: Error) => void,
): void {
  if (!fastify.hasRequestDecorator('session')) {
    done(new Error('fastifyRotation is to be registered after @fastify/session'))
    return
  }
  fastify.addHook('onRequest', (request: Any, reply: Any, next: () => void) => {
    if (store.isOver(request.session)) leaveCookie(request, store)
    else leaveCookieIfOver(request, reply, store)
    next()
  })
  fastify.decorateRequest('rotateSession', function (this: Any, options?: { grace?: number }) {
    return rotate(store, this, options)
  })
  done()
}

// What it adds is for the whole application, and not for plugins within this one alone.
Object.assign(fastifyRotation, { [Symbol.for('skip-override')]: true })

/**
 * Ids for the option `idGenerator` of @fastify/session, for a cluster and for `hashKeys`: there a new id has to begin as
 * the old one did.
 */
export function idGenerator(store: RedisSessionStore): () => string {
  return () => store.besideRotating(newId())
}

async function rotate(store: RedisSessionStore, request: Any, { grace = 10 }: { grace?: number } = {}): Promise<void> {
  const { session } = request
  const names = Object.keys(session).filter((name) => name !== 'cookie')
  try {
    await store.rotating({ sid: session.sessionId, session, grace }, () => session.regenerate(names))
  } catch (error) {
    request.session = session
    // Else its user would be signed in under the old id, which others may know.
    if ((error as { code?: unknown }).code !== 'SESSIONLIMIT') hideFromHooks(session)
    throw error
  }
}

/** @fastify/session neither saves a session without this nor sets a cookie for it. */
function hideFromHooks(session: object): void {
  Object.defineProperty(session, 'encryptedSessionId', { value: undefined, configurable: true })
}

/**
 * Keeps @fastify/session from setting the cookie to the old id again: the browser of this request has got another one
 * meanwhile, or is about to.
 */
function leaveCookie(request: Any, store: RedisSessionStore): void {
  let { session } = request
  hideFromHooks(session)
  Object.defineProperty(request, 'session', {
    configurable: true,
    enumerable: true,
    get: () => session,
    set(other: Any) {
      session = other
      // It was loaded again.
      if (other && store.isOver(other)) hideFromHooks(other)
    },
  })
}

/** The same for a session that gets another id, or ends, while this request runs: saving it, which comes first, tells. */
function leaveCookieIfOver(request: Any, reply: Any, store: RedisSessionStore): void {
  const { setCookie } = reply
  reply.setCookie = (name: string, value: string, options?: object) => {
    const { session } = request
    const isOver = session && store.isOver(session) && String(value).endsWith(session.encryptedSessionId)
    return isOver ? reply : setCookie.call(reply, name, value, options)
  }
}
