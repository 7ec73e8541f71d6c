// The pictures in the docs: node screenshots.js <folder>. They are of a real site and real sessions; only the clock of its
// Redis server is turned (by clock.c), so that the devices have been used for some weeks.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Browser, launch, PASSWORDS } from './browser.js'
import { Redis, Site } from './site.js'

const DESKTOP = { viewport: { width: 960, height: 756 }, deviceScaleFactor: 1.5 }
const PHONE = { viewport: { width: 390, height: 756 }, deviceScaleFactor: 1.5 }

// What alice did, and when: days before now, with what, and whether she signed in or only looked.
const WEEKS = [
  [40, 'Safari on iPhone', 'signIn'],
  [29, 'Safari on iPhone', 'list'],
  [18, 'Safari on iPhone', 'list'],
  [9, 'Chrome on Android', 'signIn'],
  [7, 'Safari on iPhone', 'list'],
  [3.1, 'Firefox on Windows', 'signIn'],
  [2.2, 'Chrome on Android', 'list'],
  [0.9, 'Edge on macOS', 'signIn'],
  [0.21, 'Edge on macOS', 'list'],
  [0.016, 'Safari on iPhone', 'list'],
]

async function inTurn(redis, chromium, origin, options) {
  const browsers = {}
  for (const [days, device, act] of WEEKS) {
    await redis.turnClock(-days * 86_400)
    browsers[device] ??= await Browser.open(chromium, origin, device, options)
    await browsers[device][act]('alice')
  }
  await redis.turnClock(0)
  return browsers['Firefox on Windows']
}

/** "My devices" on a desktop and a phone, and three other pages on a phone, in one colour scheme. */
async function shots(chromium, site, redis, colorScheme) {
  await redis.clear()
  const browser = await inTurn(redis, chromium, site.origin, { ...DESKTOP, colorScheme })
  const shot = async () => {
    await browser.page.evaluate(() => document.activeElement.blur())
    return browser.page.screenshot()
  }
  await browser.open('/devices/')
  const desktop = await shot()
  await browser.page.setViewportSize(PHONE.viewport)
  await browser.open('/devices/')
  const phone = await shot()
  await browser.open('/password/')
  const password = await shot()

  const other = await Browser.open(chromium, site.origin, 'Samsung Internet on Android', { ...PHONE, colorScheme })
  await other.open('/sign-in/')
  await other.fillIn({ Name: 'alice', Password: PASSWORDS.alice })
  await other.page.evaluate(() => document.activeElement.blur())
  const signIn = await other.page.screenshot()
  await other.click('Sign in') // the fifth device, which is allowed
  const sixth = await Browser.open(chromium, site.origin, 'Firefox on Linux', { ...PHONE, colorScheme })
  await sixth.signIn('alice')
  assert.equal(await sixth.heading, 'Too many devices')
  const room = await sixth.page.screenshot()
  for (const { context } of [browser, other, sixth]) await context.close()
  return { desktop, phone, signIn, room, password }
}

/** Pictures side by side, as on a sheet of paper. */
async function sheet(chromium, colorScheme, pictures) {
  const images = pictures.map((png) => `<img src="data:image/png;base64,${png.toString('base64')}">`).join('')
  const [paper, line] = colorScheme === 'dark' ? ['#05080b', '#2d3740'] : ['#e3e8ec', '#d0d7dd']
  const page = await chromium.newPage({ deviceScaleFactor: 1 })
  await page.setContent(`<style>
    body { display: inline-flex; align-items: flex-start; gap: 36px; margin: 0; padding: 36px; background: ${paper}; }
    img { border: 1px solid ${line}; border-radius: 16px; }</style>${images}`)
  await page.evaluate(() => Promise.all([...document.images].map((image) => image.decode())))
  const png = await page.locator('body').screenshot()
  await page.close()
  return png
}

const folder = resolve(process.argv[2])
const redis = await Redis.start({ turnable: true })
const chromium = await launch()
try {
  const seen = {}
  for (const name of ['express', 'django']) {
    const site = await Site.start(name, redis)
    try {
      seen[name] = {}
      for (const scheme of ['light', 'dark']) seen[name][scheme] = await shots(chromium, site, redis, scheme)
    } finally {
      await site.stop()
    }
  }
  for (const [scheme, pictures] of Object.entries(seen.express)) {
    for (const [what, png] of Object.entries(pictures)) {
      assert.ok(png.equals(seen.django[scheme][what]), `both sites look the same: ${what}, ${scheme}`)
    }
  }
  for (const [name, scheme, ...what] of [
    ['my-devices', 'light', 'desktop', 'phone'],
    ['my-devices-dark', 'dark', 'desktop', 'phone'],
    ['my-devices-pages', 'light', 'signIn', 'room', 'password'],
  ]) {
    const png = await sheet(
      chromium,
      scheme,
      what.map((one) => seen.express[scheme][one]),
    )
    await writeFile(join(folder, `${name}.png`), png)
  }
} finally {
  await chromium.close()
  await redis.stop()
}
