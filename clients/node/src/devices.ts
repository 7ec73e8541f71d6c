/** The sessions of a user: to list, to count, to end. */
import { type Connection, type Reply, record } from './clients.js'
import { DEVICE } from './fields.js'
import { handleOf, type Keys } from './keys.js'
import { ask } from './send.js'

/** One of a user's sessions, as it is shown to them. */
export interface Device {
  /** Names the session for `signOut`. It is no key: whoever sees it can do nothing with it alone. */
  handle: string
  /** When it began for this user. */
  created: Date
  /** When it was last used. */
  accessed: Date
  /** When it ends if it is not used any more; null if it does not. */
  deadline: Date | null
  /** What was given as `device` when it was written. */
  // biome-ignore lint/suspicious/noExplicitAny: the application knows what it gave
  device: any
  /** Whether it is the session that asks. */
  current: boolean
}

/** What is done where a user would have more sessions than allowed. */
export type LimitPolicy =
  /** The write is refused with SESSIONLIMIT. */
  | 'reject'
  /** Those that began first are ended. */
  | 'oldest'
  /** Those that were not used for longest are ended. */
  | 'lru'

export interface Limit {
  count: number
  policy: LimitPolicy
}

const sum = (replies: Reply[]) => replies.reduce<number>((total, reply) => total + Number(reply), 0)

/** The entries of BYUSER of every primary, under whatever prefix. */
async function entries(connection: Connection, user: string, words: string[]) {
  const replies = await ask(connection, ['SESSION.BYUSER', user, ...words])
  const found = replies.flatMap((reply) => (reply as Reply[]).map(record))
  // While a slot moves, two nodes may name the same session.
  const byKey = new Map(found.map((entry) => [String(entry.key), entry]))
  return [...byKey.values()]
}

function device(entry: Record<string, Reply>, currentKey: string | undefined): Device {
  const data = typeof entry.data === 'string' ? JSON.parse(entry.data) : {}
  return {
    handle: handleOf(String(entry.key)),
    created: new Date(Number(entry.created)),
    accessed: new Date(Number(entry.accessed)),
    deadline: entry.deadline === null ? null : new Date(Number(entry.deadline)),
    device: data[DEVICE],
    current: entry.key === currentKey,
  }
}

export async function list(connection: Connection, keys: Keys, user: string, currentId?: string): Promise<Device[]> {
  const words = ['META', '3', 'created', 'accessed', 'deadline', 'JSON', 'FIELDS', '1', DEVICE]
  const current = currentId === undefined ? undefined : keys.of(currentId)
  const found = await entries(connection, user, words)
  const ours = found.filter((entry) => String(entry.key).startsWith(keys.prefix))
  return ours.map((entry) => device(entry, current)).sort((a, b) => Number(b.accessed) - Number(a.accessed))
}

export async function count(connection: Connection, user: string): Promise<number> {
  return sum(await ask(connection, ['SESSION.COUNT', user]))
}

export async function signOut(connection: Connection, user: string, handle: string): Promise<boolean> {
  // In a cluster a session may be on its way from one primary to another. It has arrived the second time.
  for (let left = connection.topology === 'cluster' ? 2 : 1; left > 0; left--) {
    const keys = (await ask(connection, ['SESSION.BYUSER', user])).flat().map(String)
    const key = keys.find((key) => handleOf(key) === handle)
    if (key !== undefined && (await end(connection, user, [key])) > 0) return true
  }
  return false
}

/** Ends those of the sessions that are this user's. The node that has one ends it, the others know nothing of it. */
async function end(connection: Connection, user: string, keys: string[]): Promise<number> {
  return sum(await ask(connection, ['SESSION.REVOKE', user, 'ONLY', String(keys.length), ...keys]))
}

export async function signOutAll(connection: Connection, user: string, exceptKey?: string): Promise<number> {
  const words = ['SESSION.REVOKE', user, ...(exceptKey === undefined ? [] : ['EXCEPT', '1', exceptKey])]
  let total = 0
  for (let round = 0; round < 10; round++) {
    const ended = sum(await ask(connection, words))
    total += ended
    // In a cluster a session may have moved from a node that was still to be asked to one that had answered: all are asked
    // twice, and again as long as there was one to end.
    if (connection.topology !== 'cluster' || (round > 0 && ended === 0)) break
  }
  return total
}

/** Ends what a user has beyond the limit in a cluster, where a node counts its own sessions only. */
export async function makeRoom(connection: Connection, user: string, key: string, limit: Limit) {
  const by = limit.policy === 'lru' ? 'accessed' : 'created'
  const others = (await entries(connection, user, ['META', '1', by]))
    .filter((entry) => entry.key !== key)
    .sort((a, b) => Number(b[by]) - Number(a[by]))
  const excess = others.slice(limit.count - 1).map((entry) => String(entry.key))
  if (excess.length > 0) await end(connection, user, excess)
}
