/** The commands on a client of ioredis: Redis (also behind Sentinel) and Cluster. */
import { type Arg, type Connection, LOST_REPLY, type Reply } from './clients.js'
import { everyPrimary, sendToEach } from './primaries.js'

/** What is used here of ioredis's class Command, which it exports for sending commands that it does not know. */
interface Command {
  keys?: Arg[]
  promise: Promise<Reply>
  toWritable(stream: object): string | Buffer
  reject(error: Error): void
}

type CommandClass = new (name: string, args: Arg[], options: { replyEncoding: 'utf8' }) => Command

interface Redis {
  isCluster: boolean
  status: string
  options: { keyPrefix?: string; sentinels?: unknown; host?: string; port?: number }
  createBuiltinCommand(name: string): unknown
  sendCommand(command: Command): Promise<Reply>
  ping(): Command
}

interface Cluster extends Redis {
  nodes(role: 'master'): Redis[]
}

export function isIoredis(client: unknown): client is Redis {
  const redis = client as Redis | null
  return typeof redis?.createBuiltinCommand === 'function' && typeof redis.sendCommand === 'function'
}

const isCluster = (client: Redis): client is Cluster => client.isCluster

export function ioredis(client: Redis, prefix: string): Connection {
  const { Command, OnceCommand } = commandClasses(client)
  const send = (args: Arg[], key?: Arg) => client.sendCommand(build(Command, args, key))
  const keyPrefix = client.options.keyPrefix ?? ''
  const common = {
    library: 'ioredis' as const,
    keyPrefix,
    send,
    sendOnce: (args: Arg[], key?: Arg) => client.sendCommand(build(OnceCommand, args, key)),
  }
  if (isCluster(client)) return { ...common, ...ofCluster(client, Command, send, keyPrefix + prefix) }
  return {
    ...common,
    topology: client.options.sentinels ? 'sentinel' : 'single',
    sendToPrimaries: async (args) => [await send(args)],
    primaries: async () => [{ address: '', client, send: (args) => send(args) }],
  }
}

function ofCluster(client: Cluster, Command: CommandClass, send: Connection['send'], prefix: string) {
  const list = async () => {
    // Until the cluster is known, commands wait in the client. After one of them is answered, it is known.
    if (client.nodes('master').length === 0 || client.status !== 'ready') await send(['PING'])
    return client.nodes('master').map((node) => ({
      address: `${node.options.host}:${node.options.port}`,
      client: node,
      send: (args: Arg[]) => node.sendCommand(build(Command, args)),
    }))
  }
  const primaries = () => everyPrimary(list, send, prefix)
  return { topology: 'cluster' as const, primaries, sendToPrimaries: sendToEach(primaries) }
}

/** A command with its key marked: `call()` would send it to any node of a cluster, since ioredis does not know it. */
function build(Command: CommandClass, args: Arg[], key: Arg | undefined = args[1]): Command {
  const command = new Command(String(args[0]), args.slice(1), { replyEncoding: 'utf8' })
  command.keys = key === undefined ? [] : [key]
  return command
}

/**
 * The class Command of the very ioredis that the client comes from: there may be several, and importing one would make
 * a dependency of it. A client whose `sendCommand` gives back what it is given lets us look at one.
 */
function commandClasses(client: Redis) {
  const probe: Redis = Object.create(client, {
    options: { value: {} },
    sendCommand: { value: (command: Command) => command },
  })
  const Command = probe.ping().constructor as CommandClass
  return { Command, OnceCommand: onceOnly(Command) }
}

/** Nothing for the server to do, and a reply, so that replies and commands stay in step. */
const NOTHING = '*1\r\n$4\r\nPING\r\n'

/**
 * ioredis sends again what had no reply when a connection broke. It then asks the command a second time for its bytes,
 * and the connection that it gave them to first is no more. (After a redirection it asks, too, but that connection is
 * still there, and what was redirected was not carried out.)
 */
function onceOnly(Command: CommandClass): CommandClass {
  return class extends Command {
    #written: { destroyed?: boolean } | undefined

    override toWritable(stream: { destroyed?: boolean }) {
      if (this.#written?.destroyed) {
        this.reject(new Error(LOST_REPLY))
        return NOTHING
      }
      this.#written = stream
      return super.toWritable(stream)
    }
  }
}
