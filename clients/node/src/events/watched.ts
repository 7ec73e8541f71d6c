import type { EndedSession, EndReason } from '../events.js'

/** What the server says of a session: nothing if it is gone, else when it ends (Unix ms, if ever) and whether it is the snapshot of a rotation. */
export type Answer = { deadline: number | null; snapshot: boolean } | null

interface Watch {
  readonly id: string
  readonly key: string
  deadline: number | null
  /** When to ask again by ourselves, Unix ms: the server may take its time to remove a session whose time is over. */
  due: number
  /** How often in a row the session was still there after its deadline: the clocks differ. */
  late: number
  /** What an event made us think. The reason is true if the session turns out to be gone. */
  suspicion?: EndReason
  asking: boolean
  /** It was found missing, and no event has said why: one may be under way. */
  missing?: boolean
  /** An event came while we asked: the answer may be older than the event. */
  again: boolean
}

const pastDeadline = ({ deadline }: Watch) => deadline !== null && deadline <= Date.now()

/** Events after which the session is gone for certain. */
const CERTAIN: Record<string, EndReason | undefined> = { 'session.del': 'signed-out', 'session.revoke': 'revoked' }

/** What an event says that has not been confirmed yet. */
function suspicion(event: string, watch: Watch): EndReason {
  if (event === 'expired' || event === 'evicted') return event
  if (event === 'session.rotate') return 'rotated'
  // A command that finds a session past its deadline removes it by `del`.
  return pastDeadline(watch) ? 'expired' : 'deleted'
}

/** What a timer of Node can wait at most is less than a month; an hour is as good. */
const MAX_DELAY = 3_600_000
/** An answer may overtake the event that says why a session is missing. */
const EVENT_UNDER_WAY = 50
/** A session is gone from its deadline on; milliseconds later we can be sure to be told so. */
const AFTER_DEADLINE = 25

/**
 * The sessions that somebody wants to know the end of. Events make it suspect one; the server's answer decides, because an
 * event alone does not: in a cluster `del` also comes when a key moves to another node, and `session.rotate` comes for the
 * new key as well as for the old one.
 */
export class WatchedSessions {
  readonly #byKey = new Map<string, Watch>()
  readonly #keyOf: (id: string) => string
  readonly #ask: (key: string) => Promise<Answer>
  readonly #ended: (session: EndedSession) => void
  readonly #moved: () => void
  #timer: NodeJS.Timeout | undefined
  #timerDue = Number.POSITIVE_INFINITY

  constructor(options: {
    keyOf: (id: string) => string
    ask: (key: string) => Promise<Answer>
    ended: (session: EndedSession) => void
    /** A key left the server that it was on, and the session is still there: another server has it. */
    moved: () => void
  }) {
    this.#keyOf = options.keyOf
    this.#ask = options.ask
    this.#ended = options.ended
    this.#moved = options.moved
  }

  get size(): number {
    return this.#byKey.size
  }

  add(id: string): void {
    const key = this.#keyOf(id)
    if (this.#byKey.has(key)) return
    const watch: Watch = {
      id,
      key,
      deadline: null,
      due: Number.POSITIVE_INFINITY,
      late: 0,
      asking: false,
      again: false,
    }
    this.#byKey.set(key, watch)
    void this.#check(watch)
  }

  remove(id: string): void {
    this.#byKey.delete(this.#keyOf(id))
  }

  clear(): void {
    this.#byKey.clear()
    clearTimeout(this.#timer)
    this.#timerDue = Number.POSITIVE_INFINITY
  }

  /** Asks for all of them; after a gap, for example. */
  checkAll(): void {
    for (const watch of this.#byKey.values()) void this.#check(watch)
  }

  event(name: string, key: string): void {
    const watch = this.#byKey.get(key)
    if (!watch) return
    const reason = CERTAIN[name]
    if (reason) {
      this.#end(watch, reason)
      return
    }
    if (name === 'del' && watch.suspicion === 'rotated') {
      this.#end(watch, 'rotated')
      return
    }
    watch.suspicion ??= suspicion(name, watch)
    void this.#check(watch)
  }

  async #check(watch: Watch): Promise<void> {
    if (watch.asking) {
      watch.again = true
      return
    }
    watch.asking = true
    try {
      do {
        watch.again = false
        const answer = await this.#ask(watch.key)
        if (this.#byKey.get(watch.key) !== watch) return
        this.#conclude(watch, answer)
      } while (watch.again && this.#byKey.get(watch.key) === watch)
    } catch {
      // Whoever owns the connection reports the error, and asks for all sessions once it works again.
    } finally {
      watch.asking = false
    }
  }

  #conclude(watch: Watch, answer: Answer): void {
    if (!answer) this.#isMissing(watch)
    else if (answer.snapshot) this.#end(watch, 'rotated')
    else if (!watch.again) {
      if (watch.suspicion === 'deleted') this.#moved()
      delete watch.suspicion
      delete watch.missing
      this.#expect(watch, answer.deadline)
    }
  }

  #isMissing(watch: Watch): void {
    const reason = watch.suspicion ?? (pastDeadline(watch) ? 'expired' : undefined)
    if (reason || watch.missing) {
      this.#end(watch, reason ?? 'unknown')
      return
    }
    watch.missing = true
    watch.due = Date.now() + EVENT_UNDER_WAY
    this.#arm(watch.due)
  }

  #end(watch: Watch, reason: EndReason): void {
    this.#byKey.delete(watch.key)
    this.#ended({ id: watch.id, key: watch.key, reason })
  }

  #expect(watch: Watch, deadline: number | null): void {
    watch.deadline = deadline
    if (deadline === null) {
      watch.due = Number.POSITIVE_INFINITY
      return
    }
    const now = Date.now()
    const overdue = deadline + AFTER_DEADLINE <= now
    watch.late = overdue ? watch.late + 1 : 0
    watch.due = overdue ? now + Math.min(100 * 2 ** watch.late, 60_000) : deadline + AFTER_DEADLINE
    this.#arm(watch.due)
  }

  #arm(due: number): void {
    if (due >= this.#timerDue) return
    clearTimeout(this.#timer)
    this.#timerDue = due
    const delay = Math.max(AFTER_DEADLINE, Math.min(due - Date.now(), MAX_DELAY))
    this.#timer = setTimeout(() => this.#checkDue(), delay)
    this.#timer.unref()
  }

  #checkDue(): void {
    this.#timerDue = Number.POSITIVE_INFINITY
    const now = Date.now()
    let next = Number.POSITIVE_INFINITY
    for (const watch of this.#byKey.values()) {
      if (watch.due > now) next = Math.min(next, watch.due)
      else {
        void this.#check(watch)
        // Should the answer fail to come, the next round asks again.
        watch.due = Number.POSITIVE_INFINITY
      }
    }
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next)
  }
}
