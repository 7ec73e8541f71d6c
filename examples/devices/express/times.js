// Times in words: a server does not know its visitor's time zone, so it says how long ago, not when.

const UNITS = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]

/** A number of seconds in its largest unit: "3 days". Under a minute: undefined. */
export function inWords(seconds) {
  const unit = UNITS.find(([, length]) => seconds >= length)
  if (!unit) return undefined
  const count = Math.floor(seconds / unit[1])
  return `${count} ${unit[0]}${count === 1 ? '' : 's'}`
}

/** How long ago a Date was: "3 days ago", "just now". */
export function ago(date, now = Date.now()) {
  const words = inWords((now - date) / 1000)
  return words ? `${words} ago` : 'just now'
}

/** How far ahead a Date is, to the nearest minute: "in 14 days", "in less than a minute". */
export function ahead(date, now = Date.now()) {
  const words = inWords(Math.round((date - now) / 60_000) * 60)
  return `in ${words ?? 'less than a minute'}`
}
