/** What an async iterator has not handed out yet, and who waits for more. */
export class Queue<T> {
  #values: T[] = []
  #waiting: { resolve: (result: IteratorResult<T, undefined>) => void; reject: (error: unknown) => void }[] = []
  #failure: Error | undefined
  #ended = false

  push(value: T): void {
    if (this.#ended) return
    const next = this.#waiting.shift()
    if (next) next.resolve({ done: false, value })
    else this.#values.push(value)
  }

  /** Takes back what nobody has asked for yet. */
  remove(unwanted: (value: T) => boolean): void {
    this.#values = this.#values.filter((value) => !unwanted(value))
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const value = this.#values.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#failure) {
      const failure = this.#failure
      this.#failure = undefined
      return Promise.reject(failure)
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** Ends the iterator; with an error, one caller of `next` learns it. Values that are there can still be taken. */
  end(failure?: Error): void {
    if (this.#ended) return
    this.#ended = true
    const first = failure && this.#waiting.shift()
    if (first) first.reject(failure)
    else this.#failure = failure
    for (const { resolve } of this.#waiting) resolve({ done: true, value: undefined })
    this.#waiting = []
  }
}
