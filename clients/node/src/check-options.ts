/** Tells of options of the store that are misspelt or of the wrong kind, before they are missed. */
import type { RedisSessionStoreOptions } from './options.js'

type Name = keyof RedisSessionStoreOptions

interface Kind {
  name: string
  fits(value: unknown): boolean
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null
const isFunction = (value: unknown) => typeof value === 'function'
const isSerializer = (value: unknown) => isFunction(Object(value).parse) && isFunction(Object(value).stringify)

const FLAG: Kind = { name: 'true or false', fits: (value) => typeof value === 'boolean' }
const oneOf = (...values: string[]): Kind => ({
  name: values.map((value) => `"${value}"`).join(' or '),
  fits: (value) => values.includes(value as string),
})

/** Of what kind each option is; undefined where whoever uses it tells. */
const KINDS: Record<Name, Kind | undefined> = {
  client: undefined,
  prefix: { name: 'a string', fits: (value) => typeof value === 'string' },
  ttl: undefined,
  lifetime: undefined,
  maxSessions: { name: 'a number or { count, policy }', fits: (value) => typeof value === 'number' || isObject(value) },
  hashKeys: FLAG,
  scanCount: { name: 'an integer above 0', fits: (value) => Number.isInteger(value) && Number(value) > 0 },
  serializer: { name: 'an object with the functions parse and stringify', fits: isSerializer },
  disableTTL: FLAG,
  disableTouch: FLAG,
  touchOnGet: FLAG,
  user: { name: 'a function, such as (session) => session.user', fits: isFunction },
  device: { name: "a function, such as (req) => req.get('user-agent')", fits: isFunction },
  save: oneOf('merge', 'replace'),
  onGone: oneOf('ignore', 'error'),
  legacy: {
    name: "true, or an object such as { prefix: 'sess:' }",
    fits: (value) => value === true || isObject(value),
  },
}

/**
 * Undefined stands for an option that is not given. (`legacy: false`, too: whether to move in may be a setting.)
 *
 * @throws TypeError for an option that there is not, or a value that it cannot have.
 */
export function checkOptions(options: unknown): void {
  if (!isObject(options)) throw new TypeError('The store needs options, at least { client }')
  for (const [name, value] of Object.entries(options as object)) {
    if (!Object.hasOwn(KINDS, name)) throw new TypeError(noSuchOption(name))
    const kind = KINDS[name as Name]
    const isGiven = value !== undefined && !(name === 'legacy' && value === false)
    if (kind && isGiven && !kind.fits(value)) throw new TypeError(`${name} must be ${kind.name}`)
  }
}

function noSuchOption(name: string): string {
  const meant = Object.keys(KINDS).find((known) => known.toLowerCase() === name.toLowerCase())
  return `The store has no option ${name}${meant ? `, but ${meant}` : ''}`
}
