// What all stories of one site share: its server, the site, the proxy before it and Chromium; and what each test leaves.

import assert from 'node:assert/strict'
import { Browser, launch } from './browser.js'
import { ReverseProxy } from './proxy.js'
import { Redis, Site } from './site.js'

export class World {
  /** Ids, keys and cookies that tests have come across, and that nobody may see. */
  secrets = new Set()
  #browsers = []

  async start(name) {
    this.redis = await Redis.start()
    this.site = await Site.start(name, this.redis)
    this.proxy = await ReverseProxy.start(this.site.origin)
    this.chromium = await launch()
  }

  async browser(device, options) {
    const browser = await Browser.open(this.chromium, this.proxy.origin, device, options)
    this.#browsers.push(browser)
    return browser
  }

  /** A browser of each of these devices, signed in one after the other. */
  async signedIn(name, ...devices) {
    const browsers = []
    for (const device of devices) {
      const browser = await this.browser(device)
      await browser.signIn(name)
      assert.equal(await browser.heading, 'My devices')
      browsers.push(browser)
    }
    return browsers
  }

  /** Puts down what must stay secret, closes the browsers, and fails if one of them complained. */
  async endOfTest() {
    for (const key of await this.redis.keys()) {
      this.secrets.add(key)
      this.secrets.add(key.split('}').at(-1)) // the hash without prefix and tag
    }
    const complaints = []
    for (const browser of this.#browsers.splice(0)) {
      complaints.push(...browser.complaints)
      await browser.context.close()
    }
    assert.deepEqual(complaints, [], 'what Chromium complained about')
  }

  async stop() {
    await this.chromium?.close()
    await this.proxy?.stop()
    await this.site?.stop()
    if (process.env.SHOW_LOG) console.log(this.site?.log)
    await this.redis?.stop()
  }
}
