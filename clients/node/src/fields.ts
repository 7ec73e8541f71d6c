/**
 * A session as JSON texts of its members: cut out of the object's text as the server gives it, compared with what is to
 * be saved, and put together to what the server is told to write.
 */

/** The JSON text of each member, by name. */
export type Members = Map<string, string>

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const CLOSE = 0x7d

/** The position after the string that begins at `start`. */
function afterString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  for (;;) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end + 1
    end = text.indexOf('"', end + 1)
  }
}

/** The position after the value that begins at `start`. */
function afterValue(text: string, start: number): number {
  let depth = 0
  for (let at = start; ; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) {
      at = afterString(text, at) - 1
      if (depth === 0) return at + 1
    } else if (char === 0x7b || char === 0x5b) {
      depth++
    } else if (char === CLOSE || char === 0x5d) {
      // At depth 0 this is the end of the object that the value is a member of.
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (char === COMMA && depth === 0) {
      return at
    }
  }
}

/** Cuts a JSON object without white space, as the server writes it, into the texts of its members. */
export function cut(text: string): Members {
  const members: Members = new Map()
  let at = 1
  while (text.charCodeAt(at) === QUOTE) {
    const colon = afterString(text, at)
    const name = text.slice(at + 1, colon - 1)
    const end = afterValue(text, colon + 1)
    members.set(name.includes('\\') ? JSON.parse(`"${name}"`) : name, text.slice(colon + 1, end))
    at = end + 1
  }
  return members
}

/** The text of the object that has these members. */
export function join(members: Iterable<[string, string]>): string {
  let text = ''
  for (const [name, value] of members) text += `${text && ','}${JSON.stringify(name)}:${value}`
  return `{${text}}`
}

/**
 * Whether two texts say the same. They may differ and still do: another program may have written `1.0`, or an object
 * with its numeric names in another order, and to find that changed would be to write it back at every request.
 */
function same(read: string, now: string): boolean {
  if (read === now) return true
  // Of a string without such an escape there is one text only.
  if (read.charCodeAt(0) === QUOTE && !/\\[u/]/.test(read)) return false
  return JSON.stringify(JSON.parse(read)) === now
}

/** Those of `now` that are not as they were read. */
export function changed(read: Members, now: Iterable<[string, string]>): Members {
  const members: Members = new Map()
  for (const [name, text] of now) {
    const before = read.get(name)
    if (before === undefined || !same(before, text)) members.set(name, text)
  }
  return members
}

/** A member whose text is not that of its value. */
export interface Other {
  name: string
  text: () => string | undefined
  /** Whether it is known not to have changed. */
  isSame: boolean
}

/** Whether JSON has this value as it is, so that the same value has the same text. */
function isAtom(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

/**
 * The members of an object that are not as they were read; undefined where members are missing. No text is made of a value
 * that is still the same, which is most of them, and nothing is cut unless there are objects in the object.
 *
 * @param values What was read. An object in it may have changed since.
 * @param texts Gives the texts that were read.
 */
export function changedSince(
  values: Readonly<Record<string, unknown>>,
  texts: () => Members,
  object: object,
  other?: Other,
): Members | undefined {
  const source = object as Record<string, unknown>
  if (typeof source.toJSON === 'function') return undefined
  const members: Members = new Map()
  let missing = Object.keys(values).length
  for (const name of Object.keys(source)) {
    const value = source[name]
    const before = values[name]
    const isOther = name === other?.name
    if (isOther ? other.isSame : value === before && isAtom(value)) {
      missing--
      continue
    }
    const text = isOther ? other.text() : JSON.stringify(value)
    if (text === undefined) continue
    const isNew = !Object.hasOwn(values, name)
    if (!isNew) missing--
    if (isNew || (isAtom(value) && isAtom(before)) || !same(texts().get(name)!, text)) members.set(name, text)
  }
  return missing === 0 ? members : undefined
}

/**
 * The members of an object as JSON has them: without what is undefined or a function, with `toJSON` called.
 *
 * @param other Says what the text of the member of this name is.
 */
export function membersOf(object: object, other?: Other): Members {
  const { toJSON } = object as { toJSON?: () => object }
  const source = (typeof toJSON === 'function' ? toJSON.call(object) : object) as Record<string, unknown>
  const members: Members = new Map()
  for (const name of Object.keys(source)) {
    const text = name === other?.name ? other.text() : (JSON.stringify(source[name]) as string | undefined)
    if (text !== undefined) members.set(name, text)
  }
  return members
}

/** How deep the server lets JSON nest, the object that is the session included. */
const MAX_DEPTH = 64

function isTooDeep(text: string): boolean {
  // Each level takes two characters.
  if (text.length < 2 * MAX_DEPTH) return false
  let depth = 1
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) {
      at = afterString(text, at) - 1
    } else if (char === 0x7b || char === 0x5b) {
      if (++depth > MAX_DEPTH) return true
    } else if (char === CLOSE || char === 0x5d) {
      depth--
    }
  }
  return false
}

/** A field of ours: what `sessions` shows of the device. */
export const DEVICE = '~device'
/** A field of ours: the members that the server cannot keep as JSON, as the text of an object, which is a string. */
export const BEYOND = '~json'

/** Whether a member cannot be a field: it nests too deep, its name is not Unicode, or it is a name of ours. */
export function isBeyond(name: string, text: string): boolean {
  return /[\ud800-\udfff]/u.test(name) || name === DEVICE || name === BEYOND || isTooDeep(text)
}

/** What the server has of a session: its members, which of them stand in BEYOND, and the text of the device. */
export interface Known {
  members: Members
  beyond: Set<string>
  device: string | undefined
}

/** Cuts what the server gave into members. */
export function known(text: string): Known {
  const members = cut(text)
  const beyond = new Set<string>()
  const device = members.get(DEVICE)
  members.delete(DEVICE)
  const string = members.get(BEYOND)
  if (string !== undefined) {
    members.delete(BEYOND)
    for (const [name, value] of cut(JSON.parse(string))) {
      members.set(name, value)
      beyond.add(name)
    }
  }
  return { members, beyond, device }
}

/** The data of a session, from what the server gave. */
export function parse(text: string): Record<string, unknown> {
  const data = JSON.parse(text)
  if (!text.includes('"~')) return data
  delete data[DEVICE]
  const string = data[BEYOND]
  if (typeof string !== 'string') return data
  delete data[BEYOND]
  for (const [name, value] of Object.entries(JSON.parse(string))) {
    // By assignment a member `__proto__` would become the prototype.
    Object.defineProperty(data, name, { value, configurable: true, enumerable: true, writable: true })
  }
  return data
}

/** What a write sets and removes, and what the server knows after it. */
export interface Change {
  set: Members
  unset: string[]
  /** Undefined: what it knew before. */
  after: Known | undefined
}

/**
 * Puts changes into fields, or, where a member cannot be a field, into the one that keeps all such members.
 *
 * @param members All members as they are after the changes.
 * @param device What the session's device is from now on; undefined leaves it.
 */
export function change(before: Known, changes: Members, gone: string[], members: Members, device?: unknown): Change {
  const beyond = new Set(before.beyond)
  const after: Known = { members, beyond, device: before.device }
  const set: Members = new Map()
  const unset: string[] = []
  let moved = false
  for (const name of gone) {
    if (beyond.delete(name)) moved = true
    else unset.push(name)
  }
  for (const [name, text] of changes) {
    if (beyond.has(name) || isBeyond(name, text)) {
      moved = true
      if (!beyond.has(name) && before.members.has(name)) unset.push(name)
      beyond.add(name)
    } else {
      set.set(name, text)
    }
  }
  if (moved && beyond.size > 0) set.set(BEYOND, textOf(after))
  else if (moved) unset.push(BEYOND)
  // Undefined, too, for what JSON has nothing for, such as a function.
  const text = JSON.stringify(device) as string | undefined
  if (text !== undefined) {
    after.device = text
    set.set(DEVICE, text)
  }
  return { set, unset, after }
}

/** The value of BEYOND: a string, which may hold what JSON on the server may not. */
function textOf({ members, beyond }: Known): string {
  return JSON.stringify(join([...beyond].map((name) => [name, members.get(name)!])))
}

/** Everything as one change, for a write that replaces what is there. */
export function everything(members: Members, device: unknown): Change {
  return change({ members: new Map(), beyond: new Set(), device: undefined }, members, [], members, device)
}
