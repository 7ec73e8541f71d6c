/** The store for koa-session. */
import type { Data } from './core.js'
import type { RedisSessionStore } from './index.js'

/** What koa-session passes beside the session. */
interface Passed {
  // biome-ignore lint/suspicious/noExplicitAny: Koa's context
  ctx?: any
}

/** The interface that koa-session asks of a store, with times in milliseconds. */
export interface KoaStore {
  get(key: string, maxAge?: number | 'session', passed?: Passed): Promise<Data>
  set(key: string, session: Data, maxAge?: number | 'session', passed?: Passed): Promise<void>
  destroy(key: string): Promise<void>
}

/** A session of Koa's may have members of the names that the store uses for its cookie and for the request. */
const COOKIE = '~cookie'
const REQUEST = '~req'

/**
 * Lets koa-session keep its sessions in a RedisSessionStore. How long a session lives is what koa-session says
 * (`maxAge`); where that is `'session'`, it is the store's `ttl`. The option `device` of the store gets Koa's context.
 *
 * @example
 * app.use(session({ store: koaStore(new RedisSessionStore({ client, touchOnGet: false })) }, app))
 */
export function koaStore(store: RedisSessionStore): KoaStore {
  // koa-session makes a new object of what it gets, and another one of that to save it. What they have in common is the
  // context of the request. The store finds what has changed since a session was read by the object that it gave.
  const known = new WeakMap<object, Map<string, Data>>()

  function remember(key: string, session: Data, { ctx }: Passed): Data {
    if (ctx === undefined) return session
    const sessions = known.get(ctx) ?? new Map<string, Data>()
    known.set(ctx, sessions.set(key, session))
    Object.defineProperty(session, 'req', { value: ctx, configurable: true, enumerable: false })
    return session
  }

  return {
    async get(key, _maxAge, passed = {}) {
      const session = await store.get(key)
      if (session === null) return undefined
      return outside(remember(key, session, passed))
    },
    async set(key, session, maxAge, passed = {}) {
      const object = known.get(passed.ctx ?? {})?.get(key) ?? remember(key, {}, passed)
      for (const name of Object.keys(object)) delete object[name]
      await store.set(key, Object.assign(object, inside(session, maxAge)))
    },
    destroy: (key) => store.destroy(key),
  }
}

function inside({ cookie, req, ...session }: Data, maxAge: number | 'session' | undefined): Data {
  if (cookie !== undefined) session[COOKIE] = cookie
  if (req !== undefined) session[REQUEST] = req
  return { ...session, cookie: { originalMaxAge: typeof maxAge === 'number' ? maxAge : null } }
}

function outside({ cookie: _, [COOKIE]: cookie, [REQUEST]: req, ...session }: Data): Data {
  if (cookie !== undefined) session.cookie = cookie
  if (req !== undefined) session.req = req
  return session
}
