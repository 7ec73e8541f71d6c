// Those who visit the sites: what they do next, by chance, and with which of their sessions.
import { KIOSK } from './acts.js'
import { now } from './cell.js'

const PER_PROCESS = 1_000_000
const USERS = 60
const MOST = 600 // sessions that a process keeps in use

/** How often what is done, of a hundred: at a site that has everything, and at one with what every store can do. */
const FULL = { arrive: 10, view: 52, write: 20, twoTabs: 5, logout: 2, devices: 3, password: 0.4, kiosk: 7.6 }
const BASIC = { arrive: 8, view: 66, write: 20, logout: 6 }

export class People {
  #sessions = { django: [], express: [] }
  #kiosks = { django: [], express: [] }
  #kioskUsers = 0
  #isOpen = true

  /** @param process Which of the processes this is: each has users of its own. */
  constructor(acts, { process, basic }) {
    this.acts = acts
    this.books = acts.books
    this.process = process
    this.choices = Object.entries(basic ? BASIC : FULL)
  }

  /** One visitor after the other, until `stop`. */
  async visit(kind) {
    while (this.#isOpen) await this.#next(kind)
  }

  stop() {
    this.#isOpen = false
  }

  async #next(kind) {
    const session = this.#pick(kind)
    const choice = session === null ? 'arrive' : this.#choose()
    if (choice === 'kiosk') return this.#kiosk(kind)
    if (choice === 'arrive') return this.#arrive(kind)
    session.busy = true
    await this.#act(choice, session)
    session.busy = false
  }

  async #act(choice, session) {
    const { acts } = this
    // One that somebody has ended is looked at once more: it must be gone.
    if (!session.alive.may(true)) {
      await acts.view(session, 'view after the end')
      this.#leave(session)
    } else if (choice === 'password') {
      const next = await acts.changePassword(session)
      this.#leave(session)
      if (next) this.#enter(next)
    } else {
      const answer = await acts[choice](session)
      if (answer?.isFound === false || choice === 'logout') this.#leave(session)
    }
  }

  #choose() {
    let left = Math.random() * 100
    for (const [choice, share] of this.choices) {
      left -= share
      if (left < 0) return choice
    }
    return 'view'
  }

  /** Few users have very many sessions, and many a few: the first has twice as many as the second, and so on. */
  #someUser() {
    const rank = Math.floor((USERS + 1) ** Math.random()) - 1
    return this.books.user(this.process * PER_PROCESS + rank)
  }

  async #arrive(kind) {
    const { acts } = this
    if (this.#sessions[kind].length >= MOST / 2) {
      const session = this.#pick(kind)
      if (session) return this.#act('logout', session)
    }
    const visitor = await acts.begin(kind)
    if (visitor === null) return
    if (Math.random() < 0.3) await acts.write(visitor)
    const session = await acts.login(visitor, this.#someUser())
    if (session) this.#enter(session)
  }

  /** A session that ends a second after its last use, looked at before and after that. */
  async #kiosk(kind) {
    const { acts } = this
    const kiosks = this.#kiosks[kind]
    const due = kiosks.findIndex(({ at }) => at <= now())
    if (due < 0) {
      if (kiosks.length >= 40) return
      this.#kioskUsers += 1
      const visitor = await acts.begin(kind, KIOSK)
      const user = this.books.user(this.process * PER_PROCESS + PER_PROCESS / 2 + this.#kioskUsers)
      const session = visitor && (await acts.login(visitor, user))
      if (session) kiosks.push({ session, at: this.#later() })
      return
    }
    const [{ session }] = kiosks.splice(due, 1)
    const { isFound } = await (Math.random() < 0.5 ? acts.view(session, 'view at a kiosk') : acts.write(session))
    if (isFound) kiosks.push({ session, at: this.#later() })
  }

  #later() {
    return now() + Math.random() * KIOSK * 1500
  }

  #enter(session) {
    this.#sessions[session.kind].push(session)
  }

  #leave(session) {
    const sessions = this.#sessions[session.kind]
    const place = sessions.indexOf(session)
    if (place >= 0) sessions.splice(place, 1)
  }

  #pick(kind) {
    const sessions = this.#sessions[kind]
    for (let tries = 0; tries < 5 && sessions.length > 0; tries++) {
      const session = sessions[Math.floor(Math.random() * sessions.length)]
      if (!session.busy) return session
    }
    return null
  }
}
