/** Methods that take a callback, or give a promise where none is given. */

// biome-ignore lint/suspicious/noExplicitAny: errors of client libraries
export type Callback<T> = (error?: any, value?: T) => void

/**
 * Gives the outcome to the callback, and nothing of what the callback throws to anybody: it is called outside of any
 * promise, so that its exception is the application's, as with every callback of Node.
 */
export function answer<T>(work: Promise<T>, callback?: Callback<T>): Promise<T> | undefined {
  if (!callback) return work
  work.then(
    (value) => process.nextTick(callback, null, value),
    (error) => process.nextTick(callback, error),
  )
  return undefined
}
