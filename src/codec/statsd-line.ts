import { sameBytes } from './byte-compare.js'
import { bytesBefore, markBytes, repeated } from './byte-words.js'
import { parseNumber, ScannedNumber, scanDecimal } from './statsd-number.js'
import type { PacketWindow } from './statsd-window.js'

const newline = 10
const carriageReturn = 13
const hash = 35
const colon = 58
const atSign = 64
const openBrace = 123
const pipe = 124
const underscore = 95
const letterC = 99
const letterE = 101
const letterS = 115
const letterT = 84

/** What a row is. */
export const RowKind = { empty: 0, metric: 1, notAMetric: 2 } as const

/** The metric types whose meaning matters here; every other one, known or not, is `other`: a value. */
export const MetricType = { none: 0, counter: 99, gauge: 103, other: 1 } as const

const newlines = repeated(newline)
const colons = repeated(colon)
const pipes = repeated(pipe)

/** Whole seconds behind `|T` up to here (the year 5138) are taken for a time. */
const latestSeconds = 100_000_000_000

/**
 * Where the parts of one row are, as offsets into its packet. One object is used for all rows: a string or an object
 * per line would cost more than the whole scan.
 */
export class StatsdLine {
  kind: number = RowKind.empty
  /** The row without its line end. */
  start = 0
  end = 0
  /** The name runs from `start` to here. */
  nameEnd = 0
  /** Whether all of the name is ASCII. */
  nameIsAscii = true
  /** All values with the colons between them; `valuesStart` is -1 for a row without a colon. */
  valuesStart = -1
  valuesEnd = 0
  /** How many datapoints the row stands for; a missing value counts as one. */
  valueCount = 1
  /** The first value; NaN where it is missing or no finite number. */
  readonly first = new ScannedNumber()
  type: number = MetricType.none
  /** What `|@` said, 1 where it said nothing usable. */
  rate = 1
  /** What `|T` said, in milliseconds; -1 where it said nothing. */
  timeMs = -1
  /** The first tag section without its `#`. */
  tagsStart = 0
  tagsEnd = 0
  /** How many tag sections the row has; `joinTagSections` gives them as one. */
  tagSections = 0
  /** Whether the (only) tag section has the expected bytes. */
  tagsAsExpected = false
  badRates = 0
  unknownSections = 0
}

/** Knows which tag section probably comes. */
export interface TagExpectation {
  /** @param start where a section begins in `bytes` */
  expectAt(bytes: Uint8Array, start: number): { readonly view: DataView; readonly length: number }
}

/**
 * Finds the parts of the row at `start`: `name:value[:value...][|section]...`, ended by `\n`, `\r\n` or the packet's end.
 *
 * Sections may come in any order. The first one without a marker is the type; `@` rate, `#` tags, `T` seconds; all
 * others (`c:`, `e:`, `card:`, what nobody knows yet) are counted and skipped.
 *
 * @param tags comparing with the section it expects finds the section's end in the same pass
 * @returns where the next row starts; beyond the packet's length behind the last one
 * @see https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/ for sections and packed values
 */
export function scanLine(packet: PacketWindow, start: number, line: StatsdLine, tags: TagExpectation): number {
  const { bytes } = packet
  reset(line, start)
  let at = scanName(packet, start, line)
  if (line.kind === RowKind.notAMetric) at = endOfRow(bytes, at, packet.length)
  else {
    if (bytes[at] === colon) at = scanValues(packet, at + 1, line)
    while (bytes[at] === pipe) at = scanSection(packet, at + 1, line, tags)
  }
  // A sender with \r\n pays a second scan, so that all others need not look for \r in each part.
  if (at > start && bytes[at - 1] === carriageReturn) {
    bytes[at - 1] = newline
    scanLine(packet, start, line, tags)
    return at + 1
  }
  line.end = at
  if (at === start) line.kind = RowKind.empty
  return at + 1
}

function reset(line: StatsdLine, start: number): void {
  line.kind = RowKind.metric
  line.start = start
  line.valuesStart = -1
  line.valueCount = 1
  line.first.value = Number.NaN
  line.type = MetricType.none
  line.rate = 1
  line.timeMs = -1
  line.tagsStart = 0
  line.tagsEnd = 0
  line.tagSections = 0
  line.tagsAsExpected = false
  line.badRates = 0
  line.unknownSections = 0
}

function scanName({ bytes, view, length }: PacketWindow, start: number, line: StatsdLine): number {
  let at = start
  let bits = 0
  let word = view.getInt32(at, true)
  let marks = endsOfName(word)
  for (; marks === 0; marks = endsOfName(word)) {
    bits |= word
    at += 4
    word = view.getInt32(at, true)
  }
  const inLastWord = bytesBefore(marks)
  at += inLastWord
  bits |= word & ((1 << (inLastWord * 8)) - 1)
  line.nameEnd = at
  line.nameIsAscii = (bits & 0x80808080) === 0
  if (at > start && bytes[start] === underscore && isEventOrCheck(bytes, start, at, length)) {
    line.kind = RowKind.notAMetric
  }
  return at
}

function endsOfName(word: number): number {
  return markBytes(word, colons) | markBytes(word, pipes) | markBytes(word, newlines)
}

/** `_e{5,4}:title|text` is an event, `_sc|name|0` a service check; `_e` or `_scale` alone are names. */
function isEventOrCheck(bytes: Uint8Array, start: number, nameEnd: number, end: number): boolean {
  const length = nameEnd - start
  if (length >= 3 && bytes[start + 1] === letterE && bytes[start + 2] === openBrace) return true
  const isCheck = length === 3 && bytes[start + 1] === letterS && bytes[start + 2] === letterC
  return isCheck && nameEnd < end && bytes[nameEnd] === pipe
}

function scanValues({ bytes, length }: PacketWindow, start: number, line: StatsdLine): number {
  line.valuesStart = start
  const at = scanDecimal(bytes, start, length, line.first)
  const next = bytes[at]
  if ((next !== pipe && next !== newline) || Number.isNaN(line.first.value)) {
    return scanUnusualValues(bytes, start, line)
  }
  line.valuesEnd = at
  return at
}

/** Several values, or one that is no plain decimal number. */
function scanUnusualValues(bytes: Uint8Array, start: number, line: StatsdLine): number {
  let at = start
  let firstEnd = -1
  for (; ; at++) {
    const byte = bytes[at]
    if (byte === pipe || byte === newline) break
    if (byte !== colon) continue
    line.valueCount++
    if (firstEnd < 0) firstEnd = at
  }
  line.valuesEnd = at
  line.first.value = parseNumber(bytes, start, firstEnd < 0 ? at : firstEnd)
  return at
}

function scanSection(packet: PacketWindow, start: number, line: StatsdLine, tags: TagExpectation): number {
  const { bytes } = packet
  const marker = bytes[start]!
  if (marker === hash) return scanTags(packet, start + 1, line, tags)
  if (marker >= letterC && marker !== pipe && line.type === MetricType.none) {
    const next = bytes[start + 1]
    if (next === pipe || next === newline) {
      line.type = marker === MetricType.counter || marker === MetricType.gauge ? marker : MetricType.other
      return start + 1
    }
  }
  return scanOtherSection(packet, start, line)
}

function scanTags(packet: PacketWindow, start: number, line: StatsdLine, tags: TagExpectation): number {
  const { bytes, view } = packet
  const expected = tags.expectAt(bytes, start)
  let at = start + expected.length
  if (at > packet.length || !sameBytes(view, start, expected.view, 0, expected.length)) at = -1
  else if (bytes[at] !== pipe && bytes[at] !== newline) at = -1
  line.tagsAsExpected = at >= 0 && line.tagSections === 0
  if (at < 0) at = endOfSection(packet, start)
  if (line.tagSections++ === 0) {
    line.tagsStart = start
    line.tagsEnd = at
  }
  return at
}

function scanOtherSection(packet: PacketWindow, start: number, line: StatsdLine): number {
  const { bytes } = packet
  const at = endOfSection(packet, start)
  const marker = start < at ? bytes[start]! : 0
  if (marker === atSign) scanRate(bytes, start + 1, at, line)
  else if (marker === letterT && isTime(bytes, start + 1, at, line)) return at
  else if (line.type === MetricType.none && isType(bytes, start, at)) line.type = MetricType.other
  else line.unknownSections++
  return at
}

function scanRate(packet: Uint8Array, start: number, end: number, line: StatsdLine): void {
  const rate = parseNumber(packet, start, end)
  if (rate > 0 && rate <= 1) line.rate = rate
  else line.badRates++
}

function isTime(packet: Uint8Array, start: number, end: number, line: StatsdLine): boolean {
  const seconds = parseNumber(packet, start, end)
  if (!(seconds >= 0 && seconds <= latestSeconds)) return false
  line.timeMs = Math.round(seconds * 1000)
  return true
}

/** Any word without a colon: `c:`, `e:` and `card:` carry where a metric comes from. */
function isType(packet: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (packet[at] === colon) return false
  return end > start
}

/** Where the section ends that goes on at `start`. */
export function endOfSection({ view }: PacketWindow, start: number): number {
  let at = start
  for (;;) {
    const word = view.getInt32(at, true)
    const marks = markBytes(word, pipes) | markBytes(word, newlines)
    if (marks !== 0) return at + bytesBefore(marks)
    at += 4
  }
}

function endOfRow(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== newline) at++
  return at
}

const comma = Buffer.from(',')

/** All tag sections of a row as one, with a comma between them. */
export function joinTagSections(packet: PacketWindow, { start, end }: StatsdLine): Buffer {
  const { bytes } = packet
  const parts: Uint8Array[] = []
  for (let at = endOfSection(packet, start); at < end; ) {
    const sectionEnd = endOfSection(packet, at + 1)
    if (bytes[at + 1] === hash) parts.push(comma, bytes.subarray(at + 2, sectionEnd))
    at = sectionEnd
  }
  return Buffer.concat(parts.slice(1))
}

/**
 * How many datapoints the ledger counts for a packet, without reading it closely: one for each value of a row,
 * one for a row without a value, an event or a check. It is what reading the packet would count as received.
 */
export function countPacketDatapoints(packet: Uint8Array): number {
  let count = 0
  for (let at = 0; at < packet.length; ) {
    const end = endOfRow(packet, at, packet.length)
    let textEnd = end
    while (textEnd > at && packet[textEnd - 1] === carriageReturn) textEnd--
    if (textEnd > at) count += countRowDatapoints(packet, at, textEnd)
    at = end + 1
  }
  return count
}

function countRowDatapoints(packet: Uint8Array, start: number, end: number): number {
  let colons = 0
  let nameEnd = -1
  let at = start
  for (; at < end && packet[at] !== pipe; at++) {
    if (packet[at] !== colon) continue
    colons++
    if (nameEnd < 0) nameEnd = at
  }
  const isOther = packet[start] === underscore && isEventOrCheck(packet, start, nameEnd < 0 ? at : nameEnd, end)
  return isOther || colons === 0 ? 1 : colons
}
