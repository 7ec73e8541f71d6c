/** A session in the program's hands, and what has changed in it since it was read. */

import type { Arg, Reply } from './clients.js'
import {
  BEYOND,
  type Change,
  change,
  changed,
  changedSince,
  everything,
  isBeyond,
  type Known,
  known,
  type Members,
  membersOf,
  type Other,
} from './fields.js'
import { type End, MAX_SPAN, type Times } from './times.js'

// biome-ignore lint/suspicious/noExplicitAny: what a session holds is the application's affair
export type Data = any

/** What a write may say beside the data. */
export interface WriteOptions extends Times {
  /** Whose session it is from now on; null: nobody's. Undefined leaves it as it is. */
  user?: string | null | undefined
  /** What `sessions` shows of the device: anything that JSON can carry. Undefined leaves it as it is. */
  device?: unknown
  /** Writes all data and removes every other field, also those that others wrote meanwhile. */
  replace?: boolean
  /** @internal The data to write, in place of those that the session has. */
  data?: Data
  /** The members to write as JSON texts, in place of those of the data. */
  members?: Iterable<[string, string]>
  /** @internal A member of the data whose text is another than that of its value. */
  other?: Other
  /** @internal Carries out the write, in place of the connection. */
  send?: (words: Arg[]) => Promise<Reply>
  /** Whether `members` are not all: those that are not among them stay. */
  partial?: boolean
}

/** A session that was read or written, and what the server had at that time. */
export class Session<D = Data> {
  readonly id: string
  data: D
  /** Whose it is; null: nobody's. */
  user: string | null
  /** Milliseconds that it lives without use; null: no limit. */
  idle: number | null
  /** When it was last used, in milliseconds since 1970. */
  accessed = Date.now()
  /** Whether it can only be read: what a rotation left at the former id for a moment. */
  isSnapshot = false
  /** @internal Whether a write was dropped, since it has ended or has another id by now. */
  isGone = false
  /** @internal When the server last noted that it is in use, by the clock of `performance.now`. */
  at = performance.now()
  #text = ''
  /** What was read, as long as nothing was written: members that cannot be fields are left to `known`. */
  #values: Readonly<Record<string, unknown>> | undefined
  #writing: Promise<unknown> | undefined
  #known: Known | undefined
  /** What was written since the text was read, which was not cut. */
  #amended: Members | undefined

  /** @internal `had`: what the server has, as the text that it gave or cut already. */
  constructor(id: string, data: D, user: string | null, idle: number | null, had: Known | string) {
    this.id = id
    this.data = data
    this.user = user
    this.idle = idle
    if (typeof had === 'string') {
      this.#text = had
      if (!had.includes(BEYOND)) this.#values = { ...(data as object) }
    } else {
      this.#known = had
    }
  }

  /** @internal What the server has. The text is cut only when there is something to compare. */
  get known(): Known {
    if (this.#known === undefined) {
      this.#known = known(this.#text)
      for (const [name, text] of this.#amended ?? []) this.#known.members.set(name, text)
    }
    return this.#known
  }

  /** @internal */
  set known(known: Known) {
    this.#values = undefined
    this.#known = known
  }

  /** @internal What has changed, where that can be said by the values that were read; undefined where not. */
  changedSince(data: object, other: Other | undefined): Members | undefined {
    return this.#values && changedSince(this.#values, () => this.known.members, data, other)
  }

  /** @internal Notes that these members were written. */
  amend(members: Members): void {
    this.#values = undefined
    if (this.#known === undefined) this.#amended = members
    else this.#known = { ...this.#known, members: new Map([...this.#known.members, ...members]) }
  }

  /** @internal One write after the other: what the next one has to tell depends on what came of the one before. */
  inTurn<T>(write: () => Promise<T>): Promise<T> {
    const turn = this.#writing === undefined ? write() : this.#writing.then(write, write)
    this.#writing = turn
    return turn
  }
}

/** What a write has to tell the server. */
export interface Difference extends Change {
  user: string | null | undefined
  idle: number | null | undefined
  end: End | undefined
  isEmpty: boolean
}

/** The age of a cookie is computed from two readings of the clock, and may lose some milliseconds. */
const TOLERANCE = 10

function isOther(idle: number | null | undefined, before: number | null): boolean {
  if (idle === undefined) return false
  if (idle === null || before === null) return idle !== before
  // A longer one is what the server makes of it.
  return Math.abs(Math.min(idle, MAX_SPAN) - Math.min(before, MAX_SPAN)) > Math.min(TOLERANCE, before / 100)
}

/**
 * Whether a member that was read is to be removed. Not so where the object has something else of that name, inherited or
 * not enumerable, which hid it: `id` and `save` of express-session's sessions, for example.
 */
function isRemoved(data: object, name: string): boolean {
  if (Object.hasOwn(data, name)) return Object.prototype.propertyIsEnumerable.call(data, name)
  // What every object inherits hides nothing in one that is as it was read.
  return Object.getPrototypeOf(data) === Object.prototype || !(name in data)
}

export function difference<D extends object>(session: Session<D>, options: WriteOptions): Difference {
  const user = options.user === session.user ? undefined : options.user
  const idle = isOther(options.idle, session.idle) ? options.idle : undefined
  const { end, replace = false } = options
  const fields = fieldsOf(session, options)
  const isEmpty =
    (fields === NOTHING || (fields.set.size === 0 && fields.unset.length === 0)) &&
    user === undefined &&
    idle === undefined &&
    end === undefined &&
    !replace
  return { set: fields.set, unset: fields.unset, after: fields.after, user, idle, end, isEmpty }
}

const NOTHING: Change = { set: new Map(), unset: [], after: undefined }

function fieldsOf<D extends object>(session: Session<D>, options: WriteOptions): Change {
  const { data = session.data, members, other, partial = false, replace = false, device } = options
  if (members === undefined && !replace && device === undefined) {
    const set = session.changedSince(data, other)
    if (set !== undefined && !hasBeyond(set)) return { set, unset: [], after: undefined }
  }
  const now: Members = members instanceof Map ? members : new Map(members ?? membersOf(data, other))
  // What was read need not be looked at, and is not cut.
  if (partial && now.size === 0 && device === undefined) return NOTHING
  if (replace) return replaced(session, now, device)
  return partial ? added(session, now, device) : altered(session, data, now, device)
}

function hasBeyond(members: Members): boolean {
  for (const [name, text] of members) if (isBeyond(name, text)) return true
  return false
}

function altered({ known }: Session<object>, data: object, now: Members, device: unknown): Change {
  const changes = changed(known.members, now)
  const gone: string[] = []
  for (const [name, text] of known.members) {
    if (now.has(name)) continue
    if (isRemoved(data, name)) gone.push(name)
    else now.set(name, text)
  }
  return change(known, changes, gone, now, device)
}

function added({ known }: Session<object>, now: Members, device: unknown): Change {
  return change(known, changed(known.members, now), [], new Map([...known.members, ...now]), device)
}

function replaced({ known }: Session<object>, now: Members, device: unknown): Change {
  return everything(now, device ?? (known.device && JSON.parse(known.device)))
}

/** Notes in the session that the server has carried out the write. */
export function written(session: Session, difference: Difference): void {
  if (difference.after !== undefined) session.known = difference.after
  else if (difference.set.size > 0) session.amend(difference.set)
  session.at = performance.now()
  if (difference.user !== undefined) session.user = difference.user
  if (difference.idle !== undefined) session.idle = difference.idle
}
