/** The slots of a cluster: which a key belongs to, and a key of each. */

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

/** A key that belongs to a slot. */
export function keyOfSlot(slot: number): string {
  for (let n = 0; ; n++) {
    if (slotOf(String(n)) === slot) return String(n)
  }
}
