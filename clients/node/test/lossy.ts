import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** Stands between a client and a server, and breaks the connection when a command was carried out, before its reply. */
export interface LossyProxy {
  port: number
  /** The reply to the next command of this name is lost, with its connection. */
  loseReplyTo(command: string): void
  close(): void
}

/** `port`: where to listen; `target`: where the server is, known only later where the server is told this port first. */
export async function startLossyProxy(target: () => number, port = 0): Promise<LossyProxy> {
  let name: string | undefined
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target(), '127.0.0.1')
    let losing = false
    client.on('data', (data) => {
      if (name !== undefined && data.toString('latin1').toUpperCase().includes(name)) {
        losing = true
        name = undefined
      }
      upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (losing) client.destroy()
      else client.write(data)
    })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    loseReplyTo(command) {
      name = command.toUpperCase()
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
