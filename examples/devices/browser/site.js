// Starts what a test needs: a Redis server with the module, and a site by its own script. Each is ended by its process id.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, mkdtemp, open, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'

const { REPOSITORY, SESSION_MODULE, CLOCK_LIBRARY, REDIS_SERVER = 'redis-server' } = process.env

/** Waits until something holds, and says what if it never does. */
export async function until(what, holds, milliseconds = 20_000) {
  for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(25)) {
    const value = await holds()
    if (value) return value
  }
  throw new Error(`waited in vain until ${what}`)
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill()
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 20_000)
  const [code, signal] = await once(child, 'exit')
  clearTimeout(tooLong)
  if (signal === 'SIGKILL') throw new Error(`${child.spawnfile} did not end by itself (${code ?? signal})`)
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** A Redis server that can go away and come back with its data. */
export class Redis {
  env = process.env

  /** @param turnable whether `turnClock` is needed: the server runs with clock.c then */
  static async start({ turnable = false } = {}) {
    const redis = new Redis()
    redis.port = await freePort()
    redis.url = `redis://127.0.0.1:${redis.port}`
    redis.folder = await mkdtemp(join(tmpdir(), 'devices-'))
    if (turnable) await redis.#makeTurnable()
    await redis.up()
    return redis
  }

  async #makeTurnable() {
    this.clock = join(this.folder, 'clock')
    await this.#writeClock(0)
    this.env = { ...process.env, LD_PRELOAD: CLOCK_LIBRARY, CLOCK: this.clock }
  }

  /** Overwrites the eight bytes in place: the server has them mapped. */
  async #writeClock(seconds) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(Math.round(seconds)))
    const file = await open(this.clock, constants.O_RDWR | constants.O_CREAT)
    await file.write(bytes, 0, 8, 0)
    await file.close()
  }

  /** Turns the server's clock to so many seconds after now, or before. */
  async turnClock(seconds) {
    await this.#writeClock(seconds)
    const time = async () => Number((await this.client.sendCommand(['TIME']))[0])
    await until('the clock is turned', async () => Math.abs((await time()) - Date.now() / 1000 - seconds) < 2)
  }

  async up() {
    const options = { port: this.port, bind: '127.0.0.1', dir: this.folder, save: '', appendonly: 'yes' }
    const args = Object.entries({ ...options, loadmodule: SESSION_MODULE }).flatMap(([name, value]) => [
      `--${name}`,
      `${value}`,
    ])
    this.process = spawn(REDIS_SERVER, args, { env: this.env, stdio: 'ignore' })
    this.client = createClient({ url: this.url, socket: { reconnectStrategy: () => 50 } })
    this.client.on('error', () => {}) // it is not there yet, or has been taken down
    await this.client.connect()
  }

  async down() {
    this.client.destroy()
    await end(this.process)
  }

  /** Ends everybody's sessions. */
  async clear() {
    await this.client.flushAll()
  }

  async keys() {
    return this.client.keys('*')
  }

  async stop() {
    await this.down()
    await rm(this.folder, { recursive: true })
  }
}

/** A site, started as a reader of the README does, with this Redis server or its own. What it prints is kept. */
export class Site {
  static async start(name, redis, more = {}) {
    const site = new Site()
    site.name = name
    site.log = ''
    const port = await freePort()
    site.origin = `http://127.0.0.1:${port}`
    site.folder = await mkdtemp(join(tmpdir(), 'devices-'))
    const env = { EXAMPLE_PORT: port, EXAMPLE_REDIS_URL: redis?.url ?? '', EXAMPLE_DATA: site.folder, ...more }
    site.process = spawn(join(REPOSITORY, `scripts/example-${name}.sh`), [SESSION_MODULE], {
      env: { ...process.env, ...env },
    })
    for (const stream of [site.process.stdout, site.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (site.log += text))
    }
    await until(`${name} answers`, () => site.#answers(), 120_000)
    return site
  }

  async #answers() {
    if (this.process.exitCode !== null) throw new Error(`${this.name} ended:\n${this.log}`)
    return fetch(`${this.origin}/static/style.css`).then(
      ({ ok }) => ok,
      () => false,
    )
  }

  async stop() {
    await end(this.process)
    await rm(this.folder, { recursive: true })
  }
}
