// A process of visitors with books of their own. Its parent tells it what to do by messages, and gets one back for each.
import { Acts } from './acts.js'
import { Books } from './books.js'
import { Sites } from './browser.js'
import { check } from './check.js'
import { Figures } from './figures.js'
import { People } from './people.js'

let books
let figures
let acts
let sites
let basic
let people
let visits

const orders = {
  /** Begins: `ports` of the sites, `browsers` at a time, half of them at each site where there are two. */
  start(order) {
    books = new Books(order)
    figures = new Figures()
    sites = new Sites(order.ports, figures)
    acts = new Acts(books, sites, order)
    basic = order.basic
    orders.go(order)
  },
  /** Goes on after a stop. */
  go({ process, browsers }) {
    figures.isOn = true
    people = new People(acts, { process, basic })
    const kinds = Object.keys(sites.ports)
    visits = Array.from({ length: browsers }, (_, n) => people.visit(kinds[n % kinds.length]))
  },
  /** What was measured until now does not count. */
  forget() {
    figures = new Figures()
    sites.figures = figures
  },
  moving({ isMoving }) {
    books.isMoving = isMoving
  },
  /** The primary was killed. */
  killed({ from, killed }) {
    books.lose(from, killed)
    figures.since = killed
  },
  async stop() {
    people.stop()
    await Promise.all(visits)
    figures.isOn = false
    return { figures: figures.report() }
  },
  async check() {
    const sessions = await check(acts, { basic })
    sites.close()
    return { sessions, checks: books.checks, unsure: books.unsure, differences: books.differences.slice(0, 20) }
  },
  progress() {
    const alive = books.sessions.filter(({ alive }) => alive.may(true)).length
    const errors = Object.values(figures.errors).reduce((a, b) => a + b, 0)
    return { requests: figures.requests, alive, errors, differences: books.differences.length }
  },
}

process.on('message', async (order) => {
  try {
    process.send({ id: order.id, ...(await orders[order.name](order)) })
  } catch (error) {
    process.send({ id: order.id, failure: error.stack })
  }
})
process.on('disconnect', () => process.exit())
