/** A byte four times, to be compared with the four bytes of a word. */
export function repeated(byte: number): number {
  return Math.imul(byte, 0x01010101)
}

/**
 * Which of the four bytes of a word are equal to a byte: each has its highest bit set in the result, 0 where there is none.
 * Of several marks only the lowest is sure. It is about twice as quick as byte by byte (Hacker's Delight, "Find First 0-Byte").
 *
 * @param wanted the byte, `repeated`
 */
export function markBytes(word: number, wanted: number): number {
  const zeros = word ^ wanted
  return (zeros - 0x01010101) & ~zeros & 0x80808080
}

/** How many bytes of a word that was read little-endian lie in front of the first mark. */
export function bytesBefore(marks: number): number {
  return (31 - Math.clz32(marks & -marks)) >> 3
}
