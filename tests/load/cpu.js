// How much CPU processes have used.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** Seconds that a process has used, for itself and for the system, by Linux's count. */
function ofProcess(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // After the name, which stands in parentheses and may have any characters.
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  return (Number(user) + Number(system)) / TICKS
}

export const ofSites = (sites) => sites.reduce((sum, { pid }) => sum + ofProcess(pid), 0)

/** Seconds that a server says it has used. */
export async function ofServer(server) {
  const said = String(await server.command('INFO', 'cpu'))
  const seconds = (name) => Number(said.match(new RegExp(`^used_cpu_${name}:([0-9.]+)`, 'm'))[1])
  return seconds('sys') + seconds('user')
}
