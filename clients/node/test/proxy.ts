import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** Stands between clients and a server of a test, and fails as networks do. */
export interface TestProxy {
  port: number
  /** Breaks all connections and accepts no others. */
  cut(): void
  /** Accepts connections again. */
  mend(): void
  /** From now on nothing comes through on those connections that a command was sent on, and nobody is told. */
  swallow(command: string): void
  close(): Promise<void>
}

export async function startProxy(target: number): Promise<TestProxy> {
  const sockets = new Set<Socket>()
  const pairs = new Set<(command: string) => void>()
  let refuse = false
  const server = createServer((inside) => {
    if (refuse) {
      inside.destroy()
      return
    }
    const outside = connect(target, '127.0.0.1')
    let swallowing = false
    let sent = ''
    inside.on('data', (data) => {
      sent += data.toString('latin1').toLowerCase()
    })
    pairs.add((command) => {
      swallowing ||= sent.includes(command)
    })
    const both = [inside, outside] as const
    for (const [from, to] of [both, [outside, inside] as const]) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('data', (data) => {
        if (!swallowing) to.write(data)
      })
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const cutAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port,
    cut() {
      refuse = true
      cutAll()
    },
    mend() {
      refuse = false
    },
    swallow(command) {
      for (const swallow of pairs) swallow(command)
    },
    async close() {
      cutAll()
      server.close()
      await once(server, 'close')
    },
  }
}
