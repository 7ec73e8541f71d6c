// Stands between the browsers and a site. It keeps every answer, so that a test can look for what must not be in one, and
// can hold an answer or a request back, so that two of them cross.

import { once } from 'node:events'
import { request as ask, createServer } from 'node:http'

export class ReverseProxy {
  /** Every answer so far: method, path, status, headers, body. */
  answers = []
  #holds = []

  static async start(target) {
    const proxy = new ReverseProxy()
    proxy.server = createServer((req, res) => proxy.#pass(target, req, res)).listen(0, '127.0.0.1')
    await once(proxy.server, 'listening')
    proxy.origin = `http://127.0.0.1:${proxy.server.address().port}`
    return proxy
  }

  /**
   * Holds the next request of this method and path (without query, and a slash at its end) back, before the site sees it or before the browser sees its answer.
   * `reached` is when it has come so far; `release()` lets it go on.
   */
  hold(stage, method, path) {
    const hold = { stage, method, path }
    hold.reached = new Promise((resolve) => (hold.arrive = resolve))
    hold.released = new Promise((resolve) => (hold.release = resolve))
    this.#holds.push(hold)
    return hold
  }

  async #wait(stage, req) {
    const plain = new URL(req.url, this.origin).pathname.replace(/(?<=.)\/$/, '')
    const index = this.#holds.findIndex((one) => one.stage === stage && one.method === req.method && one.path === plain)
    if (index < 0) return
    const [hold] = this.#holds.splice(index, 1)
    hold.arrive()
    await hold.released
  }

  async #pass(target, req, res) {
    await this.#wait('request', req)
    // The host that the browser named goes along: sites compare it with the Origin header.
    const onward = ask(target + req.url, { method: req.method, headers: req.headers })
    onward.on('error', () => res.destroy())
    onward.on('response', async (answer) => {
      const body = Buffer.concat(await answer.toArray())
      const { statusCode: status, headers } = answer
      this.answers.push({ method: req.method, path: req.url, status, headers, body: body.toString() })
      await this.#wait('answer', req)
      res.writeHead(status, answer.rawHeaders).end(body)
    })
    req.pipe(onward)
  }

  async stop() {
    this.server.close()
    this.server.closeAllConnections()
    await once(this.server, 'close')
  }
}
