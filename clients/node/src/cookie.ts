/** What a session's cookie says about its end, and how it is kept. */
import type { Times } from './times.js'

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

/**
 * The cookie as it is stored. Where it has an age, when it expires follows from when the session is used, and is not
 * stored: it would be another one at every request.
 *
 * @param before The age that is stored. One that differs by a rounding of the clock is no other.
 */
export function stored(cookie: Cookie, before?: number | null): CookieData {
  const data = dataOf(cookie)
  const age = data.originalMaxAge
  if (!isAge(age)) return data
  const { expires: _, originalExpires: __, ...rest } = data
  return { ...rest, originalMaxAge: isSameAge(age, before) ? before : age }
}

/** Whether an age is the one before: it is computed from two readings of the clock, and may lose milliseconds. */
export const isSameAge = (age: number, before: unknown): before is number =>
  typeof before === 'number' && Math.abs(age - before) <= Math.min(10, before / 100)

/** A cookie that was given an impossible date has NaN. */
const isAge = (age: unknown): age is number => typeof age === 'number' && !Number.isNaN(age)

/** The cookie as a framework expects it, of a session that was used at `accessed` (milliseconds). */
export function restored(cookie: CookieData, accessed: number): CookieData {
  const age = cookie.originalMaxAge
  return isAge(age) ? { ...cookie, expires: new Date(accessed + age).toISOString() } : cookie
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
