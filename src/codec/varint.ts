/**
 * Avro's int and long: zigzag, seven bits a byte, the lowest first.
 *
 * @see Avro 1.11 specification, "Binary Encoding"
 */

/** How many bytes `writeLong` takes for `n`. */
export function longSize(n: number): number {
  if (n >= -0x40 && n < 0x40) return 1
  if (n >= -0x2000 && n < 0x2000) return 2
  if (n >= -0x100000 && n < 0x100000) return 3
  let zigzag = wideZigzag(n)
  let size = 1
  for (; zigzag >= 0x80; size++) zigzag = Math.floor(zigzag / 0x80)
  return size
}

/**
 * Writes `n` at `pos`; the caller has made room (`longSize`).
 *
 * @param n a whole number, exact up to 2^53
 * @returns the position behind it
 */
export function writeLong(bytes: Uint8Array, pos: number, n: number): number {
  let zigzag = n < -0x40000000 || n >= 0x40000000 ? wideZigzag(n) : (n << 1) ^ (n >> 31)
  // Bit operations know 32 bits only: what is wider is divided until it fits.
  for (; zigzag > 0x7fffffff; zigzag = Math.floor(zigzag / 0x80)) bytes[pos++] = (zigzag % 0x80) | 0x80
  for (; zigzag > 0x7f; zigzag >>>= 7) bytes[pos++] = (zigzag & 0x7f) | 0x80
  bytes[pos++] = zigzag
  return pos
}

function wideZigzag(n: number): number {
  return n < 0 ? -n * 2 - 1 : n * 2
}
