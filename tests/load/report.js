// What is printed at the end of a place.
import { percentiles } from './figures.js'

const number = (value) => Math.round(value).toLocaleString('en')
const time = (ms) => (ms < 10 ? ms.toFixed(1) : number(ms))

export function table(rows) {
  const [head, ...body] = rows
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

export function latencies(times, seconds) {
  const rows = Object.keys(times)
    .sort()
    .map((name) => [name, number(times[name].length / seconds), ...percentiles(times[name]).map(time)])
  return table([['request', 'a second', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms'], ...rows])
}

const rate = (figures, seconds, kind) => {
  const names = Object.keys(figures.times).filter((name) => name.startsWith(kind))
  return number(names.reduce((sum, name) => sum + figures.times[name].length, 0) / seconds)
}

export const megabytes = (bytes) => `${(bytes / 1048576).toFixed(1)} MB`

export function report({ kind, says, seconds, disturbed, figures, memory, ...found }) {
  const lines = [`## ${kind}: ${says}`, '', latencies(figures.times, seconds), '']
  const rates = ['django', 'express'].map((site) => `${rate(figures, seconds, site)} at ${site}`)
  lines.push(`Requests a second: ${rates.join(', ')}, for ${seconds.toFixed(1)} s.`)
  if (disturbed) lines.push(`In the middle ${disturbed.text}.`)
  for (const [site, back] of Object.entries(disturbed?.killed ? figures.back : {})) {
    lines.push(`${site} answered well again ${number(back - disturbed.killed)} ms after the kill.`)
  }
  const errors = Object.entries(figures.errors).sort()
  lines.push(
    errors.length === 0 ? 'Errors: none.' : 'Errors:',
    ...errors.map(([what, count]) => `- ${count} × ${what}`),
  )
  const [before, after] = memory
  lines.push(`Memory of the primaries: ${megabytes(after)}, ${megabytes(after - before)} more than without sessions.`)
  const range = found.least === found.most ? number(found.least) : `${number(found.least)} to ${number(found.most)}`
  lines.push(`Sessions at the end: ${number(found.sessions)}; by the books ${range}.`)
  if (found.unsure > 0)
    lines.push(`Carried out right before the kill, and so allowed to be lost: ${number(found.unsure)} requests.`)
  lines.push(`Checked: ${number(found.checks)} answers, ${number(found.seen)} cookies at the end.`)
  const differences = found.differences
  lines.push(
    differences.length === 0
      ? 'Differences: none.'
      : `Differences:\n${differences.map((text) => `- ${text}`).join('\n')}`,
  )
  return lines.join('\n')
}
