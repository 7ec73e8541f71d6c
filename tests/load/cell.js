// What a book knows of one thing.

export const now = () => Date.now()
const REMEMBERED = 60_000 // ms: longer than any request takes

/**
 * One thing that a request may change: whether a session is alive, what is in one of its fields.
 *
 * It has one value where that is known. While a request is under way that changes it, or where the reply was lost, it has
 * several: each of them is right, and nothing else.
 */
export class Cell {
  #values
  #past = []
  /** Requests under way that change it. */
  pending = 0
  changed = now()

  constructor(value) {
    this.#values = new Set([value])
  }

  /** Another thing that may be the same. */
  static like(cell) {
    const copy = new Cell()
    copy.#values = new Set(cell.#values)
    return copy
  }

  get values() {
    return this.#values
  }

  get isSure() {
    return this.#values.size === 1
  }

  may(value) {
    return this.#values.has(value)
  }

  is(value) {
    return this.isSure && this.#values.has(value)
  }

  set(values) {
    this.changed = now()
    this.#past.push({ until: this.changed, values: this.#values })
    while (this.#past[0].until < this.changed - REMEMBERED) this.#past.shift()
    this.#values = new Set(values)
  }

  add(values) {
    this.set([...this.#values, ...values])
  }

  /** All that it may have been from `time` until now. */
  since(time) {
    const values = new Set(this.#values)
    for (const past of this.#past) {
      if (past.until >= time) for (const value of past.values) values.add(value)
    }
    return values
  }
}

/** What one request changes if it is carried out. */
export class Change {
  /** @param effects Pairs of a cell and the values that it may have afterwards. */
  constructor(effects) {
    this.effects = effects.map(([cell, after]) => ({ cell, before: [...cell.values], after }))
    for (const { cell, after } of this.effects) {
      cell.pending += 1
      cell.add(after)
    }
  }

  /** It was carried out. */
  done() {
    this.#end((cell, { after }) => cell.set(after))
  }

  /** It was not carried out, as the site itself says. */
  refused() {
    this.#end((cell, { before }) => cell.set(before))
  }

  /** Nobody knows whether it was carried out. */
  lost() {
    this.#end(() => {})
  }

  /** It was carried out, and may have been lost again by the server. */
  undone() {
    for (const { cell, before } of this.effects) cell.add(before)
  }

  #end(settle) {
    for (const effect of this.effects) {
      effect.cell.pending -= 1
      settle(effect.cell, effect)
    }
  }
}
