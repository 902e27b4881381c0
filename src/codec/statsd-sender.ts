import type { ContainerIdentity } from '../model/agent-state.js'
import type { Tag } from '../model/metric-list.js'
import { viewOf } from './avro-cursor.js'
import { hashBytes, sameBytes } from './byte-compare.js'
import type { TagExpectation } from './statsd-line.js'
import { OpenList } from './statsd-open-list.js'
import type { PlainSection } from './statsd-plain-lines.js'
import { identityTags, type ParsedTags, parseTagSection } from './statsd-tags.js'

/** The topic of those whom nobody knows, or who share a socket (R18 of the first implementation). */
export const unknownTopic = 'unknown_container'

/** How many tag sections all senders together keep in mind; a section takes about 0.7 KB. */
const rememberedLimit = 131_072

/** Bounds what all senders together remember: an explosion of tag values costs time, never memory. */
export class SectionMemory {
  readonly #limit: number
  readonly #holders = new Set<{ forgetSections(): void }>()
  #remembered = 0

  constructor(limit = rememberedLimit) {
    this.#limit = limit
  }

  /** Counts one more section of `holder`; where that is one too many, all holders forget all of theirs first. */
  add(holder: { forgetSections(): void }): void {
    if (this.#remembered >= this.#limit) {
      for (const each of this.#holders) each.forgetSections()
      this.#holders.clear()
      this.#remembered = 0
    }
    this.#remembered++
    this.#holders.add(holder)
  }
}

/**
 * A tag section that was seen before: its bytes, and the list that its datapoints go to. A class, and what each run of lines looks at
 * first, so that it lies in one or two lines of the processor's caches: of many sections, each is far away when it comes.
 */
export class TagSection implements PlainSection {
  keptAt = 0
  keptAge = 0
  readonly length: number
  readonly list: OpenList
  /** The other section that came behind it last time: clients repeat their lines in the same order. */
  follower: TagSection = this
  /** The first position at which the follower has another byte, and that byte; -1 where there is none. */
  followerDiffersAt = -1
  followerByte = -1
  readonly reservedTags: number
  readonly validUtf8: boolean
  readonly bytes: Buffer
  /** The same bytes. */
  readonly view: DataView

  constructor(bytes: Buffer, list: OpenList, { reservedTags, validUtf8 }: ParsedTags) {
    this.length = bytes.length
    this.list = list
    this.reservedTags = reservedTags
    this.validUtf8 = validUtf8
    this.bytes = bytes
    this.view = viewOf(bytes)
  }

  hasBytes(view: DataView, start: number, length: number): boolean {
    return this.length === length && sameBytes(this.view, 0, view, start, length)
  }

  rememberFollower(section: TagSection): void {
    let at = 0
    while (at < section.length && this.bytes[at] === section.bytes[at]) at++
    this.follower = section
    this.followerDiffersAt = at
    this.followerByte = section.bytes[at] ?? -1
  }

  forgetFollower(): void {
    this.follower = this
    this.followerDiffersAt = -1
    this.followerByte = -1
  }
}

/**
 * Who speaks on a socket: the tags in front of its lists, and the tag sections it has used.
 *
 * Sections are found by their bytes. The one expected next (the last one again, or its follower: one byte tells) costs one
 * comparison, which finds the section's end as well; another one a hash and a comparison; a new one is read and remembered.
 */
export class StatsdSender implements TagExpectation {
  /** '' where the container is not known: such lists come first in a chunk. */
  readonly containerId: string
  readonly topic: string
  /** The list of rows without tags. */
  readonly untagged: OpenList
  /** The tagged lists that the chunk in the making has datapoints in, in the order of their first one. */
  readonly openTagged: OpenList[] = []
  /** Whether the chunk in the making has anything of this sender. */
  inChunk = false
  /** Stands for a row without a tag section. */
  readonly noTags: TagSection
  /** What the last row had. */
  current: TagSection

  readonly #known: boolean
  readonly #idTags: readonly Tag[]
  readonly #memory: SectionMemory
  readonly #sections = new Map<number, TagSection>()
  #last: TagSection
  #expected: TagSection

  constructor(identity: ContainerIdentity | undefined, memory: SectionMemory) {
    this.containerId = identity?.containerId ?? ''
    this.topic = identity?.frameworkId ?? unknownTopic
    this.#known = identity !== undefined
    this.#idTags = identity === undefined ? [] : identityTags(identity)
    this.#memory = memory
    this.untagged = new OpenList(this.topic, this.#idTags)
    this.noTags = this.#readSection(Buffer.alloc(0))
    this.current = this.noTags
    this.#last = this.noTags
    this.#expected = this.noTags
  }

  expectAt(bytes: Uint8Array, start: number): TagSection {
    const last = this.#last
    this.#expected = bytes[start + last.followerDiffersAt] === last.followerByte ? last.follower : last
    return this.#expected
  }

  /** To be called when a row had the expected section. */
  takeExpected(): TagSection {
    this.#last = this.#expected
    return this.#last
  }

  /** The section with these bytes, known or new. */
  findSection(bytes: Buffer): TagSection {
    const view = viewOf(bytes)
    const hash = hashBytes(view, 0, bytes.length)
    const found = this.#sections.get(hash)
    const section = found?.hasBytes(view, 0, bytes.length) ? found : this.#remember(hash, Buffer.from(bytes))
    this.take(section)
    return section
  }

  /** The section with these bytes where it is known. */
  knownSection(view: DataView, start: number, length: number): TagSection | undefined {
    const found = this.#sections.get(hashBytes(view, start, length))
    return found?.hasBytes(view, start, length) ? found : undefined
  }

  /** Tells that rows with this section came. */
  take(section: TagSection): void {
    const last = this.#last
    if (section !== last && section !== last.follower) last.rememberFollower(section)
    this.#last = section
  }

  forgetSections(): void {
    this.#sections.clear()
    this.current = this.noTags
    this.noTags.forgetFollower()
    this.#last = this.noTags
  }

  /** Two sections with the same hash take turns in the map: rare, and then it costs only time. */
  #remember(hash: number, bytes: Buffer): TagSection {
    this.#memory.add(this)
    const section = this.#readSection(bytes)
    this.#sections.set(hash, section)
    return section
  }

  #readSection(bytes: Buffer): TagSection {
    const parsed = parseTagSection(bytes, this.#known)
    const { tags } = parsed
    const list = tags.length === 0 ? this.untagged : new OpenList(this.topic, [...this.#idTags, ...tags])
    return new TagSection(bytes, list, parsed)
  }
}
