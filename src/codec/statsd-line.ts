import { parseNumber, ScannedNumber, scanDecimal } from './statsd-number.js'

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
  /** All bytes of the name or'ed: 0x80 is set where it is not ASCII. */
  nameBits = 0
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

/**
 * Finds the parts of the row at `start`: `name:value[:value...][|section]...`, ended by `\n`, `\r\n` or `end`.
 *
 * Sections may come in any order. The first one without a marker is the type; `@` rate, `#` tags, `T` seconds; all
 * others (`c:`, `e:`, `card:`, what nobody knows yet) are counted and skipped.
 *
 * @param expectedTags the bytes of the tag section that probably comes: comparing finds its end in the same pass
 * @returns where the next row starts; `end` or more behind the last one
 * @see https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/ for sections and packed values
 */
export function scanLine(
  packet: Uint8Array,
  start: number,
  end: number,
  line: StatsdLine,
  expectedTags: Uint8Array,
): number {
  reset(line, start)
  let at = scanName(packet, start, end, line)
  if (line.kind === RowKind.notAMetric) at = endOfRow(packet, at, end)
  else {
    if (at < end && packet[at] === colon) at = scanValues(packet, at + 1, end, line)
    while (at < end && packet[at] === pipe) at = scanSection(packet, at + 1, end, line, expectedTags)
  }
  // A sender with \r\n pays a second scan, so that all others need not look for \r in each part.
  if (at > start && packet[at - 1] === carriageReturn) {
    scanLine(packet, start, at - 1, line, expectedTags)
    return at + 1
  }
  line.end = at
  if (at === start) line.kind = RowKind.empty
  return at + 1
}

function reset(line: StatsdLine, start: number): void {
  line.kind = RowKind.metric
  line.start = start
  line.nameBits = 0
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

function scanName(packet: Uint8Array, start: number, end: number, line: StatsdLine): number {
  let at = start
  let bits = 0
  for (; at < end; at++) {
    const byte = packet[at]!
    if (byte === colon || byte === pipe || byte === newline) break
    bits |= byte
  }
  line.nameEnd = at
  line.nameBits = bits
  if (at > start && packet[start] === underscore && isEventOrCheck(packet, start, at, end)) {
    line.kind = RowKind.notAMetric
  }
  return at
}

/** `_e{5,4}:title|text` is an event, `_sc|name|0` a service check; `_e` or `_scale` alone are names. */
function isEventOrCheck(packet: Uint8Array, start: number, nameEnd: number, end: number): boolean {
  const length = nameEnd - start
  if (length >= 3 && packet[start + 1] === letterE && packet[start + 2] === openBrace) return true
  const isCheck = length === 3 && packet[start + 1] === letterS && packet[start + 2] === letterC
  return isCheck && nameEnd < end && packet[nameEnd] === pipe
}

function scanValues(packet: Uint8Array, start: number, end: number, line: StatsdLine): number {
  line.valuesStart = start
  const at = scanDecimal(packet, start, end, line.first)
  if ((at < end && packet[at] !== pipe && packet[at] !== newline) || Number.isNaN(line.first.value)) {
    return scanUnusualValues(packet, start, end, line)
  }
  line.valuesEnd = at
  return at
}

/** Several values, or one that is no plain decimal number. */
function scanUnusualValues(packet: Uint8Array, start: number, end: number, line: StatsdLine): number {
  let at = start
  let firstEnd = -1
  for (; at < end; at++) {
    const byte = packet[at]!
    if (byte === pipe || byte === newline) break
    if (byte !== colon) continue
    line.valueCount++
    if (firstEnd < 0) firstEnd = at
  }
  line.valuesEnd = at
  line.first.value = parseNumber(packet, start, firstEnd < 0 ? at : firstEnd)
  return at
}

function scanSection(
  packet: Uint8Array,
  start: number,
  end: number,
  line: StatsdLine,
  expectedTags: Uint8Array,
): number {
  const marker = start < end ? packet[start]! : newline
  if (marker === hash) return scanTags(packet, start + 1, end, line, expectedTags)
  if (marker >= letterC && marker !== pipe && line.type === MetricType.none) {
    const next = start + 1
    if (next >= end || packet[next] === pipe || packet[next] === newline) {
      line.type = marker === MetricType.counter || marker === MetricType.gauge ? marker : MetricType.other
      return next
    }
  }
  return scanOtherSection(packet, start, end, line)
}

function scanTags(packet: Uint8Array, start: number, end: number, line: StatsdLine, expected: Uint8Array): number {
  let at = start
  const length = expected.length
  if (start + length <= end) {
    let same = 0
    while (same < length && packet[start + same] === expected[same]) same++
    at = start + same
    line.tagsAsExpected = same === length && (at === end || packet[at] === newline || packet[at] === pipe)
  }
  // What was equal has no section end in it, so the search goes on from the first difference.
  at = endOfSection(packet, at, end)
  if (line.tagSections++ === 0) {
    line.tagsStart = start
    line.tagsEnd = at
  } else line.tagsAsExpected = false
  return at
}

function scanOtherSection(packet: Uint8Array, start: number, end: number, line: StatsdLine): number {
  const at = endOfSection(packet, start, end)
  const marker = start < at ? packet[start]! : 0
  if (marker === atSign) scanRate(packet, start + 1, at, line)
  else if (marker === letterT && isTime(packet, start + 1, at, line)) return at
  else if (line.type === MetricType.none && isType(packet, start, at)) line.type = MetricType.other
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

function endOfSection(packet: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && packet[at] !== pipe && packet[at] !== newline) at++
  return at
}

function endOfRow(packet: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && packet[at] !== newline) at++
  return at
}

const comma = Buffer.from(',')

/** All tag sections of a row as one, with a comma between them. */
export function joinTagSections(packet: Uint8Array, { start, end }: StatsdLine): Buffer {
  const parts: Uint8Array[] = []
  for (let at = endOfSection(packet, start, end); at < end; ) {
    const sectionEnd = endOfSection(packet, at + 1, end)
    if (packet[at + 1] === hash) parts.push(comma, packet.subarray(at + 2, sectionEnd))
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
