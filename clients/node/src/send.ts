/** Sending, with the server's errors as ours. */
import type { Arg, Connection, Reply } from './clients.js'
import { SessionError, translated } from './errors.js'

export async function sendTo(connection: Connection, words: Arg[], key?: Arg): Promise<Reply> {
  try {
    return await connection.send(words, key)
  } catch (error) {
    throw translated(error)
  }
}

/** For a command that must not be carried out twice. */
export async function sendOnce(connection: Connection, words: Arg[]): Promise<Reply> {
  try {
    return await connection.sendOnce(words)
  } catch (error) {
    throw translated(error)
  }
}

/** Asks every primary. */
export async function ask(connection: Connection, words: Arg[]): Promise<Reply[]> {
  try {
    return await connection.sendToPrimaries(words)
  } catch (error) {
    throw translated(error)
  }
}

/** The reply to a write, null also where the session has another id by now. */
export async function unlessGone(reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply
  } catch (error) {
    const translation = translated(error)
    if (translation instanceof SessionError && translation.code === 'SESSIONGONE') return null
    throw translation
  }
}
