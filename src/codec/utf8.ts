import { hashBytes, sameBytes } from './byte-compare.js'

/**
 * Strings out of bytes, for text that comes again and again (names of datapoints, keys and values of tags): the same
 * bytes usually give the same string object, so that most reads make nothing new.
 */

const slotCount = 8192
/** Longer text is decoded each time: it is rare, and so the table stays at half a megabyte and 8192 strings. */
const slotBytes = 64

const texts: (string | undefined)[] = new Array(slotCount).fill(undefined)
const lengths = new Uint8Array(slotCount)
const contents = new Uint8Array(slotCount * slotBytes)
const contentsView = new DataView(contents.buffer)

/** The text of `length` bytes of `view`. What is not UTF-8 becomes U+FFFD, as everywhere in Node. */
export function readUtf8(view: DataView, start: number, length: number): string {
  if (length === 0) return ''
  if (length > slotBytes) return decode(view, start, length)
  const slot = hashBytes(view, start, length) & (slotCount - 1)
  const text = texts[slot]
  if (
    text !== undefined &&
    lengths[slot] === length &&
    sameBytes(contentsView, slot * slotBytes, view, start, length)
  ) {
    return text
  }
  return remember(slot, view, start, length)
}

function remember(slot: number, view: DataView, start: number, length: number): string {
  const text = decode(view, start, length)
  contents.set(new Uint8Array(view.buffer, view.byteOffset + start, length), slot * slotBytes)
  lengths[slot] = length
  texts[slot] = text
  return text
}

function decode(view: DataView, start: number, length: number): string {
  return Buffer.from(view.buffer, view.byteOffset + start, length).toString('utf8')
}
