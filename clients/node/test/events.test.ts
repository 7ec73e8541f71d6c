import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as redis6 from 'redis6'
import { betterAuthStorage } from '../src/better-auth.js'
import { Sessions } from '../src/core.js'
import { RedisSessionStore } from '../src/index.js'
import { type Client, flavours } from './clients.js'
import { listening } from './listening.js'
import { type Server, startServer, until } from './server.js'

const page = readFileSync(join(import.meta.dirname, '../../../docs/sockets.md'), 'utf8')
const PUBLISH = ['--notify-keyspace-events', 'Egxed']

/** Each library and version, in different protocols. */
const libraries = [flavours[0]!, flavours[3]!, flavours[4]!, flavours[7]!]

for (const library of libraries) {
  describe(`sessionEvents, one server, ${library.name}`, () => {
    let server: Server
    let opened: Client
    const run = (...args: string[]) => server.command(...args)

    before(async () => {
      server = await startServer({ args: [...PUBLISH, '--enable-debug-command', 'yes'] })
      opened = await library.single(server)
    })
    after(async () => {
      opened.close()
      await server.close()
    })

    test('tells which of the watched sessions ended, and why', async () => {
      const { events, reasons, twice } = await listening(opened)
      for (const key of ['out', 'revoked', 'short', 'gone', 'moved', 'old', 'oldgrace', 'stays', 'unwatched']) {
        await run('SESSION.SET', key, 'USER', key)
        events.watch(key)
      }
      events.unwatch('unwatched')
      await run('SESSION.SET', 'short', 'PX', '200')
      await run('SESSION.DEL', 'out', 'unwatched')
      await run('SESSION.REVOKE', 'revoked')
      await run('DEL', 'gone')
      await run('RENAME', 'moved', 'elsewhere')
      await run('SESSION.ROTATE', 'old', 'new')
      await run('SESSION.ROTATE', 'oldgrace', 'newgrace', 'GRACE', '10')
      await run('SESSION.TOUCH', 'stays')
      await until(() => reasons.size === 7, 'seven ends')
      assert.deepEqual(Object.fromEntries(reasons), {
        out: 'signed-out',
        revoked: 'revoked',
        short: 'expired',
        gone: 'deleted',
        moved: 'deleted',
        old: 'rotated',
        oldgrace: 'rotated',
      })
      assert.deepEqual(twice, [])
      await events.return()
    })

    test('does not take the new key of a rotation for one that ended', async () => {
      const { events, reasons } = await listening(opened)
      for (let i = 0; i < 20; i++) {
        await run('SESSION.SET', `login:${i}`)
        await run('SESSION.ROTATE', `login:${i}`, `user:${i}`, 'USER', 'alice', ...(i % 2 ? ['GRACE', '10'] : []))
        events.watch(`user:${i}`)
      }
      await run('SESSION.DEL', 'user:0')
      await until(() => reasons.has('user:0'))
      await sleep(50)
      assert.deepEqual([...reasons], [['user:0', 'signed-out']])
      await events.return()
    })

    test('reports a session that ended before it was watched, and the snapshot of a rotated one', async () => {
      const { events, reasons } = await listening(opened)
      await run('SESSION.SET', 'early')
      await run('SESSION.ROTATE', 'early', 'late', 'GRACE', '10')
      events.watch('early')
      events.watch('never')
      await until(() => reasons.size === 2)
      assert.deepEqual(Object.fromEntries(reasons), { early: 'rotated', never: 'unknown' })
      await events.return()
    })

    test('knows a deadline without the server, which removes sessions when it has the time', async () => {
      await run('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
      try {
        const { events, reasons } = await listening(opened)
        await run('SESSION.SET', 'quiet', 'PX', '300')
        events.watch('quiet')
        await sleep(150)
        await run('SESSION.TOUCH', 'quiet')
        await until(() => reasons.has('quiet'))
        assert.equal(reasons.get('quiet'), 'expired')
        await events.return()
      } finally {
        await run('DEBUG', 'SET-ACTIVE-EXPIRE', '1')
      }
    })

    test('reports sessions that the server evicts', async () => {
      const { events, reasons } = await listening(opened)
      for (let i = 0; i < 50; i++) {
        await run('SESSION.SET', `big:${i}`, 'FIELDS', '1', 'data', 'x'.repeat(20_000))
        events.watch(`big:${i}`)
      }
      await run('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random')
      await run('CONFIG', 'SET', 'maxmemory', '1mb')
      await run('SET', 'filler', 'x').catch(() => undefined)
      await until(() => reasons.size > 0)
      await run('CONFIG', 'SET', 'maxmemory', '0')
      assert.ok(
        [...reasons.values()].every((reason) => reason === 'evicted'),
        String([...reasons.values()]),
      )
      await events.return()
    })

    test('misses none of those that end while the connection is cut', async () => {
      const { events, reasons, twice } = await listening(opened)
      const keys = Array.from({ length: 100 }, (_, i) => `cut:${i}`)
      for (const key of keys) {
        await run('SESSION.SET', key)
        events.watch(key)
      }
      // One transaction cuts the connection and ends sessions, so that nobody can be told of them.
      const client = redis6.createClient({ url: server.url, RESP: 2 })
      await client.connect()
      const cut = client.multi().addCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub'])
      for (const key of keys.slice(0, 50)) cut.addCommand(['SESSION.DEL', key])
      await cut.exec()
      client.destroy()
      await until(() => reasons.size === 50, 'fifty ends')
      assert.deepEqual([...reasons.keys()].sort(), keys.slice(0, 50).sort())
      // It listens again.
      await run('SESSION.DEL', ...keys.slice(50))
      await until(() => reasons.size === 100, 'all ends')
      assert.deepEqual(new Set([...reasons.values()].slice(50)), new Set(['signed-out']))
      assert.deepEqual(twice, [])
      await events.return()
    })

    test('tells each end once, and no other, whatever happens to connections', async () => {
      const { events, reasons, twice } = await listening(opened, { interval: 200 })
      const ended = new Set<string>()
      const alive = new Set<string>()
      for (let n = 0; n < 300; n++) {
        const key = `random:${n}`
        await run('SESSION.SET', key, 'USER', key)
        events.watch(key)
        const ends = [
          ['SESSION.DEL', key],
          ['SESSION.REVOKE', key],
          ['DEL', key],
          ['SESSION.SET', key, 'PX', '30'],
          ['SESSION.ROTATE', key, `${key}:new`],
          ['SESSION.ROTATE', key, `${key}:new`, 'GRACE', '5'],
        ]
        const choice = Math.floor(Math.random() * (ends.length + 3))
        if (n % 20 === 19) await run('CLIENT', 'KILL', 'TYPE', n % 40 === 39 ? 'normal' : 'pubsub', 'SKIPME', 'yes')
        // What ends is ended while it is asked for, while it is told of, or long after.
        if (Math.random() < 0.5) await sleep(Math.random() * 10)
        await run(...(ends[choice] ?? ['SESSION.TOUCH', key]))
        if (ends[choice]) ended.add(key)
        else alive.add(key)
      }
      await until(() => reasons.size >= ended.size, 'all ends')
      await sleep(500)
      assert.deepEqual([...reasons.keys()].sort(), [...ended].sort())
      assert.deepEqual(twice, [])
      for (const key of alive) await run('SESSION.DEL', key)
      await until(() => reasons.size === 300, 'the last ends')
      await events.return()
    })

    test('watches by session ids, whatever a store makes of them', async () => {
      const stores = [
        new RedisSessionStore({ client: opened.client, prefix: 'plain:' }),
        new RedisSessionStore({ client: opened.client, prefix: 'hashed:', hashKeys: true }),
        betterAuthStorage(opened),
        new Sessions(opened),
      ]
      for (const [n, store] of stores.entries()) {
        const sessions = 'core' in store ? store.core : store
        const { events, reasons } = await listening(opened, { store })
        const { id } = await sessions.create({}, { user: 'alice' })
        events.watch(id)
        await sleep(20)
        assert.equal(await sessions.signOutAll('alice'), 1)
        await until(() => reasons.has(id), `the session of store ${n}`)
        assert.equal(reasons.get(id), 'revoked')
        await events.return()
      }
    })

    test('works for a user with no more rights than the page says', async () => {
      const [, rights] = /A user with limited rights needs `([^`]*)`/.exec(page)!
      await run('ACL', 'SETUSER', 'sockets', 'on', '>secret', '~*', '&__keyevent@0__:*', ...rights!.split(' '))
      const limited = opened.client.duplicate({ username: 'sockets', password: 'secret' })
      limited.on('error', () => {})
      if (library.name.startsWith('node-redis')) await limited.connect()
      const { events, reasons } = await listening({ client: limited, close: () => {} })
      await run('SESSION.SET', 'seen')
      events.watch('seen')
      await run('SESSION.DEL', 'seen')
      await until(() => reasons.has('seen'))
      assert.equal(reasons.get('seen'), 'signed-out')
      await events.return()
      limited.disconnect()
    })

    test('closes its connections and leaves the client alone', async () => {
      const listeners = async () => String(await run('CLIENT', 'LIST', 'TYPE', 'pubsub')).trim()
      const { events, done } = await listening(opened)
      assert.notEqual(await listeners(), '')
      await events.return()
      await done
      await until(async () => (await listeners()) === '', 'nobody listens')
      assert.deepEqual(await events.next(), { done: true, value: undefined })
      const again = await listening(opened)
      await again.events.return()
    })
  })
}
