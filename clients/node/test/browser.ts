/** A browser, as far as sessions are concerned: it keeps the cookies that it is sent. */
export class Browser {
  readonly #origin: string
  readonly cookies = new Map<string, string>()
  /** The attributes of the cookie that came last. */
  attributes = ''

  constructor(origin: string) {
    this.#origin = origin
  }

  async get(path: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { 'user-agent': 'Firefox', ...(init.headers as Record<string, string>), cookie }
    const response = await fetch(this.#origin + path, { redirect: 'manual', ...init, headers })
    for (const header of response.headers.getSetCookie()) {
      const [, name, value, rest] = /^([^=]+)=([^;]*)(.*)$/.exec(header)!
      this.cookies.set(name!, value!)
      this.attributes = rest!
    }
    return { status: response.status, text: await response.text() }
  }

  async json(path: string) {
    return JSON.parse((await this.get(path)).text)
  }

  /** Another one with the same cookies. */
  copy(): Browser {
    const copy = new Browser(this.#origin)
    for (const [name, value] of this.cookies) copy.cookies.set(name, value)
    return copy
  }
}
