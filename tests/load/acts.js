// What a visitor does, and what it does to the books.
import { setTimeout as sleep } from 'node:timers/promises'
import { Session } from './books.js'
import { Cell, Change, now } from './cell.js'
import { compareList } from './lists.js'
import { Visit } from './visit.js'

const FIELDS = 12
/** Milliseconds after which a visitor tries again who was told that something is wrong. */
const PATIENCE = 250
/** Seconds without use after which a kiosk's session ends. */
export const KIOSK = 1

/** What a site answers to a cookie that it does not know; Django with 400 if the session ended during the request. */
const isGone = ({ status }) => status === 403 || status === 400
const said = ({ status, body }) => `${status || 'no answer'} ${body.error ?? ''}`.trim()

export class Acts {
  #written = 0

  /** @param grace Seconds for which the old id reads after a login. */
  constructor(books, sites, { grace }) {
    this.books = books
    this.sites = sites
    this.grace = grace * 1000
  }

  #value() {
    this.#written += 1
    return `value ${this.#written} of process ${process.pid}`
  }

  /** A request of a session: what was answered, and in `isFound` whether the site knows the session. */
  async #visit(session, page, { parameters = {}, effects = [], what = page, isSeen = true } = {}) {
    const visit = new Visit(this.books, session, new Change(effects))
    const answer = await this.sites.ask(session.kind, page, parameters, session.cookie)
    const isFound = answer.status === 200
    if (isFound) visit.found(what, isSeen ? answer.body : null)
    else if (isGone(answer)) visit.gone(what, answer.status === 403)
    else visit.lost(`${what}: ${said(answer)}`)
    if (!isFound && !isGone(answer)) await sleep(PATIENCE)
    if (isFound && isSeen && answer.cookie !== null && answer.cookie !== session.cookie) {
      this.books.differ(session, `${what}: the site has set another cookie, ${answer.cookie}`)
    }
    return { ...answer, visit, isFound }
  }

  /** Somebody comes for the first time. @returns The session; null if nobody knows whether there is one. */
  async begin(kind, idle = null) {
    const fields = Object.fromEntries(Array.from({ length: FIELDS }, (_, n) => [`f${n}`, this.#value()]))
    const session = this.books.add(new Session(kind, fields, { idle: idle && idle * 1000 }))
    const sent = now()
    const change = new Change([[session.alive, [true]]])
    const answer = await this.sites.ask(kind, 'begin', { fields: JSON.stringify(fields), ...(idle && { idle }) })
    session.access = { earliest: sent, latest: now() }
    session.note(`begin: ${said(answer)}`)
    if (answer.status !== 200) {
      change.lost()
      await sleep(PATIENCE)
      return null
    }
    change.done()
    Object.assign(session, { cookie: answer.cookie, handle: answer.handle })
    this.books.journal(sent, () => change.undone())
    return session
  }

  view(session, what = 'view') {
    return this.#visit(session, 'view', { what })
  }

  write(session, name = [...session.fields.keys()][Math.floor(Math.random() * FIELDS)]) {
    const value = this.#value()
    const effects = [[session.fields.get(name), [value]]]
    return this.#visit(session, 'write', { parameters: { name, value }, effects, what: `write ${name}=${value}` })
  }

  /** Two requests at a time that write different fields: both must be there afterwards. */
  async twoTabs(session) {
    const first = Math.floor(Math.random() * FIELDS)
    await Promise.all([this.write(session, `f${first}`), this.write(session, `f${(first + 1) % FIELDS}`)])
    await this.view(session, 'view after two tabs')
  }

  /** @returns The session under its new id; null if there is none that somebody has the cookie of. */
  login(session, user) {
    return user.inTurn(async () => {
      const { books } = this
      const next = await this.#rotate(session, 'login', { user: user.id }, user, {
        order: books.nextOrder(),
        capped: books.beyondCap(user),
        grace: this.grace,
      })
      if (next && books.cap && next.idle === null && Math.random() < 0.3)
        await this.view(session, 'view by the id before the login')
      // So that no two sessions of a user have begun in the same millisecond.
      await sleep(2)
      return next
    })
  }

  /** A new password: a new id, and all other sessions of the user are ended. */
  changePassword(session) {
    const user = this.books.user(session.user)
    return user.inTurn(() => {
      const others = [...user.sessions].filter((other) => other !== session && other.alive.may(true))
      const ended = others.map(({ alive }) => [alive, [false]])
      for (const other of others) other.note(`to be ended by a new password, asked for by ${session.handle}`)
      // As the pages of the documentation have it: with Express the old id is good for nothing at once.
      const grace = session.kind === 'django' ? this.grace : 0
      return this.#rotate(session, 'password', {}, user, { order: session.order, effects: ended, grace })
    })
  }

  /** Gives a session a new id, for which the books have a session of its own. */
  async #rotate(session, page, parameters, user, { order, capped = [], effects = [], grace }) {
    const { books } = this
    const next = books.add(new Session(session.kind, {}, { user: user.id, idle: session.idle, order }))
    next.story = [...session.story]
    for (const [name, cell] of session.fields) next.fields.set(name, Cell.like(cell))
    // If it may have ended already, a login may begin anew, without what was in it.
    if (session.alive.may(false)) for (const cell of next.fields.values()) cell.add([undefined])
    const overflow = new Change(capped)
    const { visit, isFound, ...answer } = await this.#visit(session, page, {
      parameters,
      effects: [[next.alive, [true]], [session.alive, [false]], ...effects],
      isSeen: false,
    })
    next.access = { earliest: visit.sent, latest: now() }
    next.note(`${page} as ${user.id}: ${said(answer)}`)
    if (grace > 0) session.snapshot = { earliest: visit.sent + grace, latest: now() + grace, successor: next }
    if (!isFound) {
      overflow.lost()
      return null
    }
    Object.assign(next, { cookie: answer.cookie, handle: answer.handle })
    this.#settle(overflow, visit)
    visit.compare(page, answer.body, next)
    return next
  }

  /** Of sessions that the client finds by asking one primary after the other, some may be overlooked while slots move. */
  #settle(overflow, { sent }) {
    if (this.books.wasMoving(sent)) return overflow.lost()
    overflow.done()
    this.books.journal(sent, () => overflow.undone())
  }

  logout(session) {
    const effects = [[session.alive, [false]]]
    return this.books.user(session.user).inTurn(() => this.#visit(session, 'logout', { effects, isSeen: false }))
  }

  /** Looks at "my devices", and now and then signs one of the others out. */
  devices(session) {
    const user = this.books.user(session.user)
    return user.inTurn(async () => {
      const { isFound, body, visit } = await this.#visit(session, 'devices')
      if (!isFound) return
      compareList(this.books, user, session.kind, body.devices, visit.sent)
      const listed = new Set(body.devices.filter(([, isCurrent]) => !isCurrent).map(([handle]) => handle))
      const other = [...user.sessions].find((one) => one !== session && listed.has(one.handle) && one.alive.is(true))
      if (other && Math.random() < 0.5) await this.#signOut(session, other)
    })
  }

  async #signOut(session, other) {
    const change = new Change([[other.alive, [false]]])
    const { isFound, status, body, visit } = await this.#visit(session, 'sign_out', {
      parameters: { handle: other.handle },
    })
    other.note(`to be signed out, asked for by ${session.handle}: ${status} ${body.done}`)
    if (isFound && body.done) {
      change.done()
      this.books.journal(visit.sent, () => change.undone())
    } else if (isFound && !this.books.wasUncertain(visit.sent)) {
      change.refused()
      this.books.differ(other, 'it could not be signed out, and is there')
    } else if (status === 403) change.refused()
    else change.lost()
  }
}
