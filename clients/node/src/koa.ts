/** The store for koa-session. */
import type { Data, SessionError } from './core.js'
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
  destroy(key: string, passed?: Passed): Promise<void>
  /**
   * Gives the session of a request a new key, as whoever signs somebody in must, and saves it in the same step: in place
   * of `ctx.session.regenerate()`. Requests under way that bring the old key still read for `grace` seconds (10 where
   * nothing is said, 300 at most) what was there before. If the session has ended meanwhile, a new one begins with what
   * this request has changed.
   *
   * @param ctx Koa's context.
   * @throws SessionError SESSIONLIMIT: the user has too many sessions, and this one is what it was. Whatever else keeps the
   *   server from it: the session is not saved then.
   */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  rotate(ctx: any, options?: { grace?: number }): Promise<void>
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

  const rotations = new WeakMap<object, Rotation>()

  return {
    async get(key, _maxAge, passed = {}) {
      const session = await store.get(key)
      if (session === null) return undefined
      if (passed.ctx !== undefined && store.isOver(session)) leaveCookie(passed.ctx, key)
      return outside(remember(key, session, passed))
    },
    async set(key, session, maxAge, passed = {}) {
      const rotation = rotations.get(passed.ctx ?? {})
      if (rotation?.hasFailed) return
      const former = rotation?.former ?? key
      const object = known.get(passed.ctx ?? {})?.get(former) ?? remember(former, {}, passed)
      for (const name of Object.keys(object)) delete object[name]
      Object.assign(object, inside(session, maxAge))
      if (rotation === undefined) {
        await store.set(key, object)
        if (passed.ctx !== undefined && store.isOver(object)) leaveCookie(passed.ctx, key)
      } else {
        await store.rotateTo(former, object, key, rotation.grace)
        rotation.session = remember(key, object, passed)
      }
    },
    async destroy(key, { ctx } = {}) {
      // While it rotates it is not to end, but to get another key.
      if (!rotations.get(ctx ?? {})?.isRunning) await store.destroy(key)
    },
    async rotate(ctx, { grace = 10 } = {}) {
      const former: string = ctx.session.externalKey
      const rotation: Rotation = { former, grace, isRunning: true, hasFailed: false, session: undefined }
      rotations.set(ctx, rotation)
      const options = ctx.sessionOptions
      const { genid, externalKey } = options
      const cookies = ctx.res.getHeader('set-cookie') ?? []
      try {
        await regenerate(ctx, () => store.core.besideOf(former, genid(ctx)))
        // Its object still has the old key. (Nothing was rotated where a ContextStore keeps the context to itself.)
        if (rotation.session !== undefined) ctx.session = outside(rotation.session)
        rotations.delete(ctx)
      } catch (error) {
        rotation.hasFailed = true
        leaveCookie(ctx, former)
        await regenerate(ctx, () => former)
        // koa-session has told the browser to forget its cookie, which may be that of a sign-in meanwhile.
        ctx.res.setHeader('set-cookie', cookies)
        // Any other failure leaves it unsaved. Its user would be signed in under the old key, which others may know.
        if ((error as SessionError).code === 'SESSIONLIMIT') {
          rotations.delete(ctx)
          options.externalKey = externalKey
        }
        throw error
      } finally {
        rotation.isRunning = false
      }
    },
  }
}

interface Rotation {
  former: string
  grace: number
  isRunning: boolean
  /** It has its former key again, and the cookie says so. */
  hasFailed: boolean
  /** What was saved under the new key. */
  session: Data
}

/** Lets koa-session give the session of this request a key of our choice, and save it. */
// biome-ignore lint/suspicious/noExplicitAny: Koa's context
async function regenerate(ctx: any, genid: () => string): Promise<void> {
  const options = ctx.sessionOptions
  const its = options.genid
  options.genid = genid
  try {
    await ctx.session.regenerate()
  } finally {
    options.genid = its
  }
}

/**
 * Keeps koa-session from setting the cookie to this key again: the browser of this request has got another one meanwhile,
 * or is about to.
 */
// biome-ignore lint/suspicious/noExplicitAny: Koa's context
function leaveCookie(ctx: any, key: string): void {
  const options = ctx.sessionOptions
  const { externalKey } = options
  options.externalKey = {
    get: () => key,
    // biome-ignore lint/suspicious/noExplicitAny: Koa's context
    set(ctx: any, newKey: string) {
      if (newKey === key) return
      if (externalKey) externalKey.set(ctx, newKey)
      else ctx.cookies.set(options.key, newKey, options)
    },
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
