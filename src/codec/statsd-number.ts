const plus = 43
const minus = 45
const point = 46
const zero = 48

/** Ten to the power of 0 to 22: the powers that a double holds exactly. */
export const exactPowersOfTen = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`))
/** From here on whole numbers are no longer all doubles. */
const firstInexactInteger = 2 ** 53

/** What `scanDecimal` read; reused, so that a line makes no object. */
export class ScannedNumber {
  /** NaN where the bytes are no plain decimal number. */
  value = Number.NaN
}

/**
 * Reads an optional sign, digits, and an optional fraction, by hand: `Number` on a string costs about ten times as much.
 *
 * The result is the same double as Number()'s: digits below 2^53 and a power of ten up to 22 are both exact, and one
 * division of two exact doubles is rounded once, as the parsing of a literal is (Clinger 1990, the fast path).
 *
 * @param into gets the number, or NaN for what this path cannot read exactly; then ask `parseNumber`
 * @returns the position behind the last byte that was read; whether a number may end there is the caller's business
 */
export function scanDecimal(bytes: Uint8Array, start: number, end: number, into: ScannedNumber): number {
  const sign = start < end ? bytes[start]! : 0
  const firstDigit = sign === minus || sign === plus ? start + 1 : start
  let at = firstDigit
  let digits = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - zero
    if (digit < 0 || digit > 9) break
    digits = digits * 10 + digit
  }
  let digitCount = at - firstDigit
  let decimals = 0
  if (at < end && bytes[at] === point) {
    const firstDecimal = ++at
    for (; at < end; at++) {
      const digit = bytes[at]! - zero
      if (digit < 0 || digit > 9) break
      digits = digits * 10 + digit
    }
    decimals = at - firstDecimal
    digitCount += decimals
  }
  if (digitCount === 0 || digits >= firstInexactInteger || decimals > 22) into.value = Number.NaN
  else if (decimals === 0) into.value = sign === minus ? -digits : digits
  else into.value = (sign === minus ? -digits : digits) / exactPowersOfTen[decimals]!
  return at
}

const scanned = new ScannedNumber()

/**
 * The number that the whole of `start` to `end` spells, as Number() reads it (exponents, `0x10`, blanks around it too).
 *
 * @returns NaN for what is empty or no number, and for what is not finite: an infinity is no measurement, and the
 *   first releases stored `1e400` as 0 as well
 */
export function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  if (scanDecimal(bytes, start, end, scanned) === end && !Number.isNaN(scanned.value)) return scanned.value
  const text = textOf(bytes, start, end)
  const value = text.trim() === '' ? Number.NaN : Number(text)
  return Number.isFinite(value) ? value : Number.NaN
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}
