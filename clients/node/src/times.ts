/** When a session ends, as the options say it and as the server wants it told. */
import type { Arg } from './clients.js'

/** Ten years, and the end of the year 9999: the longest that the server takes. */
export const MAX_SPAN = 315_360_000_000
const MAX_TIME = 253_402_300_799_999

/** What ends a session whatever happens: a time since it began for its user, a point in time, or nothing. */
export type End = { lifetime: number } | { at: number } | null

export interface Times {
  /** How long the session lives without use, in milliseconds; null: no limit. Undefined leaves it as it is. */
  idle?: number | null | undefined
  /** What ends it whatever happens. Undefined leaves it as it is. */
  end?: End | undefined
}

const span = (ms: number) => String(Math.min(Math.max(Math.round(ms), 1), MAX_SPAN))

/**
 * Seconds as an option names them, in milliseconds.
 *
 * @throws TypeError for what is no positive number.
 */
export function milliseconds(seconds: number, option: string): number {
  if (typeof seconds !== 'number' || !(seconds > 0))
    throw new TypeError(`${option} must be a number of seconds above 0`)
  return Math.min(seconds * 1000, MAX_SPAN)
}

export function timeWords({ idle, end }: Times): Arg[] {
  const words: Arg[] = []
  if (idle === null) words.push('PERSIST')
  else if (idle !== undefined) words.push('PX', span(idle))
  if (end === null) words.push('NOLIFETIME')
  else if (end !== undefined && 'lifetime' in end) words.push('PLIFETIME', span(end.lifetime))
  else if (end !== undefined) words.push('PXAT', String(Math.min(Math.round(end.at), MAX_TIME)))
  return words
}
