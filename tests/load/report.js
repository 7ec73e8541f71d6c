// What is printed at the end of a place.
import { percentiles } from './figures.js'

const number = (value) => Math.round(value).toLocaleString('en')
const time = (ms) => (ms < 10 ? ms.toFixed(1) : number(ms))
const megabytes = (bytes) => `${(bytes / 1048576).toFixed(1)} MB`
const HEAD = ['requests', 'a second', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms']

function table(rows) {
  const [head, ...body] = rows
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const cells = (values, seconds) => [
  number(values.length),
  number(values.length / seconds),
  ...percentiles(values).map(time),
]

/** A line that says what there is of something, and one for each of them. */
const listed = (what, list) =>
  list.length === 0 ? [`- ${what}: none.`] : [`- ${what}:`, ...list.map((text) => `  - ${text}`)]

/** Requests a second of a kind of site. */
function rate({ times }, seconds, kind) {
  const of = Object.keys(times).filter((name) => name.startsWith(kind))
  return `${number(of.reduce((sum, name) => sum + times[name].length, 0) / seconds)} at ${kind}`
}

const errorsOf = ({ errors }) =>
  Object.entries(errors)
    .sort()
    .map(([what, count]) => `${count} × ${what}`)

/** What was done to the servers, and how long the sites could not answer. */
function disturbance({ disturbed, figures }) {
  if (!disturbed) return []
  const back = disturbed.killed ? Object.entries(figures.back) : []
  return [
    `- In the middle ${disturbed.text}.`,
    ...back.map(([site, at]) => `- ${site} answered well again ${number(at - disturbed.killed)} ms after the kill.`),
  ]
}

function sessionsOf({ sessions, least, most, unsure, checks, seen }) {
  const range = least === most ? number(least) : `${number(least)} to ${number(most)}`
  return [
    `- Sessions at the end: ${number(sessions)}; by the books ${range}.`,
    ...(unsure > 0 ? [`- Answered right before the kill, and so allowed to be lost: ${number(unsure)} requests.`] : []),
    `- Checked: ${number(checks)} answers, and at the end ${number(seen)} cookies.`,
  ]
}

/** What the servers have counted: a promoted replica since it was promoted. In a cluster clients see to the cap, by REVOKE. */
function countsOf({ created, rotated, revoked, limit_ended: capped, expired }) {
  const parts = [`${number(created)} begun`, `${number(rotated)} rotated`, `${number(revoked)} revoked`]
  return `- By the servers' count: ${[...parts, `${number(capped)} ended by the cap`, `${number(expired)} expired`].join(', ')}.`
}

export function report(found) {
  const { kind, says, seconds, figures, memory, counts, differences } = found
  const [before, after] = memory
  const rows = Object.entries(figures.times).sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    `## ${kind}: ${says}`,
    '',
    table([['request', ...HEAD], ...rows.map(([name, values]) => [name, ...cells(values, seconds)])]),
    '',
    `- Requests a second: ${rate(figures, seconds, 'django')}, ${rate(figures, seconds, 'express')}; ${seconds.toFixed(1)} s.`,
    ...disturbance(found),
    ...listed('Errors', errorsOf(figures)),
    `- Memory of the primaries: ${megabytes(after)}, ${megabytes(after - before)} more than before the first session.`,
    countsOf(counts),
    ...sessionsOf(found),
    ...listed('Differences', differences),
  ].join('\n')
}

const KINDS = ['view', 'write', 'login', 'logout']

/** A row for each kind of request of each store, and one for all together. */
function comparison({ framework, store, seconds, cpu, figures, memory, keys }) {
  const name = `${framework} on ${store}`
  const values = KINDS.map((kind) => figures.times[`${framework} ${kind}`] ?? [])
  const all = Object.values(figures.times).flat()
  const used = (seconds) => number((seconds / all.length) * 1e6)
  const rows = KINDS.map((kind, n) => [name, kind, ...cells(values[n], seconds), '', '', '', ''])
  const costs = [used(cpu.sites), used(cpu.server), megabytes(memory), number(keys)]
  return [...rows, [name, 'all', ...cells(all, seconds), ...costs]]
}

export function reportComparison(found) {
  const errors = found.flatMap(({ framework, store, figures }) =>
    errorsOf(figures).map((text) => `${framework} on ${store}: ${text}`),
  )
  return [
    '## compare: the same site on other stores, without what they cannot do',
    '',
    table([
      ['site', 'request', ...HEAD, 'CPU µs, site', 'CPU µs, server', 'memory', 'keys'],
      ...found.flatMap(comparison),
    ]),
    '',
    ...listed('Errors', errors),
    ...listed(
      'Differences',
      found.flatMap(({ differences }) => differences),
    ),
  ].join('\n')
}
