// One request that brings the cookie of a session: what the books expect of its answer, and learn from it.

import { SLACK } from './books.js'
import { now } from './cell.js'

export class Visit {
  /** @param change What the request changes, if anything. */
  constructor(books, session, change = null) {
    this.books = books
    this.session = session
    this.change = change
    this.sent = now()
    this.before = { ...session.access }
    session.access = { earliest: this.before.earliest, latest: Number.POSITIVE_INFINITY }
  }

  /** Nobody knows what came of it. */
  lost(why) {
    this.session.note(`${why}: carried out or not`)
    this.session.access.latest = now()
    this.change?.lost()
  }

  /** The site has answered: it knows the session. `seen` is what it has read of it, if it has said that. */
  found(what, seen) {
    this.session.note(what)
    const { books, session, sent } = this
    books.checks += 1
    this.undo = []
    if (!this.#existence().has(true)) books.differ(session, `${what}: it is there, and should have ended`)
    this.#learn(session.alive, true)
    if (seen) this.compare(what, seen)
    // A snapshot is not kept alive by reading.
    if (session.snapshot === null) session.access = { earliest: sent, latest: now() }
    this.change?.done()
    books.journal(sent, () => {
      this.change?.undone()
      for (const undo of this.undo) undo()
      session.access.earliest = Math.min(session.access.earliest, this.before.earliest)
    })
  }

  /** The site has answered: there is no such session (any more). `isRefused`: and so it has done nothing. */
  gone(what, isRefused) {
    this.session.note(`${what}: there is no such session`)
    const { books, session, sent } = this
    books.checks += 1
    this.undo = []
    if (!this.#existence().has(false)) books.differ(session, `${what}: it is gone, and should be there`)
    session.access = this.before
    if (isRefused) this.change?.refused()
    else this.change?.lost()
    this.#learn(session.alive, false)
    books.journal(sent, () => {
      for (const undo of this.undo) undo()
    })
  }

  /** Whether there may be such a session, and whether there may be none. */
  #existence() {
    const { session, sent, before } = this
    const values = session.alive.since(sent)
    if (session.snapshot !== null) return this.#ofSnapshot(values)
    if (session.idle === null || !values.has(true)) return values
    if (sent > before.latest + session.idle + SLACK) return new Set([false])
    if (now() >= before.earliest + session.idle - SLACK) values.add(false)
    return values
  }

  #ofSnapshot(values) {
    const { sent, session, books } = this
    const { earliest, latest, successor } = session.snapshot
    // Whether it was rotated at all nobody knows.
    if (values.has(true)) return new Set([true, false])
    if (sent > latest + SLACK) return new Set([false])
    const after = successor.alive.since(sent)
    // In a slot that is moved key by key, what is not on this node counts as moved.
    if (!after.has(true) && !books.wasMoving(sent)) return new Set([false])
    return now() < earliest - SLACK && !after.has(false) ? new Set([true]) : new Set([true, false])
  }

  compare(what, { user, fields }, session = this.session) {
    const { books } = this
    if (String(user) !== String(session.user)) books.differ(session, `${what}: its user is ${user}`)
    for (const name of Object.keys(fields)) {
      if (!session.fields.has(name))
        books.differ(session, `${what}: it has ${name}=${fields[name]}, which nobody wrote`)
    }
    for (const [name, cell] of session.fields) {
      const may = cell.since(this.sent)
      if (!may.has(fields[name])) {
        books.differ(session, `${what}: ${name} is ${fields[name]}, and should be ${[...may].join(' or ')}`)
      }
      this.#learn(cell, fields[name])
    }
  }

  /** Where several values were possible and no request is under way that changes it, this one it is. */
  #learn(cell, value) {
    if (cell.isSure || cell.pending > 0 || this.sent <= cell.changed || this.session.snapshot !== null) return
    const before = [...cell.values]
    cell.set([value])
    this.undo.push(() => cell.add(before))
  }
}
