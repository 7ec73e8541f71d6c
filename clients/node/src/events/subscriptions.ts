import type { Listener, Place } from './listeners.js'

interface Options {
  readonly events: string[]
  /** Finds the primaries of now. */
  places(): Promise<Place[]>
  event(name: string, key: string): void
  /** All primaries are listened to, after a time when one was not: until now, something may have been missed. */
  complete(): void
  /** One primary or more cannot be listened to. Called for every attempt that fails. */
  incomplete(error: unknown): void
  /** How often to see whether the connections live and the primaries are still the same ones, ms. */
  readonly every: number
}

/** A server that says nothing for so long, ms, is taken for dead. */
const PATIENCE = 3000
const MIN_PAUSE = 25
const MAX_PAUSE = 2000

/** Keeps one listening connection to every primary, and finds out when there are others than before. */
export class Subscriptions {
  readonly #options: Options
  readonly #listeners = new Map<string, Listener>()
  #closed = false
  #failures = 0
  #hurry = false
  #wake: () => void = () => undefined

  constructor(options: Options) {
    this.#options = options
  }

  /** Runs until `close`. */
  async run(): Promise<void> {
    while (!this.#closed) {
      this.#hurry = false
      await this.#look()
      const pause = this.#failures === 0 ? this.#options.every : Math.min(MIN_PAUSE * 2 ** this.#failures, MAX_PAUSE)
      await this.#sleep(this.#hurry ? MIN_PAUSE : pause)
      if (this.#hurry) continue
      await Promise.all([...this.#listeners].map(([name, listener]) => this.#prove(name, listener)))
    }
  }

  /** Looks for the primaries now and not only when it is time. */
  hurry(): void {
    this.#hurry = true
    this.#wake()
  }

  close(): void {
    this.#closed = true
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
    this.#wake()
  }

  async #look(): Promise<void> {
    try {
      const places = await within(this.#options.places())
      const names = new Set(places.map(({ name }) => name))
      for (const [name, listener] of this.#listeners) if (!names.has(name)) this.#drop(name, listener)
      const missing = places.filter(({ name }) => !this.#listeners.has(name))
      const opened = await Promise.allSettled(missing.map((place) => this.#open(place)))
      const failure = opened.find((result) => result.status === 'rejected')
      if (failure) throw failure.reason
      if (this.#closed || (missing.length === 0 && this.#failures === 0)) return
      this.#failures = 0
      this.#options.complete()
    } catch (error) {
      if (this.#closed) return
      this.#failures++
      this.#options.incomplete(error)
    }
  }

  async #open(place: Place): Promise<void> {
    let listener: Listener | undefined
    let lost = false
    const opening = place.listen(this.#options.events, {
      event: this.#options.event,
      lost: () => {
        lost = true
        if (listener) this.#drop(place.name, listener)
      },
    })
    try {
      listener = await within(opening)
    } catch (error) {
      // Should it open after all, nobody wants it any more.
      opening.then((late) => late.close()).catch(() => undefined)
      throw error
    }
    if (this.#closed) listener.close()
    else if (lost) throw new Error('The connection was lost at once')
    else this.#listeners.set(place.name, listener)
  }

  /** A connection to a host that has vanished stays open on our side: only a question tells. */
  async #prove(name: string, listener: Listener): Promise<void> {
    try {
      await within(listener.ping())
    } catch {
      this.#drop(name, listener)
    }
  }

  #drop(name: string, listener: Listener): void {
    listener.close()
    if (this.#listeners.get(name) !== listener) return
    this.#listeners.delete(name)
    this.hurry()
  }

  #sleep(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No reply within ${PATIENCE} ms`)), PATIENCE)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
