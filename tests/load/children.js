// The processes of sites and visitors.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { options } from './options.js'

const here = import.meta.dirname
const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

function keep(child) {
  children.add(child)
  child.on('exit', () => children.delete(child))
  return child
}

async function end(child) {
  if (!children.has(child)) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** Fails if the process ends first. */
async function orEnded(child, what, promise) {
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${what} ended with ${code}`)))
  ended.catch(() => {})
  return Promise.race([promise, ended])
}

/** A process of the site in Express. */
export async function startExpress(site) {
  const env = { ...process.env, LOAD_SITE: JSON.stringify(site) }
  const child = keep(fork(join(here, 'site.js'), [], { env, execArgv: [] }))
  const [{ port }] = await orEnded(child, 'The site in Express', once(child, 'message'))
  return { port, pid: child.pid, close: () => end(child) }
}

/** A process of the site in Django. */
export async function startDjango(site) {
  const env = { ...process.env, LOAD_SITE: JSON.stringify({ ...site, threads: options.browsers }) }
  const child = keep(spawn(options.python, [join(here, 'site.py')], { env, stdio: ['ignore', 'pipe', 'inherit'] }))
  const [line] = await orEnded(child, 'The site in Django', once(createInterface(child.stdout), 'line'))
  return { port: Number(line), pid: child.pid, close: () => end(child) }
}

/** A process of visitors: `ask` sends it an order and gives what it answers. */
export function startVisitors() {
  const child = keep(fork(join(here, 'visitors.js'), [], { execArgv: [] }))
  const waiting = new Map()
  let orders = 0
  child.on('message', ({ id, failure, ...answer }) => {
    const { resolve, reject } = waiting.get(id)
    waiting.delete(id)
    if (failure) reject(new Error(failure))
    else resolve(answer)
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('A process of visitors has ended'))
  })
  return {
    ask(name, order = {}) {
      orders += 1
      const id = orders
      child.send({ id, name, ...order })
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
    },
    close: () => end(child),
  }
}

/** Several processes of visitors, as one. */
export class Crowd {
  constructor(count) {
    this.visitors = Array.from({ length: count }, startVisitors)
  }

  ask(name, order = {}) {
    return Promise.all(this.visitors.map((visitors, process) => visitors.ask(name, { ...order, process })))
  }

  close() {
    return Promise.all(this.visitors.map((visitors) => visitors.close()))
  }
}
