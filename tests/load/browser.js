// Requests as a browser makes them, and how long they take.
import { Agent, get } from 'node:http'

export class Sites {
  #next = 0

  /** @param ports The ports of the processes of each kind of site. */
  constructor(ports, figures) {
    this.ports = ports
    this.figures = figures
    this.agent = new Agent({ keepAlive: true, maxSockets: 64 })
  }

  /**
   * Asks a process of the site, each in its turn.
   *
   * @returns `status`, 0 where the connection broke; `body`; `cookie` and `handle` where the site has said them.
   */
  async ask(kind, page, parameters = {}, cookie = null) {
    const ports = this.ports[kind]
    this.#next += 1
    const port = ports[this.#next % ports.length]
    const query = new URLSearchParams(parameters)
    const sent = Date.now()
    const began = performance.now()
    const answer = await this.#request(port, `/${page}?${query}`, cookie).catch((error) => ({
      status: 0,
      body: { error: `${error.code ?? error.message}` },
    }))
    this.figures.note(kind, page, {
      status: answer.status,
      error: answer.body.error,
      sent,
      ms: performance.now() - began,
    })
    return answer
  }

  #request(port, path, cookie) {
    const headers = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0' }
    if (cookie) headers.cookie = cookie
    return new Promise((resolve, reject) => {
      get({ port, host: '127.0.0.1', path, headers, agent: this.agent }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part) => {
          text += part
        })
        response.on('error', reject)
        response.on('end', () => resolve(this.#answer(response, text)))
      }).on('error', reject)
    })
  }

  #answer({ statusCode, headers }, text) {
    const isJSON = headers['content-type']?.includes('json')
    const body = isJSON ? JSON.parse(text) : { error: text.slice(0, 80).replace(/\s+/g, ' ') }
    const [set] = headers['set-cookie'] ?? []
    return { status: statusCode, body, cookie: set?.split(';')[0] ?? null, handle: headers['x-handle'] ?? null }
  }

  close() {
    this.agent.destroy()
  }
}
