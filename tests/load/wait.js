// Waiting for servers that are busy, or about to close their connections.
import { setTimeout as sleep } from 'node:timers/promises'

/** Asks until the answer is true, for a minute at most. What cannot be asked just now is asked again. */
export async function waitFor(condition, what, seconds = 60) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await condition().catch(() => false)
    if (answer) return answer
    if (Date.now() > end) throw new Error(`${seconds} seconds were not enough: ${what}`)
    await sleep(10)
  }
}
