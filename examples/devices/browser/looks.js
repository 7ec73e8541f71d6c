// Whether everybody can read and use the pages: with a screen reader, with the keyboard, on a small phone, in the dark.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import axe from 'axe-core'
import { AGENTS, PASSWORDS } from './browser.js'

const FIVE = Object.keys(AGENTS).slice(0, 5)

/** Each kind of page, and how to come there. */
const PAGES = {
  'sign in': (browser) => browser.open('/sign-in/'),
  'a wrong password': (browser) => browser.signIn('alice', 'wrong-password'),
  'too many devices': (browser) => browser.signIn('bob'),
  'no such page': (browser) => browser.open('/no-such-page'),
  'my devices': (browser) => browser.signIn('alice'),
  'a message': (browser) => browser.list().then(() => browser.click('Sign out all others')),
  'change password': (browser) => browser.open('/password/'),
  'a refused password': (browser) => browser.changePassword(PASSWORDS.alice, 'short'),
}

export function looks(world) {
  /** A browser that is shown each page in turn, while both people have other devices. */
  async function tour(options, look) {
    await world.signedIn('bob', ...FIVE)
    await world.signedIn('alice', ...FIVE.slice(1, 4))
    const browser = await world.browser('Firefox on Linux', options)
    for (const [name, go] of Object.entries(PAGES)) {
      await go(browser)
      await look(browser.page, name)
    }
  }

  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing to complain about, in ${colorScheme} colours`, async () => {
      await tour({ colorScheme }, async (page, name) => {
        await page.evaluate(axe.source)
        const { violations, passes } = await page.evaluate(() => globalThis.axe.run())
        assert.ok(passes.some(({ id }) => id === 'color-contrast') && passes.some(({ id }) => id === 'html-has-lang'))
        const found = violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ html }) => html)}`)
        assert.deepEqual(found, [])
      })
    })
  }

  for (const width of [320, 390, 1280]) {
    test(`everything fits a window of ${width} pixels, and is large enough to touch`, async () => {
      await tour({ viewport: { width, height: 800 } }, async (page, name) => {
        const wide = await page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(wide <= width, `${name} is ${wide} pixels wide`)
        for (const button of await page.getByRole('button').all()) {
          const { height } = await button.boundingBox()
          assert.ok(height >= 44, `${name}: ${await button.textContent()} is ${height} pixels high`)
        }
      })
    })
  }

  test('the keyboard is enough', async () => {
    const [phone] = await world.signedIn('alice', 'Safari on iPhone')
    const browser = await world.browser()
    const { keyboard } = browser.page
    const focused = () =>
      browser.page.evaluate(
        () => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim(),
      )
    await browser.open('/sign-in/')
    await browser.page.locator('#name:focus').waitFor()
    await keyboard.type('alice')
    await keyboard.press('Tab')
    await keyboard.type(PASSWORDS.alice)
    await keyboard.press('Enter')
    await browser.page.waitForURL(/\/devices\/?$/)

    const order = []
    for (let stop = 0; stop < 8; stop++) {
      await keyboard.press('Tab')
      order.push(await focused())
      const outline = await browser.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)
      assert.equal(outline, 'solid', `the focus on ${order.at(-1)} can be seen`)
    }
    assert.deepEqual(order, [
      'Skip to content',
      'Example',
      'My devices',
      'Password',
      'Sign out',
      'change your password',
      'Sign out Safari on iPhone',
      'Sign out all others',
    ])
    await keyboard.press('Shift+Tab')
    await keyboard.press('Enter')
    await browser.page.getByRole('status').waitFor()
    assert.deepEqual(await browser.messages, ['The device is signed out.'])
    assert.equal(await phone.isSignedIn(), false)
  })

  test('the pages need no script, and Chromium would tell of one', async () => {
    const browser = await world.browser()
    await browser.open('/sign-in/')
    await browser.page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'document.title = "run"'
      document.body.append(script)
      document.body.setAttribute('style', 'color: red')
    })
    await browser.page.waitForTimeout(0)
    assert.notEqual(await browser.page.title(), 'run')
    assert.equal(browser.complaints.splice(0).filter((text) => /Content Security Policy/.test(text)).length, 2)

    const without = await world.browser('Firefox on Linux', { javaScriptEnabled: false })
    await without.signIn('alice')
    assert.equal(await without.heading, 'My devices')
  })
}
