/** The slots of a cluster: which a key belongs to, and a key for each node that serves some. */

const SLOTS = 16384

/** The part of a key that decides its slot: what stands between the first braces, if that is anything. */
function hashed(key: Buffer): Buffer {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  return close > open + 1 ? key.subarray(open + 1, close) : key
}

/** CRC-16 (XMODEM) modulo 16384, as the cluster specification has it. */
export function slotOf(key: string | Buffer): number {
  let crc = 0
  for (const byte of hashed(Buffer.from(key))) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
    crc &= 0xffff
  }
  return crc % SLOTS
}

/**
 * For each node that serves slots, a key of one of them: sent with this key, a command reaches the node by the
 * library's own routing, which follows the slots where they go.
 */
export function keyOfEachNode(ownerOf: (slot: number) => string | undefined): string[] {
  const nodes = new Set<string>()
  for (let slot = 0; slot < SLOTS; slot++) {
    const owner = ownerOf(slot)
    if (owner !== undefined) nodes.add(owner)
  }
  const keys: string[] = []
  for (let n = 0; nodes.size > 0; n++) {
    const owner = ownerOf(slotOf(String(n)))
    if (owner !== undefined && nodes.delete(owner)) keys.push(String(n))
  }
  return keys
}
