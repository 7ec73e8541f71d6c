// What somebody tries who has no right to: forged handles, other people's handles, forms from elsewhere.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'

const TWO = ['Firefox on Windows', 'Safari on iPhone']

export function attacks(world) {
  test("forged handles and other people's change nothing and are answered politely", async () => {
    const [bob] = await world.signedIn('bob', 'Firefox on Linux', 'Edge on macOS')
    const [alice, phone] = await world.signedIn('alice', ...TWO)
    await bob.list()
    const bobs = await bob.handle.getAttribute('value')
    await alice.list()
    const own = await alice.handle.getAttribute('value')
    const forged = [
      bobs,
      ...(await world.redis.keys()),
      '',
      own.slice(1),
      `${own}x`,
      own.toUpperCase(),
      '*',
      '../..',
      "' OR 1=1",
      '\u0000',
      'é'.repeat(1000),
      undefined,
    ]
    for (const handle of forged) {
      await alice.list()
      await alice.forge(handle)
      assert.equal(await alice.heading, 'My devices', `with ${handle}`)
      assert.deepEqual(await alice.messages, ['That device was signed out already.'], `with ${handle}`)
    }
    assert.equal((await alice.list()).length, 2)
    assert.equal((await phone.list()).length, 2)
    assert.equal((await bob.list()).length, 2)
  })

  test('a form without the token of its session is refused', async () => {
    const [bob] = await world.signedIn('bob', 'Firefox on Linux')
    const [alice, phone] = await world.signedIn('alice', ...TWO)
    await bob.open('/devices/')
    const token = bob.page.locator('input[name^=csrf]').first()
    const stolen = { [await token.getAttribute('name')]: await token.getAttribute('value') }
    await alice.list()
    const device = { [await alice.handle.getAttribute('name')]: await alice.handle.getAttribute('value') }
    const actions = await alice.page
      .locator('form')
      .evaluateAll((forms) => forms.map((form) => form.getAttribute('action')))
    assert.equal(new Set(actions).size, 3, 'sign out, sign out one, sign out all others')

    for (const action of [...new Set(actions), '/password/']) {
      for (const form of [device, { ...device, ...stolen }]) {
        const answer = await alice.post(action, form)
        assert.equal(answer.status(), 403, action)
        assert.match(await answer.text(), /<h1>This form is out of date<\/h1>/)
      }
    }
    assert.equal((await alice.list()).length, 2)
    assert.equal((await phone.list()).length, 2)
  })

  test('nobody is signed in by a form without a token', async () => {
    const browser = await world.browser()
    await browser.open('/sign-in/')
    const answer = await browser.post('/sign-in/', { name: 'bob', username: 'bob', password: 'bricks-and-mortar' })
    assert.equal(answer.status(), 403)
    assert.equal(await browser.isSignedIn(), false)
  })

  test("another site's form does nothing, and does not even bring the cookie", async () => {
    const [alice, phone] = await world.signedIn('alice', ...TWO)
    await alice.open('/devices/')
    const others = await alice.page.locator('form', { hasText: 'Sign out all others' }).getAttribute('action')
    const page = `<form method="post" action="${world.proxy.origin}${others}"><button>You have won</button></form>`
    const server = createServer((_, res) => res.setHeader('Content-Type', 'text/html').end(page)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      // Another host name is another site to a browser.
      await alice.open(`http://localhost:${server.address().port}/`)
      const before = world.proxy.answers.length
      await alice.click('You have won')
      assert.notEqual(await alice.heading, 'My devices')
      assert.equal(world.proxy.answers[before].method, 'POST')
      assert.notEqual(world.proxy.answers[before].status, 200)
    } finally {
      server.close()
      server.closeAllConnections()
    }
    assert.equal((await alice.list()).length, 2)
    assert.equal((await phone.list()).length, 2)
  })

  test('links do nothing: what changes something is a form', async () => {
    const [alice, phone] = await world.signedIn('alice', ...TWO)
    await alice.open('/devices/')
    const actions = await alice.page
      .locator('form')
      .evaluateAll((forms) => forms.map((form) => form.getAttribute('action')))
    for (const action of new Set(actions)) {
      const answer = await alice.context.request.get(action)
      assert.ok([404, 405].includes(answer.status()), `${action}: ${answer.status()}`)
    }
    assert.equal((await alice.list()).length, 2)
    assert.equal((await phone.list()).length, 2)
  })

  test('made-up cookies are nobody', async () => {
    const browser = await world.browser()
    await browser.open('/sign-in/')
    const [cookie] = await browser.cookies()
    for (const value of [
      'x',
      'a'.repeat(32),
      cookie.value.slice(0, -1),
      `${cookie.value}x`,
      '..%2F..',
      '%00',
      'a'.repeat(3000),
    ]) {
      await browser.context.addCookies([{ ...cookie, value }])
      assert.equal(await browser.isSignedIn(), false, value)
      assert.equal(await browser.heading, 'Sign in', value)
    }
  })
}
