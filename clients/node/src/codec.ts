/** The session of a framework as members, and back. */
import { type CookieData, restored } from './cookie.js'
import { type Members, membersOf, type Other } from './fields.js'
import type { Data } from './session.js'

/** As connect-redis has it. */
export interface Serializer {
  parse(text: string): Data | Promise<Data>
  stringify(session: Data): string
}

/** The one field of a session that the application turns into a text by itself. */
const SERIALIZED = '~serialized'

/** The members of a session, with the cookie as it is stored: one for each of its keys, or a single one. */
export function encode(session: Data, cookie: CookieData | undefined, serializer: Serializer): Members {
  if (serializer !== JSON) {
    const whole = cookie === undefined ? { ...session } : { ...session, cookie }
    return new Map([[SERIALIZED, JSON.stringify(serializer.stringify(whole))]])
  }
  return membersOf(session, cookieOf(cookie))
}

/** The member of the cookie, as it is stored. */
export function cookieOf(cookie: CookieData | undefined, isSame = false): Other {
  return { name: 'cookie', text: () => cookie && JSON.stringify(cookie), isSame }
}

/** The session as the application had it, from the data as they were stored. */
export function decode(data: Data, serializer: Serializer): Data | Promise<Data> {
  const text = serializer === JSON ? undefined : data[SERIALIZED]
  return typeof text === 'string' ? serializer.parse(text) : data
}

/** Gives a session the cookie that a framework expects; `accessed`: when it was last used, in milliseconds. */
export function withCookie(session: Data, accessed: number): Data {
  // Without a cookie it is no session of such a framework, which says so better than we can.
  if (session.cookie) session.cookie = restored(session.cookie, accessed)
  return session
}
