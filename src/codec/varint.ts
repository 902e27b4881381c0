/**
 * Avro's int and long: zigzag, seven bits a byte, the lowest first. Exact for every safe integer.
 *
 * @see Avro 1.11 specification, "Binary Encoding"
 */

/** How many bytes `writeLong` takes for `n`. */
export function longSize(n: number): number {
  if (n >= -0x40 && n < 0x40) return 1
  if (n >= -0x2000 && n < 0x2000) return 2
  if (n >= -0x100000 && n < 0x100000) return 3
  let rest = Math.floor(magnitude(n) / 0x40)
  let size = 1
  for (; rest > 0; size++) rest = Math.floor(rest / 0x80)
  return size
}

/**
 * Writes `n` at `pos`; the caller has made room (`longSize`).
 *
 * @param n a safe integer
 * @returns the position behind it
 */
export function writeLong(bytes: Uint8Array, pos: number, n: number): number {
  if (n < -0x40000000 || n >= 0x40000000) return writeWideLong(bytes, pos, n)
  let zigzag = (n << 1) ^ (n >> 31)
  for (; zigzag > 0x7f; zigzag >>>= 7) bytes[pos++] = (zigzag & 0x7f) | 0x80
  bytes[pos++] = zigzag
  return pos
}

/** Bit operations end at 32 bits, and the zigzag of 2^53 would not be exact: so the sign goes into the first byte by itself. */
function writeWideLong(bytes: Uint8Array, pos: number, n: number): number {
  const wide = magnitude(n)
  bytes[pos++] = (wide % 0x40) * 2 + (n < 0 ? 1 : 0) + 0x80
  let rest = Math.floor(wide / 0x40)
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes[pos++] = (rest % 0x80) + 0x80
  bytes[pos++] = rest
  return pos
}

function magnitude(n: number): number {
  return n < 0 ? -n - 1 : n
}
