// Writes what was measured into a page, below its heading "Figures".
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { options } from './options.js'

const HEADING = '## Figures\n'
const NODE = ['express', 'express-session', 'redis', 'ioredis', 'connect-redis']
const PYTHON = ['Django', 'waitress', 'redis', 'hiredis']

function ofNode(name) {
  const file = join(import.meta.dirname, 'node_modules', name, 'package.json')
  return `${name} ${JSON.parse(readFileSync(file, 'utf8')).version}`
}

function ofPython() {
  const program = `import platform; from importlib.metadata import version
print(platform.python_version(), *(f"{name} {version(name)}" for name in ${JSON.stringify(PYTHON)}), sep=", ")`
  return `Python ${execFileSync(options.python, ['-c', program], { encoding: 'utf8' }).trim()}`
}

function ofServer() {
  const said = execFileSync(process.env.SESSION_SERVER ?? 'redis-server', ['--version'], { encoding: 'utf8' })
  const [, name, version] = said.match(/^(\w+) server v=(\S+)/)
  return `${name} ${version}`
}

/** What else the machine was doing when this began. */
const [busy] = loadavg()

/** @param page A path from the repository's root. @param reports What was printed of each place. */
export function writePage(page, reports) {
  const file = resolve(import.meta.dirname, '../..', page)
  const text = readFileSync(file, 'utf8')
  const end = text.indexOf(HEADING)
  if (end < 0) throw new Error(`${page} has no heading "Figures"`)
  const date = new Date().toISOString().slice(0, 10)
  const versions = [ofServer(), `Node.js ${process.versions.node}`, ...NODE.map(ofNode), ofPython()].join(', ')
  const { seconds, processes, browsers } = options
  const how =
    `Written by \`LOAD_PAGE=${page} make load\`: ${date}, ${versions}; ${seconds} s a place, ${processes} processes ` +
    `of each site and of visitors, ${browsers} browsers each, on ${availableParallelism()} processors, on which there was a ` +
    `load of ${busy.toFixed(1)} before it began.`
  const below = reports.map((report) => report.replace(/^## /, '### ')).join('\n\n')
  writeFileSync(file, `${text.slice(0, end)}${HEADING}\n${how}\n\n${below}\n`)
}
