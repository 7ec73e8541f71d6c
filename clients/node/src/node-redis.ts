/** The commands on a client of node-redis: createClient, createClientPool, createCluster, createSentinel. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Arg, Connection, Primary, Reply } from './clients.js'
import { everyPrimary, sendToEach } from './primaries.js'

interface Sender {
  sendCommand(args: Arg[], options: object): Promise<Reply>
}

interface Node {
  address: string
}

interface Single extends Sender {
  _keyPrefix?: string
}

interface Cluster {
  sendCommand(key: Arg | undefined, isReadonly: boolean, args: Arg[], options: object): Promise<Reply>
  nodeClient(node: Node): Promise<Sender>
  masters: Node[]
  _keyPrefix?: string
}

interface Sentinel {
  _execute(isReadonly: boolean, send: (client: Sender) => Promise<Reply>): Promise<Reply>
  getMasterNode(): unknown
  _keyPrefix?: string
}

type Client = Single | Cluster | Sentinel

/** Maps (the type `%` of RESP3) as flat arrays and strings as strings, whatever the client is set to for others. */
const AS_IN_RESP2 = { typeMapping: { ['%'.charCodeAt(0)]: Array } }

/** How often a command is sent that a moving slot refuses. */
const TRIES = 16

const isCluster = (client: Client): client is Cluster => 'masters' in client && 'nodeClient' in client
const isSentinel = (client: Client): client is Sentinel => 'getMasterNode' in client

/** What takes callbacks, as version 3 and what `legacy()` gives, knows nothing of `isOpen`. */
export function isNodeRedis(client: unknown): client is Client {
  const sender = client as (Sender & { isOpen?: unknown }) | null
  return typeof sender?.sendCommand === 'function' && sender.isOpen !== undefined
}

export function nodeRedis(client: Client, prefix: string): Connection {
  if (isCluster(client)) return cluster(client, prefix)
  if (isSentinel(client)) return sentinel(client)
  return single(client)
}

function single(client: Single): Connection {
  // A command that was written to a connection which broke is rejected by node-redis: it repeats none.
  const send = (args: Arg[]) => client.sendCommand(args, AS_IN_RESP2)
  return {
    library: 'node-redis',
    topology: 'single',
    keyPrefix: client._keyPrefix ?? '',
    send,
    sendOnce: send,
    sendToPrimaries: async (args) => [await send(args)],
    primaries: async () => [{ address: '', client, send }],
  }
}

function sentinel(client: Sentinel): Connection {
  const send = (args: Arg[]) => client._execute(false, (primary) => primary.sendCommand(args, AS_IN_RESP2))
  return {
    library: 'node-redis',
    topology: 'sentinel',
    keyPrefix: client._keyPrefix ?? '',
    send,
    sendOnce: (args) => client._execute(false, once(args)),
    sendToPrimaries: async (args) => [await send(args)],
    primaries: async () => [{ address: '', client, send }],
  }
}

/**
 * The sentinel client calls this again where the connection broke, having looked for the primary anew. What a replica
 * refused was not carried out and may be repeated; everything else is rejected with what went wrong the first time.
 */
function once(args: Arg[]): (client: Sender) => Promise<Reply> {
  let failure: Error | undefined
  return async (client) => {
    if (failure) throw failure
    try {
      return await client.sendCommand(args, AS_IN_RESP2)
    } catch (error) {
      if (!(error as Error).message.startsWith('READONLY')) failure = error as Error
      throw error
    }
  }
}

function cluster(client: Cluster, prefix: string): Connection {
  const keyPrefix = client._keyPrefix ?? ''
  // Only a redirection makes the cluster client send a command again, and what was redirected was not carried out.
  const send = (args: Arg[], key = args[1]) => whileTryAgain(() => client.sendCommand(key, false, args, AS_IN_RESP2))
  const list = () => Promise.all(client.masters.map((node) => primary(client, node)))
  const primaries = () => everyPrimary(list, send, keyPrefix + prefix)
  return {
    library: 'node-redis',
    topology: 'cluster',
    keyPrefix,
    send,
    sendOnce: send,
    primaries,
    sendToPrimaries: sendToEach(primaries),
  }
}

/**
 * While a slot is moved, a node that has one of a command's two keys and not the other refuses it with TRYAGAIN: a rotation
 * has a new key that is nowhere yet. Nothing was carried out. (ioredis waits as long by itself.)
 */
async function whileTryAgain(send: () => Promise<Reply>): Promise<Reply> {
  for (let tries = 1; ; tries++) {
    try {
      return await send()
    } catch (error) {
      if (tries === TRIES || !(error as Error).message.startsWith('TRYAGAIN')) throw error
    }
    await sleep(100)
  }
}

async function primary(cluster: Cluster, node: Node): Promise<Primary> {
  const client = await cluster.nodeClient(node)
  return { address: node.address, client, send: (args) => client.sendCommand(args, AS_IN_RESP2) }
}
