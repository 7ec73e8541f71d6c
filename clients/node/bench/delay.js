// A TCP proxy that holds every byte back for some time each way: a network between an application and its server.
// `node delay.js SERVER_PORT MILLISECONDS` prints the port that it listens on.
import { connect, createServer } from 'node:net'

const [port, milliseconds] = process.argv.slice(2).map(Number)

/** Passes on what comes, each piece when its time is due; the pieces do not wait for one another. */
function pump(from, to) {
  const waiting = []
  let scheduled = false
  const send = () => {
    scheduled = false
    const now = performance.now()
    while (waiting.length > 0 && waiting[0].due <= now) to.write(waiting.shift().data)
    // setTimeout counts whole milliseconds and may be late by one: the last bit is waited for in small steps.
    if (waiting.length > 0) schedule(waiting[0].due - now > 1)
  }
  const schedule = (later) => {
    if (scheduled) return
    scheduled = true
    if (later) setTimeout(send, 1)
    else setImmediate(send)
  }
  from.on('data', (data) => {
    waiting.push({ due: performance.now() + milliseconds, data })
    schedule(false)
  })
  from.on('close', () => to.destroy())
  from.on('error', () => to.destroy())
}

const server = createServer({ noDelay: true }, (client) => {
  const there = connect({ port, host: '127.0.0.1', noDelay: true })
  pump(client, there)
  pump(there, client)
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
