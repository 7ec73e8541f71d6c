/** Does what the README says, from an empty folder. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { RedisStore } from 'connect-redis'
import { RedisSessionStore } from '../src/index.js'
import { Browser } from './browser.js'
import { flavours } from './clients.js'
import { freePort, type Server, startServer, until } from './server.js'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The blocks of a language in a chapter. */
function blocks(chapter: string, language: string): string[] {
  const text = readme.split(/^## /m).find((part) => part.startsWith(chapter))
  assert.ok(text, `the README has a chapter "${chapter}"`)
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, block]) => block!)
}

let server: Server
let folder: string
before(async () => {
  server = await startServer()
  folder = mkdtempSync(join(tmpdir(), 'session-readme-'))
})
after(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

test('from an empty folder to "my devices"', async () => {
  const [install, start] = blocks('Five minutes', 'sh')
  const [app] = blocks('Five minutes', 'js')
  const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root })
  const { filename } = Object.values(JSON.parse(packed.stdout))[0] as { filename: string }
  // The package as it is here, in place of the one that npm has; and no look-ups for what is in npm's cache.
  const commands = install!.replace('redis-session-client', `./${filename} --prefer-offline --no-audit --no-fund`)
  await run('sh', ['-ec', commands], { cwd: folder })
  writeFileSync(join(folder, 'app.mjs'), app!)
  const port = await freePort()
  const [program, ...args] = start!.trim().split(' ')
  const site = spawn(program!, args, {
    cwd: folder,
    env: { ...process.env, PORT: String(port), REDIS_URL: server.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    let output = ''
    site.stdout.on('data', (data) => {
      output += data
    })
    await until(() => output.includes(`http://localhost:${port}\n`), 'the site is up')
    await signingInAndOut(`http://127.0.0.1:${port}`)
  } finally {
    site.kill()
  }
})

async function signingInAndOut(origin: string): Promise<void> {
  const agents = ['Firefox', 'Safari', '<b>Chromium</b>']
  const browsers = agents.map(() => new Browser(origin))
  const [firefox, safari, chromium] = browsers as [Browser, Browser, Browser]
  for (const [i, browser] of browsers.entries()) {
    const headers = { 'user-agent': agents[i]! }
    assert.match((await browser.get('/', { headers })).text, /action="\/sign-in".*name="user".*Sign in/)
    await browser.get('/sign-in', { method: 'POST', headers, body: new URLSearchParams({ user: 'alice' }) })
  }
  const page = async (browser: Browser) => (await browser.get('/devices')).text
  const listed = await page(firefox)
  assert.equal(listed.match(/<li>/g)!.length, 3)
  assert.match(listed, /<li>Firefox, [^<]*<b>this one<\/b>/)
  assert.ok(!listed.includes('<b>Chromium'))

  const [, handle] = /<li>Safari.*?value="([^"]+)"/.exec(listed)!
  const body = new URLSearchParams({ handle: handle! })
  await firefox.get('/sign-out', { method: 'POST', body })
  assert.equal((await safari.get('/devices')).status, 302)
  assert.match((await safari.get('/')).text, /Sign in/)
  assert.equal((await page(chromium)).match(/<li>/g)!.length, 2)

  await chromium.get('/sign-out-others', { method: 'POST' })
  assert.equal((await firefox.get('/devices')).status, 302)
  assert.equal((await page(chromium)).match(/<li>/g)!.length, 1)
}

test('moving in from connect-redis, and back', async () => {
  const { client, close } = await flavours[2]!.single(server)
  const [moveIn, moveBack] = blocks('Moving in', 'js')
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor
  const connectRedisStore = new RedisStore({ client })
  await connectRedisStore.set('sid', { cookie: { originalMaxAge: 60_000 }, user: 'alice' })
  const make = new AsyncFunction('client', 'RedisSessionStore', `${moveIn}\nreturn store`)
  const store = await make(client, RedisSessionStore)
  assert.equal((await store.get('sid')).user, 'alice')
  assert.equal(await connectRedisStore.get('sid'), null)
  await new AsyncFunction('store', 'connectRedisStore', moveBack!)(store, connectRedisStore)
  assert.equal(((await connectRedisStore.get('sid')) as { user?: string }).user, 'alice')
  assert.equal(await store.length(), 0)
  close()
})

test('every option and method has its line', () => {
  const options = readFileSync(join(root, 'src/options.ts'), 'utf8')
  const names = [...options.matchAll(/^ {2}(\w+)\??:|'(\w+)'/gm)].map(([, one, other]) => (one ?? other)!)
  for (const name of new Set([...names, 'client', 'prefix'])) {
    if (['merge', 'replace', 'ignore', 'error'].includes(name)) continue
    assert.ok(readme.includes(`| \`${name}\` |`), name)
  }
  for (const name of ['sessions', 'signOut', 'signOutAll', 'rotate', 'update', 'ready']) {
    assert.match(readme, new RegExp(`\\| \`${name}\\(`), name)
  }
  const codes = readFileSync(join(root, 'src/errors.ts'), 'utf8').matchAll(/^ {2}\| '(SESSION\w+)'/gm)
  for (const [, code] of codes) assert.ok(readme.includes(`| \`${code}\` |`), code)
})

test('what the README of the whole shows', async () => {
  const whole = readFileSync(join(root, '../../README.md'), 'utf8')
  const [, example] = whole.match(/^```javascript\n(.*?)^```/ms)!
  const [setUp, ...calls] = example!.replace(/^import .*$/m, '').split(/^(?=await )/m)
  const { client, close } = await flavours[0]!.single(server)
  const used: { store?: unknown }[] = []
  const app = { use: (middleware: object) => used.push(middleware) }
  const make = new Function('RedisSessionStore', 'client', 'secret', 'app', 'session', `${setUp}; return store`)
  const store: RedisSessionStore = make(RedisSessionStore, client, 'of a test', app, (options: object) => options)
  assert.equal(used[0]!.store, store)

  const ids = ['the-one-that-asks', 'another-one-of-hers']
  for (const id of ids) await store.set(id, { user: 'whoever', cookie: { originalMaxAge: 60_000 } })
  const req = { sessionID: ids[0], session: { user: 'whoever' } }
  const answers = calls.map((call) =>
    new Function('store', 'req', `return ${call.replace('await ', '').trim()}`)(store, req),
  )
  const [devices, ended] = await Promise.all(answers)
  assert.deepEqual(devices.map(({ current }: { current: boolean }) => current).sort(), [false, true])
  assert.equal(ended, 1)
  await close()
})
