/** Runs the programs of the pages in docs/ that stand for one framework each, and uses them as browsers do. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { Browser } from './browser.js'
import { freePort, type Server, startServer, until } from './server.js'

const root = join(import.meta.dirname, '..')
const docs = join(root, '../../docs')

/** The first program of a page, with the packages that are tested in place of those that a reader installs. */
function programOf(page: string): string {
  const [, text] = /^```js\n(.*?)^```/ms.exec(readFileSync(join(docs, page), 'utf8'))!
  return text!
    .replace("'redis'", "'redis6'")
    .replace(/'redis-session-client(\/([\w-]+))?'/g, (_, __, name) => `'../src/${name ?? 'index'}.js'`)
}

describe('the programs of the pages', () => {
  let server: Server
  before(async () => {
    server = await startServer({ args: ['--notify-keyspace-events', 'Egxed'] })
  })
  after(() => server.close())

  async function withProgram(page: string, use: (port: number) => Promise<void>): Promise<void> {
    const file = join(root, 'test', `.${page}-${process.pid}.mjs`)
    const port = await freePort()
    writeFileSync(file, programOf(page))
    const env = { ...process.env, REDIS_URL: server.url, PORT: String(port), SECRET: randomBytes(24).toString('hex') }
    const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', file], { env, cwd: root, stdio: 'inherit' })
    try {
      // Its compiler may take a while on a busy machine: the test's own limit is what counts.
      while (!(await fetch(`http://localhost:${port}/`).catch(() => false))) {
        if (child.exitCode !== null) throw new Error(`The program of ${page} ended`)
        await sleep(50)
      }
      await use(port)
    } finally {
      if (child.exitCode === null) {
        child.kill()
        await once(child, 'exit')
      }
      rmSync(file, { force: true })
    }
  }

  for (const [page, ended] of [
    ['koa.md', 1],
    ['fastify.md', 1],
  ] as const) {
    test(page, () =>
      withProgram(page, async (port) => {
        const [phone, laptop] = [new Browser(`http://localhost:${port}`), new Browser(`http://localhost:${port}`)]
        assert.deepEqual(await phone.json('/'), { visits: 1 })
        assert.deepEqual(await phone.json('/'), { visits: 2 })
        for (const browser of [phone, laptop]) assert.equal((await browser.get('/login')).text, 'welcome')
        const devices = await phone.json('/devices')
        assert.deepEqual(devices.map(({ current }: { current: boolean }) => current).sort(), [false, true])
        if (page === 'koa.md') assert.deepEqual(devices[0].device, { agent: 'Firefox' })
        assert.deepEqual(await phone.json('/sign-out-others'), { ended })
        assert.equal((await phone.json('/devices')).length, 1)
        assert.deepEqual(await laptop.json('/'), { visits: 1 })
        if (page === 'koa.md') assert.equal((await phone.get('/logout')).text, 'bye')
        else assert.equal((await phone.get('/remember')).text, 'for a month')
        await server.command('FLUSHALL')
      }),
    )
  }

  test('better-auth.md', () =>
    withProgram('better-auth.md', async (port) => {
      const headers = { 'content-type': 'application/json', origin: `http://localhost:${port}` }
      const body = JSON.stringify({ email: 'alice@example.org', password: 'correct horse', name: 'Alice' })
      const url = `http://localhost:${port}/api/auth/sign-up/email`
      const response = await fetch(url, { method: 'POST', headers, body })
      assert.equal(response.status, 200)
      const { user } = (await response.json()) as { user: { id: string } }
      assert.equal(await server.command('SESSION.COUNT', user.id), 1)
    }))

  test('sockets.md', () =>
    withProgram('sockets.md', async (port) => {
      const browser = new Browser(`http://localhost:${port}`)
      await browser.get('/login')
      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const socket = new WebSocket(`ws://localhost:${port}/`, { headers: { cookie } })
      await once(socket, 'open')
      const key = `sess:${decodeURIComponent(cookie).split(/s:|\./)[2]}`
      const left = async () => Number(await server.command('PTTL', key))
      const before = await left()
      assert.ok(before > 0)
      await until(async () => (await left()) < before - 50, 'some of its time is over')
      socket.send('hello')
      const [text] = await once(socket, 'message')
      assert.equal(String(text), 'you said hello')
      await until(async () => (await left()) > before - 50, 'a message keeps the session alive')
      await server.command('SESSION.REVOKE', 'alice')
      const [code, reason] = await once(socket, 'close')
      assert.deepEqual([code, String(reason)], [4401, 'revoked'])
      const stranger = new WebSocket(`ws://localhost:${port}/`, { headers: { cookie } })
      const [error] = await once(stranger, 'error')
      assert.match(String(error), /401/)
    }))
})
