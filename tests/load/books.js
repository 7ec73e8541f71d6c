// The books of a process: whose each of its sessions is, what it must contain, and until when.
//
// A process has users of its own, so that nobody else changes their sessions. What is not known for certain, because a
// request is under way or its reply was lost, stands here as several possibilities, and nothing else is accepted.
import { Cell, now } from './cell.js'

/** Milliseconds by which a server's clock, read once for several commands, may differ from ours. */
export const SLACK = 50

export class Session {
  /** @param kind Which site it is of: "django" or "express". */
  constructor(kind, fields, { user = null, idle = null, order = 0 } = {}) {
    this.kind = kind
    this.user = user
    /** Milliseconds without use after which it ends; null: longer than the load lasts. */
    this.idle = idle
    /** Which of the user's sessions began first. */
    this.order = order
    this.alive = new Cell(false)
    this.fields = new Map(Object.entries(fields).map(([name, value]) => [name, new Cell(value)]))
    this.cookie = null
    this.handle = null
    /** When it was last used: not before, and not after. */
    this.access = { earliest: now(), latest: now() }
    /** What a rotation has left under this id for a moment, and when that goes. */
    this.snapshot = null
    this.busy = false
    this.story = []
  }

  /** Notes something that happened to it, to be told if it is not as the books say. */
  note(text) {
    this.story.push(`${new Date().toISOString().slice(11, 23)} ${text}`)
    if (this.story.length > 60) this.story.splice(10, 1)
  }

  get name() {
    const whose = this.user === null ? 'of nobody' : `of user ${this.user}`
    return `a session ${whose} on ${this.kind}, handle ${this.handle ?? 'unknown'}`
  }
}

class User {
  constructor(id) {
    this.id = id
    this.sessions = new Set()
    this.turn = Promise.resolve()
  }

  /** One after the other: what concerns which sessions a user has. */
  inTurn(work) {
    const done = this.turn.then(work)
    this.turn = done.catch(() => {})
    return done
  }
}

export class Books {
  #journal = []
  #moved = 0
  #orders = 0

  /** @param cap How many sessions a user may have; 0: as many as they like. */
  constructor({ cap }) {
    this.cap = cap
    this.sessions = []
    this.users = new Map()
    this.differences = []
    this.checks = 0
    this.unsure = 0
    /** Whether slots are being moved from node to node. */
    this.moving = false
    this.lost = null
  }

  user(id) {
    if (!this.users.has(id)) this.users.set(id, new User(id))
    return this.users.get(id)
  }

  add(session) {
    this.sessions.push(session)
    if (session.user !== null) this.user(session.user).sessions.add(session)
    return session
  }

  nextOrder() {
    this.#orders += 1
    return this.#orders
  }

  differ(session, text) {
    this.differences.push([`${session?.name ?? 'the list'}: ${text}`, ...(session?.story ?? [])].join('\n      '))
  }

  /** What becomes of a user's other sessions when one more begins: the oldest beyond the cap end. */
  beyondCap(user) {
    if (!this.cap) return []
    const others = [...user.sessions].filter(({ alive }) => alive.may(true)).sort((a, b) => b.order - a.order)
    const effects = []
    let alive = 0
    for (const [position, session] of others.entries()) {
      if (alive >= this.cap - 1) effects.push([session.alive, [false]])
      else if (position >= this.cap - 1) effects.push([session.alive, [true, false]])
      if (session.alive.is(true)) alive += 1
    }
    return effects
  }

  set isMoving(moving) {
    this.moving = moving
    if (!moving) this.#moved = now()
  }

  /** Whether slots were moved at some time since. */
  wasMoving(since) {
    return this.moving || this.#moved >= since
  }

  /** Whether a command may have been carried out twice, or on the way from node to node not at all. */
  wasUncertain(since) {
    return this.wasMoving(since) || (this.lost !== null && since <= this.lost.killed)
  }

  /** Notes what was carried out, for the case that the server loses it. */
  journal(sent, undo) {
    const entry = { sent, answered: now(), undo }
    if (this.#isLost(entry)) this.#undo(entry)
    this.#journal.push(entry)
    if (this.#journal.length > 20_000) this.#journal.splice(0, 10_000)
  }

  /**
   * The primary was killed, and its replica may not have got what was answered since `from`. What was sent before
   * `killed` and answered since may be lost.
   */
  lose(from, killed) {
    this.lost = { from, killed }
    for (const entry of this.#journal.filter((entry) => this.#isLost(entry))) this.#undo(entry)
  }

  #isLost({ sent, answered }) {
    return this.lost !== null && answered >= this.lost.from && sent <= this.lost.killed
  }

  #undo(entry) {
    entry.undo()
    this.unsure += 1
  }
}
