/**
 * Strings out of bytes, for text that comes again and again (names of datapoints, keys and values of tags): the same
 * bytes usually give the same string object, so that most reads make nothing new.
 */

const slotCount = 8192
/** Longer text is decoded each time: it is rare, and a full table stays below 8192 x (64 bytes + a string). */
const longestRemembered = 64

interface Slot {
  readonly bytes: Uint8Array
  readonly text: string
}

const slots: (Slot | undefined)[] = new Array(slotCount).fill(undefined)

/** The text of `bytes[start, end)`. What is not UTF-8 becomes U+FFFD, as everywhere in Node. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (start === end) return ''
  if (end - start > longestRemembered) return decode(bytes, start, end)
  const index = slotOf(bytes, start, end)
  const slot = slots[index]
  if (slot !== undefined && holds(slot.bytes, bytes, start, end)) return slot.text
  const text = decode(bytes, start, end)
  slots[index] = { bytes: bytes.slice(start, end), text }
  return text
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start
  for (let pos = start; pos < end; pos++) hash = (Math.imul(hash, 31) + bytes[pos]!) | 0
  return (hash ^ (hash >>> 13)) & (slotCount - 1)
}

function holds(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false
  for (let at = 0; at < known.length; at++) if (known[at] !== bytes[start + at]) return false
  return true
}

function decode(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8')
}
