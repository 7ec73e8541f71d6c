/** What a session's cookie says about its end, and how it is kept. */
import { MAX_SPAN, type Times } from './times.js'

/** The cookie of a session, of express-session's class, of @fastify/session's, or as it was stored. */
export interface CookieData {
  originalMaxAge?: number | null
  expires?: Date | string | boolean | null
  [name: string]: unknown
}

interface Cookie extends CookieData {
  toJSON?: () => CookieData
}

const dataOf = (cookie: Cookie): CookieData => (typeof cookie.toJSON === 'function' ? cookie.toJSON() : cookie)

/** A cookie that was given an impossible date has NaN. */
const isAge = (age: unknown): age is number => typeof age === 'number' && !Number.isNaN(age)

/**
 * The cookie as it is stored: `before` itself, where it has not changed. Where it has an age, when it expires follows from
 * when the session is used, and is not stored: it would be another one at every request.
 */
export function stored(cookie: Cookie, before?: CookieData): CookieData {
  const data = dataOf(cookie)
  if (before !== undefined && isSame(data, before)) return before
  if (!isAge(data.originalMaxAge)) return data
  const { expires: _, originalExpires: __, ...rest } = data
  return isSameAge(data.originalMaxAge, before?.originalMaxAge)
    ? { ...rest, originalMaxAge: before?.originalMaxAge as number }
    : rest
}

/** What is not stored of a cookie that has an age. */
const isDerived = (name: string) => name === 'expires' || name === 'originalExpires'

const asJson = (value: unknown) => (value instanceof Date ? value.toJSON() : value)

function isSame(data: CookieData, before: CookieData): boolean {
  const hasAge = isAge(data.originalMaxAge)
  for (const name in data) {
    if (hasAge && isDerived(name)) continue
    const now = asJson(data[name])
    const then = before[name]
    if (now !== then && !(name === 'originalMaxAge' && isSameAge(now, then))) return false
  }
  for (const name in before) {
    if (data[name] === undefined) return false
  }
  return true
}

/** Whether an age is the one before: it is computed from two readings of the clock, and may lose milliseconds. */
function isSameAge(age: unknown, before: unknown): boolean {
  if (typeof age !== 'number' || typeof before !== 'number') return false
  return Math.abs(age - before) <= Math.min(10, before / 100)
}

/** The cookie as a framework expects it, of a session that was used at `accessed` (milliseconds). */
export function restored(cookie: CookieData, accessed: number): CookieData {
  const age = cookie.originalMaxAge
  // A copy, so that what the application changes can be told from what is stored.
  if (!isAge(age)) return { ...cookie }
  // The years of a longer one would be more than a date can have.
  return { ...cookie, expires: new Date(accessed + Math.min(age, MAX_SPAN)) }
}

/**
 * When a session with this cookie ends: an age counts from its use, a date of expiry is one.
 *
 * @param otherwise Milliseconds without use for a cookie that says nothing, which the browser keeps until it is closed.
 */
export function timesOf(cookie: CookieData | undefined, otherwise: number | null): Times {
  const age = cookie?.originalMaxAge
  if (isAge(age)) return { idle: age }
  const { expires } = cookie ?? {}
  const at = expires instanceof Date || typeof expires === 'string' ? Number(new Date(expires)) : Number.NaN
  return Number.isNaN(at) ? { idle: otherwise } : { idle: null, end: { at } }
}
