// What no page and no log may hold, and what each answer must say. These look at all that the tests before them have left.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PASSWORDS } from './browser.js'
import { freePort, Site } from './site.js'

const SESSION_COOKIES = ['sid', 'sessionid']

/** Every cookie that the site has set: name, value, attributes. */
function cookiesOf(answers) {
  return answers
    .flatMap(({ headers }) => headers['set-cookie'] ?? [])
    .map((line) => {
      const [pair, ...attributes] = line.split('; ')
      const [, name, value] = pair.match(/^(.*?)=(.*)$/)
      return { name, value, attributes }
    })
}

/** A cookie's value as it travels, as it reads, and the id in it (Express signs it: "s:<id>.<signature>"). */
function readings(value) {
  const read = decodeURIComponent(value)
  return [value, read, read.replace(/^s:/, '').split('.')[0]]
}

export function secrets(world) {
  test('no id, key or cookie is in a page, an address or the log', () => {
    const { answers } = world.proxy
    const cookies = cookiesOf(answers).filter(({ value }) => value.length > 2) // '""' deletes one
    const secret = new Set([
      ...world.secrets,
      ...cookies.flatMap(({ value }) => readings(value)),
      ...Object.values(PASSWORDS),
    ])
    assert.ok(answers.length > 100 && world.secrets.size > 20 && cookies.length > 20, 'there is something to search')
    assert.ok(
      [...secret].every((text) => text.length > 10),
      'nothing that could stand there by chance',
    )

    const isNote = /password\s+<code>.*?<\/code>.*<code>bob<\/code> with <code>.*?<\/code>/s // it tells the demonstration's passwords
    for (const { method, path, headers, body } of answers) {
      const seen = [path, headers.location ?? '', body.replace(isNote, '')].join('\n')
      for (const text of secret) assert.ok(!seen.includes(text), `${text} in the answer to ${method} ${path}`)
    }
    assert.match(world.site.log, /POST \/devices/, 'the log tells what was done')
    for (const text of secret) assert.ok(!world.site.log.includes(text), `${text} in the log`)
  })

  test('there is one cookie, for the server alone, not sent from other sites', () => {
    const cookies = cookiesOf(world.proxy.answers)
    assert.ok(cookies.length > 0)
    for (const { name, attributes } of cookies) {
      assert.ok(SESSION_COOKIES.includes(name), name)
      const names = attributes.map((one) => one.toLowerCase())
      assert.ok(names.includes('samesite=lax') && names.includes('path=/'), `${name}: ${attributes}`)
      assert.ok(names.includes('httponly') || names.includes('max-age=0'), `${name}: ${attributes}`)
      assert.ok(!names.some((one) => one.startsWith('domain=')), `${name}: ${attributes}`)
    }
  })

  test('each page says what a browser may do with it', () => {
    const pages = world.proxy.answers.filter(({ headers }) => headers['content-type']?.startsWith('text/html'))
    assert.ok(pages.some(({ status }) => status === 503) && pages.some(({ status }) => status === 403))
    for (const { path, status, headers } of pages) {
      const page = `${path} (${status})`
      assert.match(
        headers['content-security-policy'] ?? '',
        /^default-src 'none'; style-src 'self'; img-src 'self';/,
        page,
      )
      assert.doesNotMatch(headers['content-security-policy'], /unsafe|script-src|\*|data:/, page)
      assert.match(headers['content-security-policy'], /frame-ancestors 'none'/, page)
      assert.equal(headers['x-content-type-options'], 'nosniff', page)
      assert.equal(headers['referrer-policy'], 'same-origin', page)
      assert.match(headers['cache-control'] ?? '', /no-store/, page)
      assert.equal(headers['x-powered-by'], undefined, page)
    }
  })

  test('behind a proxy that speaks HTTPS, the cookie is for HTTPS alone', async () => {
    const site = await Site.start(world.site.name, world.redis, { TRUST_PROXY: '1' })
    try {
      const { headers } = await fetch(`${site.origin}/sign-in/`, { headers: { 'X-Forwarded-Proto': 'https' } })
      const cookies = headers.getSetCookie()
      assert.equal(cookies.length, 1)
      assert.match(cookies[0], /; Secure/i)
    } finally {
      await site.stop()
    }
  })

  test('its script starts a Redis server, too, and ends it', async () => {
    const site = await Site.start(world.site.name, undefined, { EXAMPLE_REDIS_PORT: await freePort() })
    try {
      const answer = await fetch(`${site.origin}/sign-in/`)
      assert.equal(answer.status, 200)
      assert.match(await answer.text(), /<h1>Sign in<\/h1>/)
    } finally {
      await site.stop()
    }
  })
}
