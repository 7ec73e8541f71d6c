/** Sending, with the server's errors as ours. */
import type { Arg, Connection, Reply } from './clients.js'
import { SessionError, translated } from './errors.js'

export function sendTo(connection: Connection, words: Arg[], key?: Arg): Promise<Reply> {
  return connection.send(words, key).catch(fail)
}

/** For a command that must not be carried out twice. */
export function sendOnce(connection: Connection, words: Arg[]): Promise<Reply> {
  return connection.sendOnce(words).catch(fail)
}

/** Asks every primary. */
export function ask(connection: Connection, words: Arg[]): Promise<Reply[]> {
  return connection.sendToPrimaries(words).catch(fail)
}

/** The reply to a write, null also where the session has another id by now. */
export function unlessGone(reply: Promise<Reply>): Promise<Reply> {
  return reply.catch(nullIfGone)
}

function fail(error: unknown): never {
  throw translated(error)
}

function nullIfGone(error: unknown): null {
  const translation = translated(error)
  if (translation instanceof SessionError && translation.code === 'SESSIONGONE') return null
  throw translation
}
