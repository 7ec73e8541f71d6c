/** All keys of sessions under a prefix, on every primary. */
import type { Connection, Primary, Reply } from './clients.js'

/** A prefix as a pattern that matches it and nothing else. */
const literally = (prefix: string) => prefix.replace(/[\\*?[\]]/g, '\\$&')

async function scanOne(primary: Primary, pattern: string, count: number, keys: Set<string>): Promise<void> {
  let cursor = '0'
  do {
    const words = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(count), 'TYPE', 'sess-hash']
    const [next, found] = (await primary.send(words)) as [Reply, Reply[]]
    for (const key of found) keys.add(String(key))
    cursor = String(next)
  } while (cursor !== '0')
}

export async function scan(connection: Connection, prefix: string, count: number): Promise<string[]> {
  const keys = new Set<string>()
  const primaries = await connection.primaries()
  await Promise.all(primaries.map((primary) => scanOne(primary, `${literally(prefix)}*`, count, keys)))
  return [...keys]
}
