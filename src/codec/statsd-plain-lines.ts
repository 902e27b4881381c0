import { type KeptBytes, KeptRoom } from './kept-bytes.js'
import { layout, type StatsdMemory } from './statsd-memory.js'

const carriageReturn = 13
/** The length of a name is written in two bytes at most. */
const longestName = 8191
/** What a datapoint takes beside its name, and what is written too much. */
const roomBeside = 64

/** Why reading stopped. */
export const Stopped = { done: 0, otherTags: 1, notPlain: 2 } as const

/** A tag section, or none (its length is 0 then), as it is compared with those of lines. */
export interface PlainSection extends KeptBytes {
  readonly bytes: Buffer
  readonly length: number
}

/**
 * Reads lines of the usual form by the module statsd-lines.wat, which writes their datapoints to the log: a line with three tags
 * takes 0.05 us there in place of 0.3. It knows one tag section at a time.
 */
export class PlainLines {
  /** Whether there is WebAssembly; without it, nothing is read. */
  readonly isThere: boolean
  /** No line is begun where the log has grown beyond this. */
  readonly lastOut: number
  readonly #memory: StatsdMemory
  readonly #tagLimitBytes: number
  readonly #room: KeptRoom
  /** The same sections come from all containers that run the same program: they are kept once. */
  readonly #kept = new Map<string, KeptBytes>()
  #keptOfAge = 0

  constructor(
    memory: StatsdMemory,
    {
      rateScaling,
      nameLimitBytes,
      tagLimitBytes,
    }: { rateScaling: 'counters' | 'all'; nameLimitBytes: number; tagLimitBytes: number },
    room = new KeptRoom(layout.sections.at, layout.sections.bytes),
  ) {
    this.#memory = memory
    this.#room = room
    this.isThere = memory.lines !== undefined
    this.#tagLimitBytes = tagLimitBytes
    const nameLimit = Math.min(nameLimitBytes, longestName)
    this.lastOut = layout.log.at + layout.log.bytes - nameLimit - roomBeside
    memory.lines?.setRules(rateScaling === 'all' ? 1 : 0, nameLimit)
  }

  /** Lines that the last call has read. */
  get count(): number {
    return this.#memory.told[0]!
  }

  /** Where their datapoints end in the log. */
  get end(): number {
    return this.#memory.told[1]!
  }

  /** One of `Stopped`. */
  get why(): number {
    return this.#memory.told[2]!
  }

  /** Where in the packet the other tag section begins; -1 where the line has none. */
  get tagsAt(): number {
    const at = this.#memory.told[3]!
    return at === 0 ? -1 : at - layout.packet.at
  }

  /** Whether lines with this section can be read here. */
  canRead(section: PlainSection): boolean {
    return section.length === 0 || section.keptAge === this.#room.age || this.#keep(section)
  }

  /**
   * Reads lines as long as they are plain and have that section.
   *
   * @param start in the packet, where a line begins; it is `length` bytes long
   * @param out where datapoints go to
   * @param most how many are wanted
   * @returns where the first line begins that was not read
   */
  read(start: number, length: number, section: PlainSection, out: number, most: number): number {
    const { at } = layout.packet
    const { lines } = this.#memory
    if (lines === undefined) return start
    return lines.read(at + start, at + length, section.keptAt, section.length, out, this.lastOut, most) - at
  }

  #keep(section: PlainSection): boolean {
    const { bytes, length } = section
    // Behind a section of that end the line's end would be taken for a part of it.
    if (length > this.#tagLimitBytes || bytes[length - 1] === carriageReturn) return false
    if (section.keptAge === -this.#room.age && !this.#room.miss()) return false
    const kept = this.#keptBytesOf(bytes)
    // Not asked again at this age: to look it up costs more than to read the line.
    section.keptAge = kept?.keptAge ?? -this.#room.age
    section.keptAt = kept?.keptAt ?? 0
    return kept !== undefined
  }

  /** Where these bytes are kept; undefined where there is no room for them. */
  #keptBytesOf(bytes: Buffer): KeptBytes | undefined {
    const text = bytes.toString('latin1')
    const known = this.#kept.get(text)
    if (known?.keptAge === this.#room.age) return known
    const kept = { keptAt: 0, keptAge: 0 }
    if (!this.#room.keep(kept, bytes.length)) return undefined
    if (kept.keptAge !== this.#keptOfAge) this.#kept.clear()
    this.#keptOfAge = kept.keptAge
    this.#memory.bytes.set(bytes, kept.keptAt)
    this.#kept.set(text, kept)
    return kept
  }
}
