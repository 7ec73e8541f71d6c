// What somebody sees and does who has several devices.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AGENTS, PASSWORDS } from './browser.js'

const FOUR = ['Firefox on Windows', 'Safari on iPhone', 'Chrome on Android', 'Edge on macOS']

/** What a browser's list must be: itself first, with a star, then the others, of which the last seen comes first. */
function listOf(own, ...others) {
  return [`${own} *`, ...others]
}

export function devices(world) {
  test('nobody is signed in at first, and the wrong password signs nobody in', async () => {
    const browser = await world.browser()
    await browser.open('/')
    assert.equal(await browser.heading, 'Sign in')
    for (const [name, password] of [
      ['alice', 'tea-at-five'],
      ['alice', PASSWORDS.bob],
      ['carol', PASSWORDS.alice],
    ]) {
      await browser.signIn(name, password)
      assert.equal(await browser.page.getByRole('alert').textContent(), 'The name or the password is not right.')
    }
    assert.equal(await browser.isSignedIn(), false)
    assert.equal(await world.redis.client.sendCommand(['SESSION.COUNT', 'alice']), 0)
  })

  test('each device has its name, its kind and its times', async () => {
    const browsers = await world.signedIn('alice', ...FOUR)
    await browsers[1].open('/devices/')
    const list = await browsers[1].devices()
    const names = (kind) => list.filter((one) => one.kind === kind).map((one) => one.name)
    assert.deepEqual(names('phone'), ['Safari on iPhone'])
    assert.deepEqual(names('tablet'), ['Chrome on Android'])
    assert.deepEqual(names('computer').sort(), ['Edge on macOS', 'Firefox on Windows'])
    const day = 86_400_000
    for (const { times } of list) {
      assert.deepEqual(Object.keys(times), ['Last seen', 'Signed in', 'Ends'])
      const [seen, first, end] = Object.values(times).map(({ time }) => Date.parse(time) - Date.now())
      assert.ok(first > -60_000 && first <= seen && seen <= 1000, `signed in ${first} ms and seen ${seen} ms from now`)
      assert.ok(Math.abs(end - 14 * day) < 60_000, `ends ${end} ms from now`)
      assert.deepEqual(
        Object.values(times).map(({ words }) => words),
        ['just now', 'just now', 'in 14 days'],
      )
    }
  })

  test('four devices see each other, each marked on its own list, the last seen first', async () => {
    const [windows, iphone, tablet, mac] = await world.signedIn('alice', ...FOUR)
    assert.deepEqual(await windows.list(), listOf(FOUR[0], FOUR[3], FOUR[2], FOUR[1]))
    assert.deepEqual(await iphone.list(), listOf(FOUR[1], FOUR[0], FOUR[3], FOUR[2]))
    assert.deepEqual(await tablet.list(), listOf(FOUR[2], FOUR[1], FOUR[0], FOUR[3]))
    assert.deepEqual(await mac.list(), listOf(FOUR[3], FOUR[2], FOUR[1], FOUR[0]))
    assert.deepEqual(
      (await mac.devices()).map(({ button }) => button),
      [undefined, 'Sign out', 'Sign out', 'Sign out'],
    )
  })

  test('a device that is signed out is so on its next click; the others stay', async () => {
    const [windows, iphone, tablet, mac] = await world.signedIn('alice', ...FOUR)
    await windows.list()
    await windows.click('Sign out Safari on iPhone')
    assert.deepEqual(await windows.messages, ['The device is signed out.'])
    assert.deepEqual(
      (await windows.devices()).map(({ name }) => name),
      [FOUR[0], FOUR[3], FOUR[2]],
    )

    // The iPhone still shows the page; whatever is clicked there leads to the sign-in, and does nothing else.
    await iphone.click('Sign out Firefox on Windows')
    assert.equal(await iphone.heading, 'Sign in')
    assert.deepEqual(await iphone.messages, ['Please sign in.'])
    assert.equal(await iphone.isSignedIn(), false)

    assert.equal((await mac.list()).length, 3)
    assert.equal((await tablet.list()).length, 3)
    assert.equal((await windows.list()).length, 3)
  })

  test('one of two devices of one name is signed out, and only that one', async () => {
    const [one, two] = await world.signedIn('alice', FOUR[0], FOUR[0])
    assert.deepEqual(await two.list(), listOf(FOUR[0], FOUR[0]))
    await two.click('Sign out Firefox on Windows')
    assert.deepEqual(await two.list(), listOf(FOUR[0]))
    assert.equal(await one.isSignedIn(), false)
  })

  test('a device that another one has signed out meanwhile is told to be so', async () => {
    const [windows, iphone, mac] = await world.signedIn('alice', FOUR[0], FOUR[1], FOUR[3])
    await windows.list()
    await mac.list()
    await windows.click('Sign out Safari on iPhone')
    await mac.click('Sign out Safari on iPhone')
    assert.deepEqual(await mac.messages, ['That device was signed out already.'])
    assert.equal(await iphone.isSignedIn(), false)
  })

  test('all others are signed out, and bob is not among them', async () => {
    const [bob] = await world.signedIn('bob', 'Firefox on Linux')
    const [windows, iphone, tablet, mac] = await world.signedIn('alice', ...FOUR)
    await tablet.list()
    await tablet.click('Sign out all others')
    assert.deepEqual(await tablet.messages, ['3 other devices are signed out.'])
    assert.deepEqual(await tablet.list(), listOf(FOUR[2]))
    assert.equal(await tablet.page.getByRole('button', { name: 'Sign out all others' }).count(), 0)
    for (const other of [windows, iphone, mac]) assert.equal(await other.isSignedIn(), false)
    assert.deepEqual(await bob.list(), listOf('Firefox on Linux'))
  })

  test('a new password signs out the rest', async () => {
    const [windows, iphone, tablet, mac] = await world.signedIn('alice', ...FOUR)
    const before = await mac.cookies()
    await mac.changePassword('not-her-password', 'a-new-password')
    assert.equal(await mac.page.getByRole('alert').textContent(), 'This is not your present password.')
    await mac.changePassword(PASSWORDS.alice, 'short')
    assert.equal(await mac.page.getByRole('alert').textContent(), 'Please take 8 characters or more.')
    assert.equal((await windows.list()).length, 4, 'a refused change changes nothing')

    await mac.changePassword(PASSWORDS.alice, 'a-new-password')
    try {
      assert.deepEqual(await mac.messages, ['Your password is changed. 3 other devices are signed out.'])
      assert.notEqual((await mac.cookies())[0].value, before[0].value, 'this session has a new id')
      const thief = await world.browser('Firefox on Linux')
      await thief.context.addCookies(before)
      for (const other of [windows, iphone, tablet, thief]) assert.equal(await other.isSignedIn(), false)
      assert.deepEqual(await mac.list(), listOf(FOUR[3]))
      await windows.signIn('alice')
      assert.equal(await windows.heading, 'Sign in', 'the old password is good for nothing')
      await windows.signIn('alice', 'a-new-password')
      assert.deepEqual(await windows.list(), listOf(FOUR[0], FOUR[3]))
    } finally {
      await mac.changePassword('a-new-password', PASSWORDS.alice) // for the tests that come
    }
    assert.equal(await windows.isSignedIn(), false)
  })

  test('signing out ends this device alone, and going back shows nothing', async () => {
    const [windows, iphone] = await world.signedIn('alice', FOUR[0], FOUR[1])
    const [cookie] = await windows.cookies()
    await windows.click('Sign out')
    assert.deepEqual([await windows.heading, await windows.messages], ['Sign in', ['You are signed out.']])
    await windows.page.goBack()
    assert.equal(await windows.heading, 'Sign in')
    assert.deepEqual(await iphone.list(), listOf(FOUR[1]))

    // Somebody who has kept the cookie has kept nothing.
    await windows.context.addCookies([cookie])
    assert.equal(await windows.isSignedIn(), false)
  })

  test('a message is shown once', async () => {
    const [windows] = await world.signedIn('alice', FOUR[0], FOUR[1])
    await windows.list()
    await windows.click('Sign out all others')
    assert.deepEqual(await windows.messages, ['1 other device is signed out.'])
    await windows.page.reload()
    assert.deepEqual(await windows.messages, [])
  })

  test('signing in changes the id of the session', async () => {
    const browser = await world.browser()
    await browser.open('/sign-in/')
    const [before, ...none] = await browser.cookies()
    assert.deepEqual(none, [], 'one cookie')
    await browser.signIn('alice')
    const [after] = await browser.cookies()
    assert.notEqual(after.value, before.value)

    // A second browser with the id from before the sign-in, whoever had planted it.
    const other = await world.browser('Firefox on Linux')
    await other.context.addCookies([before])
    assert.equal(await other.isSignedIn(), false)
  })

  test('all user agents have names, and none gets into a page as it is', async () => {
    for (const device of Object.keys(AGENTS)) {
      const [browser] = await world.signedIn('alice', device)
      assert.deepEqual(await browser.list(), listOf(device))
      await browser.click('Sign out')
    }
  })

  twoTabs(world)
}

/** Two tabs of one browser while it signs in: whichever answer comes last, the browser is signed in. */
function twoTabs(world) {
  for (const path of ['/sign-in', '/devices']) {
    for (const first of ['sign-in', path]) {
      test(`two tabs, one signs in, the other opens ${path}: the answer to ${first} comes first`, () =>
        cross(world, path, first))
    }
  }

  test('two tabs that sign in at once are both signed in', async () => {
    const browser = await world.browser()
    const tab = await browser.tab()
    for (const page of [browser.page, tab]) {
      await page.goto('/sign-in/')
      await page.getByLabel('Name').fill('alice')
      await page.getByLabel('Password').fill(PASSWORDS.alice)
    }
    // The first sign-in is carried out; before its answer arrives, the second one comes with the old cookie.
    const first = world.proxy.hold('answer', 'POST', '/sign-in')
    const clicked = browser.click('Sign in')
    await first.reached
    await browser.submit(tab.getByRole('button', { name: 'Sign in' }), tab)
    assert.equal(await tab.locator('h1').innerText(), 'My devices')
    first.release()
    await clicked
    assert.equal(await browser.heading, 'My devices')
    await tab.reload()
    assert.equal(await tab.locator('h1').innerText(), 'My devices')
  })

  test('the old id is good for nothing once the grace is over', async () => {
    const browser = await world.browser()
    await browser.open('/sign-in/')
    const [before] = await browser.cookies()
    await browser.signIn('alice')
    // Ending the grace now instead of waiting ten seconds: the snapshot is the key that has one.
    for (const key of await world.redis.keys()) {
      const { grace } = await world.redis.client.sendCommand(['SESSION.INFO', key])
      if (grace !== null) await world.redis.client.del(key)
    }
    const other = await world.browser('Firefox on Linux')
    await other.context.addCookies([before])
    assert.equal(await other.isSignedIn(), false)
    assert.deepEqual(await browser.list(), listOf('Firefox on Windows'))
  })
}

async function cross(world, path, first) {
  const browser = await world.browser()
  const tab = await browser.tab()
  await browser.open('/sign-in/')
  await browser.fillIn({ Name: 'alice', Password: PASSWORDS.alice })

  // The other tab's request is on its way with the old cookie; the sign-in is carried out; only then does the site see the
  // other tab's request.
  const asked = world.proxy.hold('request', 'GET', path)
  const signedIn = world.proxy.hold('answer', 'POST', '/sign-in')
  const opened = tab.goto(`${path}/?tab`) // Chromium asks for one address once at a time
  await asked.reached
  const clicked = browser.click('Sign in')
  await signedIn.reached
  const both = [
    [signedIn, clicked],
    [asked, opened],
  ]
  for (const [held, done] of first === 'sign-in' ? both : both.reverse()) {
    held.release()
    await done
  }

  assert.deepEqual(await browser.list(), listOf('Firefox on Windows'))
  await tab.goto('/devices/')
  assert.equal(await tab.locator('h1').innerText(), 'My devices')
  assert.equal((await browser.cookies()).length, 1)
}
