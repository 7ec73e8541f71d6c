// What browsers are told with every answer.

const HEADERS = {
  // Styles, pictures and forms of this site alone; no scripts at all, and nothing inline.
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  // After a sign-out, "back" shows no page from before.
  'Cache-Control': 'no-store',
}

export function headers(_req, res, next) {
  res.set(HEADERS)
  next()
}
