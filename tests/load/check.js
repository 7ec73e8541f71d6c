// At the end: is every session where the books say?
import { setTimeout as sleep } from 'node:timers/promises'
import { SLACK } from './books.js'
import { now } from './cell.js'
import { compareList } from './lists.js'

const AT_A_TIME = 8

/** Waits until every grace is over and every session that ends by itself has ended. */
async function waitForEnds(books) {
  const ends = books.sessions.map(({ snapshot, idle, alive, access }) =>
    Math.max(snapshot?.latest ?? 0, idle !== null && alive.may(true) ? access.latest + idle : 0),
  )
  const last = ends.reduce((a, b) => Math.max(a, b), 0)
  await sleep(Math.max(0, last + 2 * SLACK - now()))
}

async function each(list, work) {
  const left = [...list]
  const worker = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
}

async function checkUser(books, sites, user) {
  for (const kind of Object.keys(sites.ports)) {
    const sent = now()
    const { status, body } = await sites.ask(kind, 'support', { user: user.id })
    if (status !== 200) {
      books.differ(null, `${kind} cannot list the sessions of user ${user.id}: ${status} ${body.error}`)
      continue
    }
    compareList(books, user, kind, body.devices, sent)
    const alive = [...user.sessions].filter(({ alive }) => alive.may(true))
    const sure = alive.filter(({ alive }) => alive.isSure).length
    if (body.count < sure || body.count > alive.length) {
      books.differ(
        null,
        `${kind} counts ${body.count} sessions of user ${user.id}, and should ${sure} to ${alive.length}`,
      )
    }
  }
}

/** @returns How many sessions there are by the books: `least`, and `most` with those that nobody knows of. */
export async function check(acts, { basic }) {
  const { books, sites } = acts
  await waitForEnds(books)
  for (const session of books.sessions) {
    // What ends by itself ended while we waited.
    if (session.idle !== null && session.alive.may(true)) session.alive.set([false])
  }
  const visible = books.sessions.filter(({ cookie }) => cookie !== null)
  await each(visible, (session) => acts.view(session, 'view at the end'))
  if (!basic) await each(books.users.values(), (user) => checkUser(books, sites, user))
  const maybe = books.sessions.filter(({ alive }) => alive.may(true))
  return { least: maybe.filter(({ alive }) => alive.isSure).length, most: maybe.length, seen: visible.length }
}
