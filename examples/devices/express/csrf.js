// Forms carry a token that is kept in the session. Another site can make a browser send a form here, but cannot know the
// token. (SameSite=Lax already keeps the cookie out of such a form; the token also holds where a browser or a
// neighbouring subdomain does not.)

import { randomBytes, timingSafeEqual } from 'node:crypto'

const READING = ['GET', 'HEAD', 'OPTIONS']
const refusal = (why) => Object.assign(new Error(why), { status: 403 })

/**
 * Turns forms of other sites away before anything is looked up for them. They come without the cookie, so to this site they
 * are of a stranger: an answer that begins a session would put its cookie in the place of the visitor's own.
 */
export function refuseOtherSites(req, _res, next) {
  const from = req.get('Sec-Fetch-Site') ?? 'none' // browsers say so; what says nothing still needs the token
  if (READING.includes(req.method) || ['same-origin', 'none'].includes(from)) return next()
  next(refusal('a form of another site'))
}

/** The token of this visitor's session, which begins here if there is none yet. */
export function csrfToken(req) {
  req.session.csrf ??= randomBytes(32).toString('base64url')
  return req.session.csrf
}

function same(given, token) {
  if (typeof given !== 'string' || typeof token !== 'string') return false
  const [a, b] = [Buffer.from(given), Buffer.from(token)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Lets through what only reads, and forms with the token. */
export function checkCsrf(req, _res, next) {
  if (READING.includes(req.method) || same(req.body?.csrf, req.session.csrf)) return next()
  next(refusal('a form without the token of its session'))
}
