import { hash, randomFillSync } from "node:crypto"

/** Makes UUIDs for one instant. Given to the pure functions from outside, so that a test may give its own. */
export type NewId = (epochMillis: number) => string

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/**
 * UUIDv7, monotonic within a process: 48 bits of time, then a 42-bit counter that starts at random for each millisecond
 * and goes up by one, then 32 random bits. Time never goes back either: an id of an earlier instant than the last one
 * takes the last one's time.
 */
export const makeUuidV7 = (): NewId => {
  const pool = new Uint8Array(4096)
  let used = pool.length
  let time = 0
  let counter = 0
  const random32 = (): number => {
    if (used + 4 > pool.length) {
      randomFillSync(pool)
      used = 0
    }
    const value =
      ((byte(pool, used) << 24) | (byte(pool, used + 1) << 16) | (byte(pool, used + 2) << 8) | byte(pool, used + 3)) >>>
      0
    used += 4
    return value
  }
  return (epochMillis) => {
    if (epochMillis > time) {
      time = epochMillis
      // The top bit stays clear, so that a millisecond has room for 2^41 ids before the counter would end.
      counter = (random32() % 0x200) * 0x1_0000_0000 + random32()
    } else {
      counter += 1
    }
    return format(time, counter, random32())
  }
}

const byte = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0

const hexByte = (value: number): string => hex[value & 0xff] ?? "00"

const format = (time: number, counter: number, tail: number): string => {
  const high = Math.trunc(time / 0x1_0000) // 32 bits
  const low = time % 0x1_0000 // 16 bits
  const counterHigh = Math.trunc(counter / 0x4000_0000) // 12 bits
  const counterLow = counter % 0x4000_0000 // 30 bits
  return (
    `${hexByte(high >>> 24)}${hexByte(high >>> 16)}${hexByte(high >>> 8)}${hexByte(high)}-` +
    `${hexByte(low >>> 8)}${hexByte(low)}-` +
    `${hexByte(0x70 | (counterHigh >>> 8))}${hexByte(counterHigh)}-` +
    `${hexByte(0x80 | (counterLow >>> 24))}${hexByte(counterLow >>> 16)}-` +
    `${hexByte(counterLow >>> 8)}${hexByte(counterLow)}${hexByte(tail >>> 24)}${hexByte(tail >>> 16)}${hexByte(tail >>> 8)}${hexByte(tail)}`
  )
}

/** UUIDv5 (SHA-1) of `name` in `namespace`: the same name always gives the same id. */
export const uuidV5 = (namespace: string, name: string): string => {
  const digest = hash(
    "sha1",
    Buffer.concat([Buffer.from(namespace.replaceAll("-", ""), "hex"), Buffer.from(name, "utf8")]),
    "hex"
  )
  const variant = ((Number.parseInt(digest.slice(16, 18), 16) & 0x3f) | 0x80).toString(16)
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(18, 20)}-${digest.slice(20, 32)}`
}
