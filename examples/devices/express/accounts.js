// Who may sign in. A real site keeps its accounts in a database; these two live in memory, and get the passwords below
// back when the site starts again. Passwords are kept as scrypt hashes, each with a salt of its own.

import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(scrypt)

async function hash(password) {
  const salt = randomBytes(16)
  return { salt, key: await derive(password, salt, 32) }
}

async function matches(password, { salt, key }) {
  return timingSafeEqual(await derive(password, salt, 32), key)
}

const hashes = new Map([
  ['alice', await hash('tea-at-four')],
  ['bob', await hash('bricks-and-mortar')],
])

// A name that nobody has costs as much time as one that somebody has: how long the answer takes tells nothing.
const nobody = await hash(randomBytes(16))

/** Whether this is the person's password. */
export async function isPassword(name, password) {
  const right = await matches(String(password), hashes.get(name) ?? nobody)
  return right && hashes.has(name)
}

/** Changes with the password: tells whether it is still the one that somebody has given before. */
export function stamp(name) {
  return createHash('sha256').update(hashes.get(name).salt).digest('base64url')
}

export async function setPassword(name, password) {
  hashes.set(name, await hash(password))
}
