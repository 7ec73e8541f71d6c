/**
 * Every primary of a cluster, as the cluster itself says.
 *
 * A client's map of the cluster may be old: it learns of a change when a node sends it elsewhere, and that happens to
 * commands with a key alone. A node that is asked for all of a user's sessions answers for its own, and a client that
 * leaves out a node leaves people signed in, and is told nothing. So the map is held against the cluster's own first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Arg, Connection, Primary, Reply } from './clients.js'
import { keyOfSlot } from './slots.js'

const TRIES = 20

/** The ids of the nodes, which they keep as long as they are in a cluster. */
const idsOfClients = new WeakMap<object, string>()

async function idOf({ client, send }: Primary): Promise<string> {
  const known = idsOfClients.get(client)
  if (known !== undefined) return known
  const nodes = String(await send(['CLUSTER', 'NODES']))
  const id = String(/^(\S+) \S+ myself/m.exec(nodes)?.[1])
  idsOfClients.set(client, id)
  return id
}

/** The ids of the nodes that serve slots, each with one of its slots. */
function owners(slots: Reply): Map<string, number> {
  const entries = slots as [number, number, [Reply, Reply, string]][]
  return new Map(entries.map(([first, , [, , id]]) => [String(id), Number(first)]))
}

/**
 * @param list What the client knows as primaries.
 * @param prefix What the keys begin with that the client's user may use.
 * @throws Error where the client and the cluster do not come to terms in some seconds: a node has failed, for example.
 */
export async function everyPrimary(
  list: () => Promise<Primary[]>,
  send: Connection['send'],
  prefix: string,
): Promise<Primary[]> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (tries > 0) await sleep(Math.min(20 * 2 ** tries, 250))
    const primaries = await list()
    const asked = await Promise.allSettled(primaries.map(idOf))
    const ids = asked.map((answer) => (answer.status === 'fulfilled' ? answer.value : unlessRefused(answer.reason)))
    const serving = owners(await firstAnswer(primaries, ['CLUSTER', 'SLOTS']))
    const missing = [...serving].filter(([id]) => !ids.includes(id))
    // A primary that serves nothing knows no sessions, and one that was made a replica could not be asked.
    if (missing.length === 0) return primaries.filter((_, i) => serving.has(ids[i] ?? ''))
    for (const { client } of primaries) idsOfClients.delete(client)
    // A command with a key of the missing node makes the client look at the cluster again.
    await Promise.allSettled(missing.map(([, slot]) => send(['SESSION.INFO', `${prefix}{${keyOfSlot(slot)}}`])))
  }
  throw new Error('The cluster is changing: not every primary could be asked')
}

/** @throws The error, if the client's user may not ask. */
function unlessRefused(error: Error): undefined {
  if (error.message.startsWith('NOPERM')) throw error
}

async function firstAnswer(primaries: Primary[], args: string[]): Promise<Reply> {
  try {
    return await Promise.any(primaries.map(({ send }) => send(args)))
  } catch (error) {
    throw (error as AggregateError).errors?.[0] ?? error
  }
}

/** Sends a command to each, and gives what they answer. */
export const sendToEach = (primaries: () => Promise<Primary[]>) => async (args: Arg[]) =>
  Promise.all((await primaries()).map(({ send }) => send(args)))
