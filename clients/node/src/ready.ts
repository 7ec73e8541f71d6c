/** Whether a server has what the store needs, said in one sentence where it has not. */
import type { Connection } from './clients.js'
import { SessionError, translated } from './errors.js'
import { sendTo } from './send.js'

/** The name and the version of a server that is too old to load the module; undefined for one that is not. */
function tooOld(info: string): string | undefined {
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim()
  const valkey = field('valkey_version')
  if (valkey !== undefined) return Number.parseInt(valkey, 10) < 8 ? `Valkey ${valkey}` : undefined
  const redis = field('redis_version')
  return redis !== undefined && Number.parseInt(redis, 10) < 7 ? `Redis ${redis}` : undefined
}

/** @throws SessionError SESSIONSERVER; whatever else keeps the server from answering. */
export async function checkServer(connection: Connection): Promise<void> {
  try {
    // A command without a key, so that it can be asked of every primary.
    await connection.sendToPrimaries(['SESSION.COUNT', 'ready'])
  } catch (error) {
    const found = translated(error)
    if (!(found instanceof SessionError) || found.code !== 'SESSIONSERVER') throw found
    const [info] = await connection.sendToPrimaries(['INFO', 'server']).catch(() => [''])
    const old = tooOld(String(info))
    if (old === undefined) throw found
    const message = `The server is ${old}: the module redis-session needs Redis 7.0 or Valkey 8.0, or later`
    throw new SessionError('SESSIONSERVER', message, { cause: error })
  }
}

/**
 * Whether the client may carry out commands on a key. It is one that no session has, so they do nothing.
 *
 * @param key The one that the message names.
 *
 * @throws SessionError SESSIONSERVER; whatever else keeps the server from answering.
 */
export async function checkUser(connection: Connection, key: string, commands: string[][]): Promise<void> {
  for (const words of commands) {
    await sendTo(connection, words, key).catch((cause) => {
      if (!String(cause.message).startsWith('NOPERM')) throw cause
      const message = `The client's user may not run ${words[0]} on keys such as "${key}": give it the right (ACL SETUSER)`
      throw new SessionError('SESSIONSERVER', `${message}. The server says: ${cause.message}`, { cause })
    })
  }
}
