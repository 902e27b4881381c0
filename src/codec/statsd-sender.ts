import type { ContainerIdentity } from '../model/agent-state.js'
import type { Tag } from '../model/metric-list.js'
import { OpenList } from './statsd-open-list.js'
import { identityTags, parseTagSection } from './statsd-tags.js'

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

/** A tag section that was seen before: its bytes, and the list that its datapoints go to. */
export interface TagSection {
  readonly bytes: Buffer
  readonly list: OpenList
  readonly reservedTags: number
  readonly validUtf8: boolean
  /** What came behind it last time: clients repeat their lines in the same order. */
  follower: TagSection
}

/**
 * Who speaks on a socket: the tags in front of its lists, and the tag sections it has used.
 *
 * Sections are found by their bytes. The one expected next (the last one's follower) costs one comparison, which the
 * scan of the line makes anyway; another one a hash and a comparison; a new one is read and remembered.
 */
export class StatsdSender {
  /** '' where the container is not known: such lists come first in a chunk. */
  readonly containerId: string
  readonly topic: string
  /** The list of rows without tags. */
  readonly untagged: OpenList
  /** The tagged lists that the chunk in the making has datapoints in, in the order of their first one. */
  readonly openTagged: OpenList[] = []
  /** Whether the chunk in the making has anything of this sender. */
  inChunk = false
  expected: TagSection

  readonly #known: boolean
  readonly #idTags: readonly Tag[]
  readonly #memory: SectionMemory
  readonly #sections = new Map<number, TagSection>()
  readonly #noTags: TagSection
  #last: TagSection | undefined

  constructor(identity: ContainerIdentity | undefined, memory: SectionMemory) {
    this.containerId = identity?.containerId ?? ''
    this.topic = identity?.frameworkId ?? unknownTopic
    this.#known = identity !== undefined
    this.#idTags = identity === undefined ? [] : identityTags(identity)
    this.#memory = memory
    this.untagged = new OpenList(this.topic, this.#idTags)
    this.#noTags = this.#readSection(Buffer.alloc(0))
    this.expected = this.#noTags
  }

  /** To be called when a row had the expected section. */
  takeExpected(): TagSection {
    const section = this.expected
    this.#last = section
    this.expected = section.follower
    return section
  }

  /** The section with these bytes, known or new. */
  findSection(packet: Buffer, start: number, end: number): TagSection {
    const hash = hashOf(packet, start, end)
    const found = this.#sections.get(hash)
    const section =
      found !== undefined && hasBytes(found.bytes, packet, start, end)
        ? found
        : this.#remember(hash, Buffer.from(packet.subarray(start, end)))
    if (this.#last !== undefined) this.#last.follower = section
    this.#last = section
    this.expected = section.follower
    return section
  }

  forgetSections(): void {
    this.#sections.clear()
    this.#last = undefined
    this.expected = this.#noTags
  }

  /** Two sections with the same hash take turns in the map: rare, and then it costs only time. */
  #remember(hash: number, bytes: Buffer): TagSection {
    this.#memory.add(this)
    const section = this.#readSection(bytes)
    this.#sections.set(hash, section)
    return section
  }

  #readSection(bytes: Buffer): TagSection {
    const { tags, reservedTags, validUtf8 } = parseTagSection(bytes, this.#known)
    const list = tags.length === 0 ? this.untagged : new OpenList(this.topic, [...this.#idTags, ...tags])
    const section = { bytes, list, reservedTags, validUtf8 } as TagSection
    section.follower = section
    return section
  }
}

/** FNV-1a, 32 bits. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash
}

function hasBytes(section: Uint8Array, packet: Uint8Array, start: number, end: number): boolean {
  if (section.length !== end - start) return false
  for (let at = 0; at < section.length; at++) if (section[at] !== packet[start + at]) return false
  return true
}
