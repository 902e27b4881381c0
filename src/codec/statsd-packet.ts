import { isUtf8 } from 'node:buffer'
import type { StatsdChunk } from './statsd-chunk.js'
import type { GaugeMemory } from './statsd-gauges.js'
import { endOfSection, joinTagSections, MetricType, RowKind, StatsdLine, scanLine } from './statsd-line.js'
import { layout } from './statsd-memory.js'
import { parseNumber } from './statsd-number.js'
import { PlainLines, Stopped } from './statsd-plain-lines.js'
import type { StatsdSender, TagSection } from './statsd-sender.js'
import { PacketWindow, windowRoom } from './statsd-window.js'

const plus = 43
const minus = 45
const colon = 58

/** In a call. */
const mostLines = 2 ** 30

/** How rows become datapoints, where the field has more than one habit. */
export interface StatsdRules {
  /** What becomes of a missing or corrupt value: it is stored as 0, or dropped. */
  readonly malformed: 'zero' | 'drop'
  /** Which types a sample rate scales up: counters and rows without a type, or all. */
  readonly rateScaling: 'counters' | 'all'
  readonly nameLimitBytes: number
  readonly tagLimitBytes: number
}

export const defaultStatsdRules: StatsdRules = {
  malformed: 'zero',
  rateScaling: 'counters',
  nameLimitBytes: 1024,
  tagLimitBytes: 8192,
}

/** What was seen, since somebody set it to 0. The first four are datapoints, as the ledger counts them. */
export class StatsdCounts {
  received = 0
  malformed = 0
  notAMetric = 0
  tooLarge = 0
  rows = 0
  malformedAsZero = 0
  badRates = 0
  unknownSections = 0
  reservedTags = 0
  /** Names and tag sections whose bytes were no UTF-8. */
  invalidUtf8 = 0

  /** Whether anything but plain rows was seen. */
  get odd(): boolean {
    const notStored = this.malformed + this.notAMetric + this.tooLarge
    const noted = this.malformedAsZero + this.badRates + this.unknownSections + this.reservedTags + this.invalidUtf8
    return notStored + noted > 0
  }

  /** Sets all but `received` and `rows` to 0. */
  clearOddities(): void {
    this.malformed = 0
    this.notAMetric = 0
    this.tooLarge = 0
    this.malformedAsZero = 0
    this.badRates = 0
    this.unknownSections = 0
    this.reservedTags = 0
    this.invalidUtf8 = 0
  }
}

/** What belongs to one packet beside its bytes. */
export interface PacketContext {
  readonly sender: StatsdSender
  /** Given where changes of gauges are to be added up. */
  readonly gauges: GaugeMemory | undefined
  /** Is told every row, without its line end. */
  readonly onRow: ((packet: Buffer, start: number, end: number) => void) | undefined
}

/**
 * Reads packets into a chunk: every value of every row becomes a datapoint there, or is counted under the reason why not.
 * Nothing a packet holds makes it throw.
 */
export class StatsdPacketReader {
  readonly #chunk: StatsdChunk
  readonly #counts: StatsdCounts
  readonly #rules: StatsdRules
  readonly #line = new StatsdLine()
  readonly #window: PacketWindow
  readonly #plain: PlainLines

  constructor(chunk: StatsdChunk, counts: StatsdCounts, rules: StatsdRules) {
    const { memory } = chunk
    this.#chunk = chunk
    this.#counts = counts
    this.#rules = rules
    this.#window = new PacketWindow(memory.bytes.subarray(layout.packet.at, layout.packet.at + layout.packet.bytes))
    this.#plain = new PlainLines(memory, rules)
  }

  /** @param timeMs when the packet was received: the time of all its datapoints that bring none of their own */
  read(packet: Buffer, timeMs: number, context: PacketContext): void {
    const { onRow, sender } = context
    const window = this.#window
    this.#chunk.log.time.set(timeMs)
    window.load(packet)
    const hasPlain = this.#mayHavePlainLines(context)
    for (let at = 0; at < packet.length; ) {
      if (hasPlain) at = this.#takePlainLines(at, sender)
      if (at < packet.length) at = this.#takeLine(at, timeMs, context, onRow && packet)
    }
  }

  /** Who is told every row, or remembers gauges, has to look at each. */
  #mayHavePlainLines({ onRow, gauges }: PacketContext): boolean {
    return this.#plain.isThere && onRow === undefined && gauges === undefined && this.#window.isInRoom
  }

  /**
   * Takes lines as long as they are plain ones with tag sections that are known, a run with the same section at a time.
   *
   * @returns where the first line begins that is not
   */
  #takePlainLines(start: number, sender: StatsdSender): number {
    const plain = this.#plain
    const log = this.#chunk.log
    let at = start
    let section: TagSection | undefined = sender.current
    let expectedAt = -1
    while (section !== undefined && at < this.#window.length && plain.canRead(section)) {
      log.makeRoomUpTo(plain.lastOut)
      at = plain.read(at, this.#window.length, section, log.end, Math.min(this.#chunk.room, mostLines))
      const { count, why, tagsAt } = plain
      if (count > 0) this.#takeRun(section, sender)
      if (why === Stopped.otherTags) {
        const isTried = expectedAt === at
        expectedAt = at
        section = tagsAt < 0 ? sender.noTags : this.#sectionAt(tagsAt, section, sender, isTried)
      } else if (why === Stopped.notPlain || count === 0) return at
    }
    return at
  }

  /**
   * What to try for a line whose section begins at `tagsAt`, and is not `tried`.
   *
   * @param isExpectedTried whether what is expected was already tried for this line
   * @returns undefined where the section is not known
   */
  #sectionAt(
    tagsAt: number,
    tried: TagSection,
    sender: StatsdSender,
    isExpectedTried: boolean,
  ): TagSection | undefined {
    const expected = sender.expectAt(this.#window.bytes, tagsAt)
    if (!isExpectedTried && expected !== tried) return expected
    const known = sender.knownSection(this.#window.view, tagsAt, endOfSection(this.#window, tagsAt) - tagsAt)
    return known === tried ? undefined : known
  }

  #takeRun(section: TagSection, sender: StatsdSender): void {
    const { count, end } = this.#plain
    const counts = this.#counts
    counts.rows += count
    counts.received += count
    if (section.reservedTags > 0) counts.reservedTags += section.reservedTags * count
    if (!section.validUtf8) counts.invalidUtf8 += count
    if (section !== sender.noTags) sender.take(section)
    sender.current = section
    this.#chunk.append(sender, section.list, count, end)
  }

  /** @returns where the next line begins */
  #takeLine(at: number, timeMs: number, context: PacketContext, packet: Buffer | undefined): number {
    const line = this.#line
    const next = scanLine(this.#window, at, line, context.sender)
    if (line.kind === RowKind.empty) return next
    this.#counts.rows++
    if (line.kind === RowKind.metric) this.#takeMetric(timeMs, context)
    else this.#takeOther()
    if (packet !== undefined) context.onRow?.(packet, line.start, line.end)
    return next
  }

  #takeOther(): void {
    this.#counts.received++
    this.#counts.notAMetric++
  }

  #takeMetric(timeMs: number, context: PacketContext): void {
    const line = this.#line
    const window = this.#window
    if (line.badRates + line.unknownSections > 0) this.#countOddities()
    const joinedTags = line.tagSections > 1 ? joinTagSections(window, line) : undefined
    const tagBytes = joinedTags?.length ?? line.tagsEnd - line.tagsStart
    if (line.nameEnd - line.start > this.#rules.nameLimitBytes || tagBytes > this.#rules.tagLimitBytes) {
      this.#counts.received += line.valueCount
      this.#counts.tooLarge += line.valueCount
      return
    }
    if (line.timeMs >= 0) this.#chunk.log.time.set(line.timeMs)
    const section = this.#findSection(joinedTags, context.sender)
    context.sender.current = section ?? context.sender.noTags
    if (!line.nameIsAscii && !isUtf8(window.bytes.subarray(line.start, line.nameEnd))) {
      this.#takeInvalidName(section, context)
    } else this.#addValues(window.view, line.start, line.nameEnd, section, context)
    if (line.timeMs >= 0) this.#chunk.log.time.set(timeMs)
  }

  #countOddities(): void {
    this.#counts.badRates += this.#line.badRates
    this.#counts.unknownSections += this.#line.unknownSections
  }

  /** Undefined for a row without tags. */
  #findSection(joinedTags: Buffer | undefined, sender: StatsdSender): TagSection | undefined {
    const line = this.#line
    if (line.tagSections === 0) return undefined
    const section = line.tagsAsExpected
      ? sender.takeExpected()
      : sender.findSection(joinedTags ?? this.#window.bytes.subarray(line.tagsStart, line.tagsEnd))
    if (section.reservedTags > 0) this.#counts.reservedTags += section.reservedTags
    if (!section.validUtf8) this.#counts.invalidUtf8++
    return section
  }

  /** An Avro string must be UTF-8: what is none becomes U+FFFD. */
  #takeInvalidName(section: TagSection | undefined, context: PacketContext): void {
    const bytes = Buffer.from(this.#window.bytes.toString('utf8', this.#line.start, this.#line.nameEnd))
    const name = new PacketWindow(windowRoom(bytes.length))
    name.load(bytes)
    this.#counts.invalidUtf8++
    this.#addValues(name.view, 0, name.length, section, context)
  }

  #addValues(
    name: DataView,
    nameStart: number,
    nameEnd: number,
    section: TagSection | undefined,
    context: PacketContext,
  ): void {
    const line = this.#line
    const list = section === undefined ? context.sender.untagged : section.list
    let value = line.first.value
    let valueStart = line.valuesStart
    for (let left = line.valueCount; ; left--) {
      this.#counts.received++
      if (Number.isNaN(value) && this.#rules.malformed === 'drop') this.#counts.malformed++
      else {
        if (this.#isUnusual(value, context)) value = this.#settle(value, valueStart, section, context)
        this.#chunk.add(context.sender, list, name, nameStart, nameEnd, value)
      }
      if (left === 1) return
      valueStart = this.#endOfValue(valueStart) + 1
      value = parseNumber(this.#window.bytes, valueStart, this.#endOfValue(valueStart))
    }
  }

  #endOfValue(start: number): number {
    const { bytes } = this.#window
    let at = start
    while (at < this.#line.valuesEnd && bytes[at] !== colon) at++
    return at
  }

  /** Most values are stored as they came: only a rate, a gauge's change or no number at all needs a closer look. */
  #isUnusual(value: number, { gauges }: PacketContext): boolean {
    return this.#line.rate !== 1 || gauges !== undefined || Number.isNaN(value)
  }

  #settle(value: number, valueStart: number, section: TagSection | undefined, { gauges }: PacketContext): number {
    const { rate, type } = this.#line
    if (Number.isNaN(value)) {
      this.#counts.malformedAsZero++
      return 0
    }
    const counts = type === MetricType.counter || type === MetricType.none
    const scaled = counts || this.#rules.rateScaling === 'all' ? value / rate : value
    if (gauges === undefined || type !== MetricType.gauge) return scaled
    const gauge = this.#gaugeKey(section)
    const sign = this.#window.bytes[valueStart]
    if (sign === plus || sign === minus) return gauges.change(gauge, scaled)
    gauges.set(gauge, scaled)
    return scaled
  }

  /** A gauge is its name and its tags; a pipe can be in neither. */
  #gaugeKey(section: TagSection | undefined): string {
    const name = this.#window.bytes.toString('latin1', this.#line.start, this.#line.nameEnd)
    return `${name}|${section?.bytes.toString('latin1') ?? ''}`
  }
}
