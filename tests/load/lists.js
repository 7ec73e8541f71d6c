// The lists of a user's sessions, as the sites show them, held against the books.

/** The sessions that a site lists: Express those of its own prefix, Django all of the user's. */
const isListed = (kind, session) => kind === 'django' || session.kind === kind

/**
 * @param listed Pairs of a handle and whether it is that of the session that asks.
 * @param sent When the list was asked for. Nothing else was changing which sessions the user has.
 */
export function compareList(books, user, kind, listed, sent) {
  books.checks += 1
  const handles = listed.map(([handle]) => handle)
  const sessions = [...user.sessions].filter((session) => isListed(kind, session))
  const known = new Map(sessions.filter(({ handle }) => handle !== null).map((session) => [session.handle, session]))
  if (new Set(handles).size < handles.length) books.differ(null, `${kind} lists a session of user ${user.id} twice`)
  for (const handle of handles) {
    const session = known.get(handle)
    if (session && !session.alive.since(sent).has(true)) books.differ(session, `${kind} lists it, and it has ended`)
  }
  const strangers = new Set(handles.filter((handle) => !known.has(handle)))
  // Logins whose reply was lost may have begun a session whose id nobody has got.
  const strays = sessions.filter(({ handle, alive }) => handle === null && alive.may(true)).length
  if (strangers.size > strays) {
    books.differ(null, `${kind} lists ${strangers.size} unknown sessions of user ${user.id}, of ${strays} at most`)
  }
  // While slots move, primaries that are asked one after the other may each not have what is on its way.
  if (books.wasMoving(sent)) return
  for (const session of known.values()) {
    if (session.alive.since(sent).has(false) || handles.includes(session.handle)) continue
    books.differ(session, `${kind} does not list it`)
  }
}
