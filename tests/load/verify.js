// What the servers themselves say at the end, held against the books of all processes.
import { waitFor } from './wait.js'

const numbers = (flat) => Object.fromEntries(flat.flatMap((name, n) => (n % 2 ? [] : [[name, Number(flat[n + 1])]])))

async function ask(servers) {
  const replies = await Promise.all(servers.map((server) => server.command('SESSION.VERIFY')))
  return replies.map((reply, n) => ({ port: servers[n].port, ...numbers(reply) }))
}

const count = (found) => found.reduce((total, { sessions }) => total + sessions, 0)

/** What these servers say, when what has ended by itself is removed from their keys. */
async function settled(servers, most) {
  const few = async () => {
    const found = await ask(servers)
    return count(found) <= most && found
  }
  return waitFor(few, 'what has ended is removed', 5).catch(() => ask(servers))
}

/** @returns What is different: the index of each server, and how many sessions they have together. */
function compare(what, found, { least, most }) {
  const wrong = found.filter(({ missing, stale }) => missing + stale > 0)
  const differences = wrong.map(
    ({ port, missing, stale }) => `SESSION.VERIFY of the ${what} on port ${port}: ${missing} missing, ${stale} stale`,
  )
  const sessions = count(found)
  if (sessions >= least && sessions <= most) return differences
  return [...differences, `the ${what} has ${sessions} sessions, and by the books there are ${least} to ${most}`]
}

/** @returns Sessions at the end, how much was checked, and what was found to be different. */
export async function verify(place, checked) {
  const sum = (what) => checked.reduce((total, one) => total + what(one), 0)
  const books = { least: sum(({ sessions }) => sessions.least), most: sum(({ sessions }) => sessions.most) }
  const found = await settled(await place.primaries(), books.most)
  const differences = [...((await place.faults?.()) ?? []), ...checked.flatMap((one) => one.differences)]
  differences.push(...compare(place.kind === 'cluster' ? 'cluster' : 'primary', found, books))
  const replicas = (await place.replicas?.()) ?? []
  if (replicas.length > 0) {
    const same = { least: count(found), most: count(found) }
    differences.push(...compare('replica', await settled(replicas, same.most), same))
  }
  return {
    ...books,
    sessions: count(found),
    seen: sum(({ sessions }) => sessions.seen),
    checks: sum(({ checks }) => checks),
    unsure: sum(({ unsure }) => unsure),
    differences,
  }
}
