// Changes one session behind everybody's back, to see that the check finds it: LOAD_TAMPER.

/** A session of the load that has a user and no end soon. */
async function someSession(server) {
  let cursor = '0'
  do {
    const [next, keys] = await server.command('SCAN', cursor, 'TYPE', 'sess-hash')
    for (const key of keys) {
      const said = (await server.command('SESSION.INFO', key)) ?? [] // it has just ended
      const info = Object.fromEntries(Array.from({ length: said.length / 2 }, (_, n) => [said[2 * n], said[2 * n + 1]]))
      if (info.user && !info.grace && Number(info.idle) > 600_000) return { key, user: info.user }
    }
    cursor = String(next)
  } while (cursor !== '0')
  throw new Error('There is no session to tamper with')
}

const ways = {
  end: (server, { key }) => server.command('DEL', key),
  write: (server, { key }) => server.command('SESSION.SET', key, 'KEEPTTL', 'FIELDS', '1', 'f3', 'a strange value'),
  add: (server, { user }) =>
    server.command('SESSION.SET', 'django:{x}stranger', 'USER', user, 'FIELDS', '1', 'f0', 'x'),
}

export async function tamper(way, place) {
  for (const server of await place.primaries()) {
    const session = await someSession(server)
    const done = await ways[way](server, session).catch((error) => error)
    if (done instanceof Error && /^MOVED/.test(done.message)) continue
    console.log(`  tampered with ${session.key} of user ${session.user}: ${way}`)
    return
  }
}
