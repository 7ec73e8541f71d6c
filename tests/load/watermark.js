// Up to when what a primary has answered is known to its replica.
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'

const EVERY = 20 // ms

/**
 * Writes and waits for the replica, by WAIT, again and again. Whatever the primary had carried out before such a write
 * the replica has, too: it repeats one command after the other.
 *
 * `stop` gives the time before which this holds of all that was answered.
 */
export function startWatermark(port) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } })
  client.on('error', () => {})
  let safe = 0
  let isOn = true
  const watching = (async () => {
    await client.connect()
    while (isOn) {
      const sent = Date.now()
      // On one connection: WAIT waits for what this connection has written.
      const [, replicas] = await Promise.all([
        client.sendCommand(['SET', 'load:watermark', String(sent)]),
        client.sendCommand(['WAIT', '1', '1000']),
      ])
      if (Number(replicas) >= 1) safe = sent
      await sleep(EVERY)
    }
    await client.sendCommand(['DEL', 'load:watermark'])
  })()
  watching.catch(() => {})
  return {
    async stop() {
      isOn = false
      await watching
      return safe
    },
    close() {
      isOn = false
      if (client.isOpen) client.destroy()
    },
  }
}
