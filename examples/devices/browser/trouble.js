// What a site shows when it cannot do what is asked.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AGENTS, PASSWORDS } from './browser.js'
import { until } from './site.js'

const FIVE = Object.keys(AGENTS).slice(0, 5)

export function trouble(world) {
  test('on a sixth device, another one is signed out first', async () => {
    const five = await world.signedIn('bob', ...FIVE)
    const sixth = await world.browser('Firefox on Linux')
    await sixth.signIn('bob')
    assert.equal(await sixth.heading, 'Too many devices')
    assert.deepEqual((await sixth.devices()).map(({ name }) => name).sort(), [...FIVE].sort())
    assert.equal(await sixth.isSignedIn(), false, 'the right password alone is not enough')

    await sixth.signIn('bob')
    await sixth.click('Sign out Edge on macOS')
    assert.equal(await sixth.heading, 'My devices')
    const left = FIVE.filter((name) => name !== 'Edge on macOS')
    assert.deepEqual((await sixth.list()).sort(), ['Firefox on Linux *', ...left].sort())
    for (const browser of five)
      assert.equal(await browser.isSignedIn(), browser.device !== 'Edge on macOS', browser.device)
  })

  test('making room needs a password, and reaches nobody else', async () => {
    const five = await world.signedIn('bob', ...FIVE)
    const stranger = await world.browser('Firefox on Linux')
    const answer = await stranger.open('/sign-in/make-room/')
    assert.equal(answer.status(), 200)
    assert.equal(await stranger.heading, 'Sign in')

    const [alice] = await world.signedIn('alice', ...FIVE)
    const sixth = await world.browser('Firefox on Linux')
    await sixth.signIn('alice')
    await five[0].list()
    await sixth.forge(await five[0].handle.getAttribute('value'))
    assert.equal(await sixth.heading, 'Too many devices')
    assert.equal((await five[0].list()).length, 5)
    assert.equal((await alice.list()).length, 5)
  })

  test('who waits for room while the password changes has to know the new one', async () => {
    const five = await world.signedIn('alice', ...FIVE)
    const sixth = await world.browser('Firefox on Linux')
    await sixth.signIn('alice')
    assert.equal(await sixth.heading, 'Too many devices')
    await five[0].changePassword(PASSWORDS.alice, 'a-new-password')
    try {
      await sixth.click('Sign out Firefox on Windows')
      assert.equal(await sixth.heading, 'Sign in')
      assert.deepEqual(await five[0].list(), ['Firefox on Windows *'])
    } finally {
      await five[0].changePassword('a-new-password', PASSWORDS.alice)
    }
  })

  test('there is a page for what is not there', async () => {
    const [browser] = await world.signedIn('alice', FIVE[0])
    const answer = await browser.open('/no-such-page')
    assert.equal(answer.status(), 404)
    assert.equal(await browser.heading, 'There is no such page')
  })

  test('there is a page for what makes no sense', async () => {
    const [browser] = await world.signedIn('alice', FIVE[0])
    const csrf = browser.page.locator('input[name^=csrf]').first()
    const token = { [await csrf.getAttribute('name')]: await csrf.getAttribute('value') }
    const answer = await browser.post('/password/', { ...token, old: 'x'.repeat(4_000_000) })
    assert.ok([400, 413].includes(answer.status()), `${answer.status()}`)
    assert.match(await answer.text(), /<h1>This cannot be understood<\/h1>/)
    assert.deepEqual(await browser.list(), [`${FIVE[0]} *`])
  })

  test('while the session server is away there is a page that says so; nobody is signed out by it', async () => {
    const [windows, iphone] = await world.signedIn('alice', FIVE[0], FIVE[1])
    await windows.open('/devices/')
    const cookies = await windows.cookies()
    await world.redis.down()
    try {
      for (const path of ['/', '/devices/', '/sign-in/', '/password/']) {
        const answer = await windows.open(path)
        assert.equal(answer.status(), 503, path)
        assert.equal(await windows.heading, 'Not available just now')
        assert.ok(Number(answer.headers()['retry-after']) > 0)
      }
      assert.deepEqual(await windows.cookies(), cookies, 'the cookie is left alone')
    } finally {
      await world.redis.up()
    }
    await until('the site has found the server again', async () => (await windows.open('/devices/')).status() === 200)
    assert.deepEqual(await windows.list(), [`${FIVE[0]} *`, FIVE[1]])
    assert.equal(await iphone.isSignedIn(), true)
  })

  test('a form that is sent while the session server is away changes nothing', async () => {
    const [windows, iphone] = await world.signedIn('alice', FIVE[0], FIVE[1])
    await windows.open('/devices/')
    await world.redis.down()
    try {
      await windows.click('Sign out Safari on iPhone')
      assert.equal(await windows.heading, 'Not available just now')
    } finally {
      await world.redis.up()
    }
    await until('the site has found the server again', async () => (await windows.open('/devices/')).status() === 200)
    assert.equal(await iphone.isSignedIn(), true)
    assert.equal((await windows.list()).length, 2)
  })
}
