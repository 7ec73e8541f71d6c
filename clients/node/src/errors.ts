/** What can be wrong with a session, told apart by `code`. */
export type SessionErrorCode =
  /** The user has as many sessions as are allowed (policy `reject`). Nothing was changed. */
  | 'SESSIONLIMIT'
  /** The session ended, or got another id, after it was read. Nothing was written. */
  | 'SESSIONGONE'
  /** Others changed the session at every try of an `update`. */
  | 'SESSIONCONFLICT'
  /** The session would have more fields or bytes than the server allows. Nothing was changed. */
  | 'SESSIONSIZE'
  /** A key of ours holds something that is not a session: two programs use one prefix. */
  | 'SESSIONTYPE'
  /** The server does not know the commands: it has no module, or one that is too old, or is itself too old. */
  | 'SESSIONSERVER'

export class SessionError extends Error {
  override readonly name = 'SessionError'
  readonly code: SessionErrorCode

  constructor(code: SessionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export const NO_MODULE =
  'The server does not have the module redis-session: load it with "loadmodule libredis_session.so" in its configuration'

const KNOWN: [RegExp, SessionErrorCode, (message: string) => string][] = [
  [/^SESSIONLIMIT /, 'SESSIONLIMIT', (message) => message.replace(/^SESSIONLIMIT /, '')],
  [/^SESSIONGONE /, 'SESSIONGONE', (message) => message.replace(/^SESSIONGONE /, '')],
  [/^(ERR )?session would have more than/, 'SESSIONSIZE', (message) => message.replace(/^ERR /, '')],
  [
    /^WRONGTYPE /,
    'SESSIONTYPE',
    () =>
      'A key of this store is not a session: another program uses the same prefix. Give the store a prefix of its own ' +
      '(sessions of connect-redis are taken over with the option "legacy")',
  ],
  [/unknown command/i, 'SESSIONSERVER', () => NO_MODULE],
]

/** The server's error as a SessionError where it is one of ours, else as it is. */
export function translated(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof SessionError) return error
  for (const [pattern, code, message] of KNOWN) {
    if (pattern.test(error.message)) return new SessionError(code, message(error.message), { cause: error })
  }
  return error
}
