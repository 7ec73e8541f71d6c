// A person's browser: what somebody who uses the site does and sees, by the words on the page.

import { chromium } from 'playwright-core'

// No sandbox: in a container, and as root, Chromium has none. The others keep it from calling its maker's servers.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const AGENTS = {
  'Firefox on Windows': 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Safari on iPhone':
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  'Chrome on Android':
    'Mozilla/5.0 (Linux; Android 15; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36',
  'Edge on macOS':
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0',
  'Samsung Internet on Android':
    'Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36',
  'Firefox on Linux': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Unknown device': '<script>alert("x")</script>',
}

export const PASSWORDS = { alice: 'tea-at-four', bob: 'bricks-and-mortar' }

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium-headless-shell', args: FLAGS })
}

export class Browser {
  /** What the browser complained about: breaches of the content security policy, what could not be loaded, errors. */
  complaints = []

  /** @param device one of AGENTS; options go to Chromium's context: viewport, colorScheme ... */
  static async open(chromium, origin, device = 'Firefox on Windows', options = {}) {
    const browser = new Browser()
    browser.origin = origin
    browser.device = device
    browser.context = await chromium.newContext({ userAgent: AGENTS[device], baseURL: origin, ...options })
    browser.context.setDefaultTimeout(10_000)
    browser.page = await browser.tab()
    return browser
  }

  async tab() {
    const page = await this.context.newPage()
    // Chromium itself also notes each answer of 400 and more; those are what some tests are about.
    page.on('console', (message) => {
      const isStatus = /^Failed to load resource: the server responded with a status/.test(message.text())
      if (['error', 'warning'].includes(message.type()) && !isStatus) this.complaints.push(message.text())
    })
    page.on('pageerror', (error) => this.complaints.push(error.message))
    return page
  }

  open(path) {
    return this.page.goto(path)
  }

  get heading() {
    return this.page.locator('h1').textContent()
  }

  get messages() {
    return this.page.getByRole('status').allInnerTexts()
  }

  click(name) {
    return this.submit(this.page.getByRole('button', { name, exact: true }))
  }

  /** Clicks a button, all of which send forms, and waits for the page that comes. */
  async submit(button, page = this.page) {
    await Promise.all([page.waitForEvent('load'), button.click()])
  }

  /** The hidden field that names the first device that has a button. */
  get handle() {
    return this.page.locator('.device form input[type=hidden]:not([name^=csrf])').first()
  }

  /** Sends the form of that device with another handle, or with none. */
  async forge(handle) {
    if (handle === undefined) await this.handle.evaluate((input) => input.remove())
    else await this.handle.evaluate((input, value) => (input.value = value), handle)
    await this.submit(this.page.locator('.device form button').first())
  }

  async fillIn(fields) {
    for (const [label, value] of Object.entries(fields)) await this.page.getByLabel(label, { exact: true }).fill(value)
  }

  async signIn(name, password = PASSWORDS[name]) {
    await this.open('/sign-in/')
    await this.fillIn({ Name: name, Password: password })
    await this.click('Sign in')
  }

  async changePassword(old, password) {
    await this.open('/password/')
    await this.fillIn({ 'Present password': old, 'New password': password })
    await this.click('Change password')
  }

  /** The devices on the page: name, kind (by the icon), whether it is this one, and what it says of times. */
  async devices() {
    return this.page.locator('.device').evaluateAll((rows) =>
      rows.map((row) => ({
        name: row.querySelector('h2').firstChild.textContent.trim(),
        kind: row.querySelector('use').getAttribute('href').split('#')[1],
        current: row.querySelector('.badge')?.textContent === 'This device',
        button: row.querySelector('button')?.textContent.trim(),
        times: Object.fromEntries(
          [...row.querySelectorAll('.times div')].map((one) => [
            one.querySelector('dt').textContent,
            { words: one.querySelector('time').textContent, time: one.querySelector('time').dateTime },
          ]),
        ),
      })),
    )
  }

  /** The names on the list as it is now, this device's with a star. */
  async list() {
    await this.open('/devices/')
    return (await this.devices()).map(({ name, current }) => (current ? `${name} *` : name))
  }

  /** The session's cookie; there is no other. */
  async cookies() {
    return this.context.cookies(this.origin)
  }

  /** Sends a form's fields without the form, from this browser with its cookies. */
  post(path, form) {
    return this.context.request.post(path, { form, maxRedirects: 0, headers: { Origin: this.origin } })
  }

  async isSignedIn() {
    await this.open('/devices/')
    return (await this.heading) === 'My devices'
  }
}
