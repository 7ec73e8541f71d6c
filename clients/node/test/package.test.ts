/** The package as it is published: what is in it, and that it works in an empty folder. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { type Server, startServer } from './server.js'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')

let server: Server
let folder: string
before(async () => {
  server = await startServer()
  folder = mkdtempSync(join(tmpdir(), 'session-package-'))
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root })
  const packed = Object.values(JSON.parse(stdout))[0] as { filename: string }
  const installed = join(folder, 'node_modules', 'redis-session-client')
  mkdirSync(installed, { recursive: true })
  // What npm would unpack, without asking a registry for packages that we have.
  await run('tar', ['-xzf', join(folder, packed.filename), '-C', installed, '--strip-components', '1'])
  const names = { redis: 'redis6', ioredis: 'ioredis6', '@types': '@types', '@redis': '@redis' }
  for (const [name, from] of Object.entries(names))
    symlinkSync(join(root, 'node_modules', from), join(folder, 'node_modules', name))
  writeFileSync(join(folder, 'package.json'), '{"private": true}')
})
after(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const modules = ['.', './core', './koa', './fastify', './better-auth', './events']

const nameOf = (path: string) => join('redis-session-client', path)

function write(file: string, text: string): string {
  writeFileSync(join(folder, file), text)
  return file
}

const node = (...args: string[]) => run(process.execPath, args, { cwd: folder })

test('it holds what is built, the license and the README, and nothing else', () => {
  const installed = join(folder, 'node_modules', 'redis-session-client')
  assert.deepEqual(readdirSync(installed).sort(), ['LICENSE', 'README.md', 'dist', 'package.json'])
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  assert.deepEqual(Object.keys(manifest.exports), modules)
  assert.deepEqual(manifest.dependencies, undefined)
  for (const file of readdirSync(join(installed, 'dist/esm'), { recursive: true, encoding: 'utf8' })) {
    if (!/\.(c?js|ts|cts)$/.test(file)) continue
    assert.doesNotMatch(readFileSync(join(installed, 'dist/esm', file), 'utf8'), /\/work\/|\/root\/|\/tmp\//, file)
  }
})

const use = () => `
const client = createClient({ url: '${server.url}' })
await client.connect()
const store = new RedisSessionStore({ client })
await store.ready()
await store.set('a', { cookie: {}, n: 1 })
console.log((await store.get('a')).n, store instanceof EventEmitter)
client.destroy()
`

test('import and require work, without express-session', async () => {
  const text = use()
  const esm = write(
    'use.mjs',
    `import { EventEmitter } from 'node:events'\nimport { createClient } from 'redis'\n` +
      `import { RedisSessionStore } from 'redis-session-client'\n${text}`,
  )
  assert.equal((await node(esm)).stdout, '1 true\n')
  const cjs = write(
    'use.cjs',
    `const { EventEmitter } = require('node:events')\nconst { createClient } = require('redis')\n` +
      `const { RedisSessionStore } = require('redis-session-client')\n;(async () => {${text}})()`,
  )
  assert.equal((await node(cjs)).stdout, '1 true\n')
})

test('every entry loads both ways', async () => {
  const names = JSON.stringify(modules.map(nameOf))
  const esm = write('all.mjs', `for (const name of ${names}) console.log(Object.keys(await import(name)).length > 0)`)
  const cjs = write('all.cjs', `for (const name of ${names}) console.log(Object.keys(require(name)).length > 0)`)
  const expected = 'true\n'.repeat(modules.length)
  assert.deepEqual([(await node(esm)).stdout, (await node(cjs)).stdout], [expected, expected])
})

/** Copies a package and what it depends on. */
function copy(name: string): void {
  const [from, to] = [join(root, 'node_modules', name), join(folder, 'node_modules', name)]
  // Where it is not here it came along, in the folder of the package that needs it.
  if (!existsSync(from) || existsSync(to)) return
  cpSync(from, to, { recursive: true })
  const { dependencies = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'))
  for (const dependency of Object.keys(dependencies)) copy(dependency)
}

test('with express-session the store is one of its stores', async () => {
  copy('express-session')
  const text = `const store = new RedisSessionStore({ client: { isOpen: true, sendCommand() {} } })\nconsole.log(store instanceof session.Store)`
  const esm = `import session from 'express-session'\nimport { RedisSessionStore } from 'redis-session-client'\n${text}`
  const cjs = `const session = require('express-session')\nconst { RedisSessionStore } = require('redis-session-client')\n${text}`
  for (const file of [write('store.mjs', esm), write('store.cjs', cjs)]) {
    assert.equal((await node(file)).stdout, 'true\n')
  }
})

test('the types hold for programs of both kinds, with all checks', async () => {
  const program = `
import session from 'express-session'
import { createClient } from 'redis'
import { RedisSessionStore, SessionError, type Device } from 'redis-session-client'
import { Sessions } from 'redis-session-client/core'
declare module 'express-session' { interface SessionData { user: string } }
const client = createClient()
const store: session.Store = new RedisSessionStore<session.SessionData>({
  client, user: (session) => session.user, maxSessions: { count: 3, policy: 'lru' }, onGone: 'error',
})
session({ store, secret: 's' })
const devices: Promise<Device[]> = new RedisSessionStore({ client }).sessions('alice')
const sessions = new Sessions<{ cart: number[] }>({ client, idle: null })
sessions.load('id').then((session) => session?.data.cart.push(1))
// @ts-expect-error: no such policy
new RedisSessionStore({ client, maxSessions: { count: 3, policy: 'newest' } })
// @ts-expect-error: a number of numbers
sessions.create({ cart: ['x'] })
export { devices, SessionError }
`
  write('program.mts', program)
  write('program.cts', program)
  // The example of the page, in a site that has a client and an app.
  const page = readFileSync(join(root, '../../docs/express.md'), 'utf8')
  const [, example] = /^```ts\n(.*?)^```/ms.exec(page)!
  write(
    'example.mts',
    `${example}
declare const client: object
declare const app: { use(handler: unknown): void }
store.update('id', (session) => {
  session.cart = [...(session.cart ?? []), 1]
})
// @ts-expect-error: sessions hold no such thing
new RedisSessionStore<SessionData>({ client, user: (session) => session.nobody })
`,
  )
  const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--types', 'node']
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const checked = node(
    tsc,
    ...options,
    '--module',
    'nodenext',
    '--esModuleInterop',
    'program.mts',
    'program.cts',
    'example.mts',
  )
  await checked.catch((error) => assert.fail(error.stdout))
})
