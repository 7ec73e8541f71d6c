// How long requests took, and which failed.

// 403: there is no session; 400 of Django: it ended while the request was under way.
const OK = new Set([200, 400, 403])

export class Figures {
  constructor() {
    /** Milliseconds of every answered request, by its kind: "django view". */
    this.times = {}
    this.errors = {}
    this.requests = 0
    /** When requests that were sent since `since` were first answered well, by the kind of site. */
    this.back = {}
    this.since = Number.POSITIVE_INFINITY
    this.isOn = true
  }

  note(kind, page, { status, error, sent, ms }) {
    if (!this.isOn) return
    this.requests += 1
    if (OK.has(status)) {
      const name = `${kind} ${page}`
      this.times[name] ??= []
      this.times[name].push(ms)
      if (sent > this.since) this.back[kind] ??= Date.now()
      return
    }
    // What is counted are kinds of errors: names and numbers in them are left out.
    const text = String(error ?? '')
      .replace(/[0-9a-z]*\d[\d.:]*/gi, '…')
      .slice(0, 90)
    const what = `${kind} ${page}: ${status || 'no answer'} ${text}`.trim()
    this.errors[what] = (this.errors[what] ?? 0) + 1
  }

  report() {
    const { times, errors, requests, back } = this
    return { times, errors, requests, back }
  }
}

/** The reports of several processes as one. */
export function together(reports) {
  const all = { times: {}, errors: {}, requests: 0, back: {} }
  for (const { times, errors, requests, back } of reports) {
    all.requests += requests
    for (const [name, values] of Object.entries(times)) {
      all.times[name] ??= []
      for (const value of values) all.times[name].push(value)
    }
    for (const [what, count] of Object.entries(errors)) all.errors[what] = (all.errors[what] ?? 0) + count
    for (const [kind, time] of Object.entries(back)) all.back[kind] = Math.max(all.back[kind] ?? 0, time)
  }
  return all
}

/** Percentiles in milliseconds: the smallest value that so many of all do not exceed. */
export function percentiles(values, shares = [0.5, 0.99, 0.999, 1]) {
  const sorted = Float64Array.from(values).sort()
  return shares.map((share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)])
}
