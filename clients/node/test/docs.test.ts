/** Runs the examples of docs/express.md: each in the scope of a site that has a client and a store. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { RedisSessionStore } from '../src/index.js'
import { flavours } from './clients.js'
import { type Server, startServer } from './server.js'

const root = join(import.meta.dirname, '..')
const page = readFileSync(join(root, '../../docs/express.md'), 'utf8')
const file = join(root, 'test', `.docs-${process.pid}.mjs`)

let server: Server
before(async () => {
  server = await startServer({ args: ['--notify-keyspace-events', 'Egxed'] })
})
after(async () => {
  rmSync(file, { force: true })
  await server.close()
})

/** What the examples take for granted. */
const SITE = `
import express from 'express'
import createFastify from 'fastify'
import Koa from 'koa'
import { createClient as createSiteClient } from 'redis6'
import { RedisSessionStore as Store } from '../src/index.js'
const site = createSiteClient({ url: process.env.REDIS_URL })
await site.connect()
const checkPassword = async () => ({ id: 'alice' })
const changePassword = async () => {}
const sid = 'the session of a socket'
await new Store({ client: site }).set(sid, { cookie: {} })
async function example(run) {
  const opened = await run({ client: site, store: new Store({ client: site }), app: express(), fastify: createFastify(), koa: new Koa() })
  opened?.disconnect?.()
}
`

/** Each example in a function of its own; its imports, which stand at the top, as what they are called there. */
function program(examples: string[]): string {
  const imports = new Set<string>()
  const functions = examples.map((text) => {
    const body = text.replace(/^import .*\n/gm, (line) => {
      imports.add(line.replace("'redis'", "'redis6'").replace("'ioredis'", "'ioredis6'"))
      return ''
    })
    const declared = [...body.matchAll(/^const (\w+) =/gm)].map(([, name]) => name!)
    const names = ['client', 'store', 'app', 'fastify', 'koa'].filter((name) => !declared.includes(name))
    const result = declared.includes('client') ? 'return client' : ''
    return `await example(async ({ ${names.join(', ')} }) => {\n${body}\n${result}\n})`
  })
  const lines = [...imports]
    .join('')
    .replace(/'redis-session-client(\/([\w-]+))?'/g, (_, __, name) => `'../src/${name ?? 'index'}.js'`)
  // Two frameworks have a plugin of the same name.
  const unique = lines.replace("import session from 'koa-session'", "import koaSession from 'koa-session'")
  return `${SITE}${unique}${functions.join('\n').replace('koa.use(session(', 'koa.use(koaSession(')}\nprocess.exit(0)\n`
}

test('the examples run, and print what they say', async () => {
  const examples = [...page.matchAll(/^```js\n(.*?)^```/gms)].map(([, text]) => text!)
  assert.ok(examples.length > 15)
  writeFileSync(file, program(examples))
  const env = { ...process.env, REDIS_URL: server.url, SECRET: 'x'.repeat(32) }
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], { env, cwd: root })
  const expected = [...page.matchAll(/^ *console\.log\(.*\) \/\/ (.*)$/gm)].map(([, text]) => text)
  assert.deepEqual(stdout.trim().split('\n'), expected)
})

test('a session is on the server what the page shows', async () => {
  const [, id, shown] = /SESSION\.GET sess:(\S+) JSON\n(".*")\n/.exec(page)!
  const { client, close } = await flavours[2]!.single(server)
  const cookie = { originalMaxAge: 1_800_000, httpOnly: true, path: '/', expires: new Date() }
  await new RedisSessionStore({ client }).set(id!, { cart: [17], user: 'alice', cookie })
  assert.equal(await server.command('SESSION.GET', `sess:${id}`, 'JSON'), JSON.parse(shown!))
  close()
})

test('links lead somewhere', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const anchors = (text: string) =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    )
  for (const [, anchor] of page.matchAll(/\]\(#([\w-]+)\)/g)) assert.ok(anchors(page).includes(anchor!), anchor)
  for (const [, anchor] of readme.matchAll(/\]\(#([\w-]+)\)/g)) assert.ok(anchors(readme).includes(anchor!), anchor)
  for (const [, anchor] of readme.matchAll(/docs\/express\.md#([\w-]+)/g))
    assert.ok(anchors(page).includes(anchor!), anchor)
})
