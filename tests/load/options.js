// What LOAD_… variables say.

function number(name, otherwise) {
  const value = Number(process.env[name] || otherwise)
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} must be a number`)
  return value
}

function words(name, otherwise, known) {
  const chosen = (process.env[name] ?? otherwise).split(/\s+/).filter(Boolean)
  const unknown = chosen.find((word) => !known.includes(word))
  if (unknown) throw new Error(`${name} knows no ${unknown}. It knows ${known.join(', ')}.`)
  return chosen
}

export const options = {
  places: words('LOAD_PLACES', 'single pair cluster compare', ['single', 'pair', 'cluster', 'compare']),
  seconds: number('LOAD_SECONDS', 60),
  processes: number('LOAD_PROCESSES', 2),
  browsers: number('LOAD_BROWSERS', 8),
  tamper: words('LOAD_TAMPER', '', ['end', 'write', 'add'])[0],
  python: process.env.LOAD_PYTHON ?? 'python3',
  page: process.env.LOAD_PAGE,
}

/** What the sites are told: how many sessions a user may have, and times in seconds. */
export const CAP = 20
export const GRACE = 1
export const IDLE = 86_400
