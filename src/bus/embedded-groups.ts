import { randomUUID } from 'node:crypto'
import { currentProcess, type Heartbeats, type ProcessIdentity } from '../platform/heartbeats.js'
import type { Subscription } from './bus.js'
import type { Env } from './embedded-env.js'
import { decodePlace, encodePlace, type PartitionId, placeKey } from './embedded-records.js'
import type { Store } from './embedded-store.js'
import { type Topic, topicFilter } from './embedded-topics.js'
import type { WakeFile } from './embedded-wake.js'

/** A partition that this member reads; nobody else of the group does so at the same time. */
export interface Claim extends PartitionId {
  readonly topic: string
  /** Offset of the next message to read. */
  position: bigint
  /** Of the group's place; a commit depends on it, so who has lost the partition cannot move its position. */
  version: number
}

export interface Assignment {
  readonly claimed: readonly Claim[]
  /** No longer to be read: others wait for them, or took them while this member gave no sign of life. */
  readonly released: readonly Claim[]
}

interface MemberRecord {
  readonly process: ProcessIdentity
  readonly topics: readonly string[] | { readonly pattern: string; readonly flags: string }
}

interface GroupRecord {
  /** Topics below this id existed when the group began: `from` applies to them. Later ones are read from their beginning. */
  readonly knownTopics: number
  readonly members: Readonly<Record<string, MemberRecord>>
}

/**
 * One member of a group. All changes of who reads what go through the group's one record, and only where nobody has changed
 * it in the meantime; so two members never claim the same partition.
 */
export class Membership {
  readonly id = `${process.pid}-${randomUUID()}`
  readonly #env: Env
  readonly #store: Store
  readonly #wake: WakeFile
  readonly #heartbeats: Heartbeats
  readonly #subscription: Subscription
  readonly #groupKey: Buffer
  readonly #record: MemberRecord
  readonly #wanted: (name: string) => boolean
  /** The group's version and the number of topics when everything was as it should be. */
  #settledAt: string | undefined
  #waitsForBusy = false

  constructor(parts: { env: Env; store: Store; wake: WakeFile; heartbeats: Heartbeats }, subscription: Subscription) {
    this.#env = parts.env
    this.#store = parts.store
    this.#wake = parts.wake
    this.#heartbeats = parts.heartbeats
    this.#subscription = subscription
    this.#groupKey = Buffer.from(subscription.group)
    const { topics } = subscription
    this.#record = {
      process: currentProcess(),
      topics: topics instanceof RegExp ? { pattern: topics.source, flags: topics.flags } : topics,
    }
    this.#wanted = topicFilter(topics)
  }

  /** Enters the group, and makes it where it is new: then, and only then, `from` gives the positions. */
  async join(): Promise<void> {
    this.#heartbeats.beat(this.id)
    for (;;) {
      this.#store.refresh()
      const { group, version } = this.#read()
      const places = this.#missingPlaces(group)
      const done = await this.#env.commitIf(this.#env.groups, this.#groupKey, version, () => {
        this.#put(this.#withSelf(group), (version ?? 0) + 1)
        for (const [key, position] of places) void this.#env.places.put(key, encodePlace({ position, owner: '' }), 1)
      })
      if (done) break
    }
    this.#wake.touch()
  }

  /** True where the last `settle` left a partition with this member that belongs to another, because it was busy: settle again. */
  get waitsForBusy(): boolean {
    return this.#waitsForBusy
  }

  /** True where members, owners or topics have changed since the last `settle`. Costs one read. */
  hasChanged(): boolean {
    return this.#settledAt !== this.#state(this.#env.groups.getEntry(this.#groupKey)?.version)
  }

  /** True where another member has died without leaving. */
  hasDead(): boolean {
    return this.#dead(this.#read().group).length > 0
  }

  heartbeat(): void {
    this.#heartbeats.beat(this.id)
  }

  matchingTopics(): Topic[] {
    return this.#store.topics.matching(this.#wanted)
  }

  /**
   * Takes this member's fair share and gives back what is beyond it. Partitions that another member still reads come later, when
   * it has given them back.
   *
   * @param held what this member reads now
   * @param isBusy partitions of `held` in the middle of a batch are kept until the batch has ended
   */
  async settle(held: readonly Claim[], isBusy: (claim: Claim) => boolean): Promise<Assignment> {
    for (;;) {
      this.#store.refresh()
      const { group, version } = this.#read()
      const plan = this.#plan(group, held, isBusy)
      this.#waitsForBusy = plan.waitsForBusy
      if (plan.nothingToDo) {
        this.#settledAt = this.#state(version)
        return { claimed: [], released: [] }
      }
      const claimed = await this.#apply(plan, group, version)
      if (claimed === undefined) continue
      for (const dead of plan.dead) this.#heartbeats.forget(dead)
      if (plan.dead.length > 0) this.#env.forgetDeadReaders()
      this.#wake.touch()
      return { claimed, released: plan.released }
    }
  }

  /**
   * Moves positions on. Resolves with the claims that were lost to another member, whose positions have not moved.
   */
  async commit(moves: readonly { claim: Claim; position: bigint }[]): Promise<Claim[]> {
    const results = await this.#env.commitPlaces(() =>
      moves.map(({ claim, position }) => this.#putPlace(claim, position, this.id)),
    )
    const lost: Claim[] = []
    for (const [at, { claim, position }] of moves.entries()) {
      if (results[at] === true) {
        claim.position = position
        claim.version++
      } else lost.push(claim)
    }
    return lost
  }

  async leave(held: readonly Claim[]): Promise<void> {
    for (;;) {
      this.#env.refresh()
      const { group, version } = this.#read()
      if (version === undefined) return
      const { [this.id]: _self, ...members } = group.members
      const done = await this.#env.commitIf(this.#env.groups, this.#groupKey, version, () => {
        this.#put({ ...group, members }, version + 1)
        for (const claim of held) void this.#putPlace(claim, claim.position, '')
      })
      if (done) break
    }
    this.#heartbeats.forget(this.id)
    this.#wake.touch()
  }

  #plan(group: GroupRecord, held: readonly Claim[], isBusy: (claim: Claim) => boolean): Plan {
    const dead = this.#dead(group)
    const share = this.#share(group, dead)
    const theirs = held.filter((claim) => !share.has(keyOf(claim)) || this.#place(claim).owner !== this.id)
    const released = new Set(theirs.filter((claim) => !isBusy(claim)))
    const heldKeys = new Set(held.filter((claim) => !released.has(claim)).map(keyOf))
    const missing = [...share.values()].filter((id) => !heldKeys.has(keyOf(id)))
    const gone = new Set(['', this.id, ...dead])
    const free = missing.flatMap((id) => {
      const place = this.#place(id)
      return gone.has(place.owner) || group.members[place.owner] === undefined ? [{ ...id, ...place }] : []
    })
    const outcast = group.members[this.id] === undefined
    return {
      dead,
      released: [...released],
      free,
      nothingToDo: dead.length + released.size + free.length === 0 && !outcast,
      waitsForBusy: theirs.length > released.size,
    }
  }

  async #apply(plan: Plan, group: GroupRecord, version: number | undefined): Promise<Claim[] | undefined> {
    const living = Object.entries(group.members).filter(([id]) => !plan.dead.includes(id))
    let taken: Promise<boolean>[] = []
    const done = await this.#env.commitIf(this.#env.groups, this.#groupKey, version, () => {
      this.#put(this.#withSelf({ ...group, members: Object.fromEntries(living) }), (version ?? 0) + 1)
      // What another has taken has another version: it stays where it is.
      for (const claim of plan.released) void this.#putPlace(claim, claim.position, '')
      taken = plan.free.map((claim) => this.#putPlace(claim, claim.position, this.id))
    })
    const results = await Promise.all(taken)
    if (!done) return undefined
    return plan.free.flatMap(({ topic, topicId, partition, position, version: before }, at) =>
      results[at] === true ? [{ topic, topicId, partition, position, version: before + 1 }] : [],
    )
  }

  /** Every member works out the same: partitions in their order go round the living members in theirs. */
  #share(group: GroupRecord, dead: readonly string[]): Map<string, PartitionId & { topic: string }> {
    const members = Object.entries({ ...group.members, [this.id]: this.#record })
      .filter(([id]) => !dead.includes(id))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, { topics }]) => ({ id, wants: topicFilter(asSubscribed(topics)) }))
    const share = new Map<string, PartitionId & { topic: string }>()
    for (const { id: topicId, name: topic } of this.matchingTopics()) {
      const eligible = members.filter(({ wants }) => wants(topic))
      for (let partition = 0; partition < this.#store.partitions; partition++) {
        const reader = eligible[(topicId * this.#store.partitions + partition) % eligible.length]
        if (reader?.id === this.id) share.set(keyOf({ topicId, partition }), { topicId, partition, topic })
      }
    }
    return share
  }

  #dead({ members }: GroupRecord): string[] {
    return Object.entries(members).flatMap(([id, { process }]) =>
      id === this.id || this.#heartbeats.isAlive(id, process) ? [] : [id],
    )
  }

  #missingPlaces({ knownTopics }: GroupRecord): [key: Buffer, position: bigint][] {
    return this.matchingTopics().flatMap(({ id: topicId }) =>
      Array.from({ length: this.#store.partitions }, (_, partition) => ({ topicId, partition })).flatMap((id) => {
        const key = placeKey(this.#subscription.group, id)
        if (this.#env.places.getEntry(key) !== undefined) return []
        // Behind 0 nothing can be missed unseen: what retention has removed there is counted when it is read.
        const position = topicId < knownTopics ? this.#store.offsetAt(id, this.#subscription.from) : 0n
        return [[key, position] satisfies [Buffer, bigint]]
      }),
    )
  }

  // Without a place, the topic appeared while the group existed: it is read from its very beginning.
  #place(id: PartitionId): { position: bigint; owner: string; version: number } {
    const entry = this.#env.places.getEntry(placeKey(this.#subscription.group, id))
    if (entry === undefined) return { position: 0n, owner: '', version: 0 }
    return { ...decodePlace(entry.value), version: entry.version ?? 0 }
  }

  #putPlace(claim: Omit<Claim, 'topic'>, position: bigint, owner: string): Promise<boolean> {
    const key = placeKey(this.#subscription.group, claim)
    const value = encodePlace({ position, owner })
    if (claim.version === 0) return this.#env.places.put(key, value, 1)
    // The transaction around it tells why it failed.
    return this.#env.places.put(key, value, claim.version + 1, claim.version).catch(() => false)
  }

  #withSelf(group: GroupRecord): GroupRecord {
    return { ...group, members: { ...group.members, [this.id]: this.#record } }
  }

  #read(): { group: GroupRecord; version: number | undefined } {
    const entry = this.#env.groups.getEntry(this.#groupKey)
    if (entry === undefined) {
      return { group: { knownTopics: this.#store.topics.count, members: {} }, version: undefined }
    }
    return { group: JSON.parse(entry.value.toString()), version: entry.version }
  }

  #put(group: GroupRecord, version: number): void {
    void this.#env.groups.put(this.#groupKey, Buffer.from(JSON.stringify(group)), version)
  }

  #state(version: number | undefined): string {
    return `${version} ${this.#store.topics.count}`
  }
}

interface Plan {
  readonly dead: readonly string[]
  readonly released: readonly Claim[]
  readonly free: readonly Claim[]
  readonly nothingToDo: boolean
  readonly waitsForBusy: boolean
}

function keyOf({ topicId, partition }: PartitionId): string {
  return `${topicId} ${partition}`
}

function asSubscribed(topics: MemberRecord['topics']): readonly string[] | RegExp {
  return 'pattern' in topics ? new RegExp(topics.pattern, topics.flags) : topics
}
