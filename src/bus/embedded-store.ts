import type { Clock } from '../platform/clock.js'
import { StatsError } from '../platform/errors.js'
import type { IncomingMessage, OutgoingMessage, StartFrom } from './bus.js'
import type { Env } from './embedded-env.js'
import {
  decodeLog,
  decodeMessage,
  decodeOffset,
  decodeRun,
  encodeLog,
  encodeMessage,
  encodeOffset,
  encodeRun,
  type LogRecord,
  messageKey,
  offsetOfKey,
  type PartitionId,
  partitionKey,
  partitionOfKey,
  type Run,
  runKey,
  storedBytesOf,
  timeOfMessage,
} from './embedded-records.js'
import { planRemoval, type Retention } from './embedded-retention.js'
import { TopicNames } from './embedded-topics.js'
import type { WakeFile } from './embedded-wake.js'

interface Append {
  readonly topic: string
  readonly messages: readonly OutgoingMessage[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

const logKey = Buffer.from('log')
const emptyLog: LogRecord = { nextRun: 0, nextTopicId: 0, storedBytes: 0, lastTimeMs: 0 }

/** Appends that wait while another is being written share the next transaction, up to this size. */
const groupBytes = 16 * 1024 * 1024

/** Beyond this a reader might not be able to hold it. */
export const maxMessageBytes = 64 * 1024 * 1024

/** Messages that go in one transaction of `trim`. */
const trimMessages = 5_000

/** Topics and messages in one directory, appended to and read by several processes at once. */
export class Store {
  readonly topics: TopicNames
  retention: Retention = {}
  readonly partitions: number
  readonly #env: Env
  readonly #clock: Clock
  readonly #wake: WakeFile
  readonly #waiting: Append[] = []
  #writing: Promise<void> | undefined

  constructor({ env, partitions, clock, wake }: { env: Env; partitions: number; clock: Clock; wake: WakeFile }) {
    this.#env = env
    this.#clock = clock
    this.#wake = wake
    this.partitions = partitions
    this.topics = new TopicNames(env)
  }

  /** Resolves when the messages are on disk; rejects where nothing of them was stored. */
  append(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    const bytes = messages.reduce((sum, message) => sum + message.bytes.length, 0)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ topic, messages, bytes, resolve, reject })
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined
      })
    })
  }

  /** Removes what is beyond the retention. Appends do so too: this is for a bus to which nothing comes. */
  async trim(): Promise<void> {
    this.#env.forgetDeadReaders()
    for (;;) {
      this.#env.refresh()
      const { record, version } = this.#log()
      if (version === undefined) return
      const removal = planRemoval(this.#env, record, this.retention, this.#clock.nowMs(), trimMessages)
      if (removal.messages === 0) return
      await this.#env.commitIf(this.#env.log, logKey, version, () => {
        removal.remove()
        void this.#env.log.put(logKey, encodeLog(removal.log), version + 1)
      })
    }
  }

  /** Resolves when nothing is being written any more. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /** Brings what other processes did into sight, in one snapshot until the next call. */
  refresh(): LogRecord {
    this.#env.refresh()
    const { record } = this.#log()
    this.topics.readUpTo(record.nextTopicId)
    return record
  }

  /** The runs from number `from` on that are still there; undefined where some in between are gone. */
  runsSince(from: number): Run[] | undefined {
    const found: Run[] = []
    let expected = from
    for (const { key, value } of this.#env.runs.getRange({ start: runKey(from) })) {
      if (!key.equals(runKey(expected))) return undefined
      found.push(decodeRun(value))
      expected++
    }
    return found
  }

  /** The offset that the next message will have. */
  head(id: PartitionId): bigint {
    const bytes = this.#env.heads.getBinary(partitionKey(id))
    return bytes === undefined ? 0n : decodeOffset(bytes)
  }

  /** The offset of the oldest message that is still there; the head where there is none. */
  oldest(id: PartitionId): bigint {
    for (const key of this.#env.messages.getKeys({ start: messageKey(id, 0n), end: messageKey(id), limit: 1 })) {
      return offsetOfKey(key)
    }
    return this.head(id)
  }

  message(topic: string, id: PartitionId, offset: bigint): IncomingMessage | undefined {
    const record = this.#env.messages.getBinary(messageKey(id, offset))
    return record === undefined ? undefined : decodeMessage(topic, id, offset, record)
  }

  /** Where a reader that starts at `from` begins. */
  offsetAt(id: PartitionId, from: StartFrom): bigint {
    if (from === 'latest') return this.head(id)
    const oldest = this.oldest(id)
    return from === 'earliest' ? oldest : this.#firstSince(id, from.timeMs, oldest)
  }

  // Times never go back along a partition, and no offset between oldest and head is missing.
  #firstSince(id: PartitionId, timeMs: number, oldest: bigint): bigint {
    let low = oldest
    let high = this.head(id)
    while (low < high) {
      const middle = (low + high) / 2n
      const record = this.#env.messages.getBinary(messageKey(id, middle))
      if (record !== undefined && timeOfMessage(record) >= timeMs) high = middle
      else low = middle + 1n
    }
    return low
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const appends = this.#takeGroup()
      try {
        while (!(await this.#tryAppend(appends)));
        for (const { resolve } of appends) resolve()
        this.#wake.touch()
      } catch (error) {
        for (const { reject } of appends) reject(error)
      }
    }
  }

  #takeGroup(): Append[] {
    let bytes = 0
    const fits = this.#waiting.findIndex((append) => {
      bytes += append.bytes
      return bytes > groupBytes
    })
    return this.#waiting.splice(0, fits === -1 ? this.#waiting.length : Math.max(1, fits))
  }

  /** @returns false where another process appended in between: nothing has been stored, and offsets have to be given anew */
  async #tryAppend(appends: readonly Append[]): Promise<boolean> {
    this.#env.refresh()
    const { record, version } = this.#log()
    this.topics.readUpTo(record.nextTopicId)
    const timeMs = Math.max(this.#clock.nowMs(), record.lastTimeMs)
    const plan = new AppendPlan(this, record, timeMs)
    for (const { topic, messages } of appends) plan.add(topic, messages)
    const added = plan.log()
    const removal = planRemoval(this.#env, added, this.retention, timeMs, 2 * plan.messages.length + 64)
    return this.#env.commitIf(this.#env.log, logKey, version, () => {
      this.#put(plan, record)
      removal.remove()
      void this.#env.log.put(logKey, encodeLog(removal.log), (version ?? 0) + 1)
    })
  }

  #put(plan: AppendPlan, { nextRun, nextTopicId }: LogRecord): void {
    const { topics, messages, runs, heads } = this.#env
    for (const [at, name] of plan.newTopics.entries())
      void topics.put(TopicNames.key(nextTopicId + at), Buffer.from(name))
    for (const [key, record] of plan.messages) void messages.put(key, record)
    for (const [at, run] of plan.runs.entries()) {
      void runs.put(runKey(nextRun + at), encodeRun(run))
      void heads.put(partitionKey(run), encodeOffset(run.firstOffset + BigInt(run.count)))
    }
  }

  #log(): { record: LogRecord; version: number | undefined } {
    const entry = this.#env.log.getEntry(logKey)
    return entry === undefined
      ? { record: emptyLog, version: undefined }
      : { record: decodeLog(entry.value), version: entry.version }
  }
}

interface OpenRun extends Run {
  count: number
  storedBytes: number
}

/** What one transaction of appends writes: one run a partition. */
class AppendPlan {
  readonly newTopics: string[] = []
  readonly messages: [key: Buffer, record: Buffer][] = []
  readonly #store: Store
  readonly #before: LogRecord
  readonly #timeMs: number
  readonly #runs = new Map<number, OpenRun>()

  constructor(store: Store, before: LogRecord, timeMs: number) {
    this.#store = store
    this.#before = before
    this.#timeMs = timeMs
  }

  get runs(): Run[] {
    return [...this.#runs.values()]
  }

  add(topic: string, messages: readonly OutgoingMessage[]): void {
    const topicId = this.#topicId(topic)
    for (const message of messages) {
      this.#addMessage({ topicId, partition: partitionOfKey(message.key, this.#store.partitions) }, message)
    }
  }

  log(): LogRecord {
    let { storedBytes } = this.#before
    for (const run of this.#runs.values()) storedBytes += run.storedBytes
    return {
      nextRun: this.#before.nextRun + this.#runs.size,
      nextTopicId: this.#before.nextTopicId + this.newTopics.length,
      storedBytes,
      lastTimeMs: this.#timeMs,
    }
  }

  #addMessage(id: PartitionId, message: OutgoingMessage): void {
    const runId = id.topicId * 0x1_0000 + id.partition
    const run = this.#runs.get(runId) ?? this.#newRun(id)
    const record = encodeMessage(message, this.#timeMs)
    this.messages.push([messageKey(id, run.firstOffset + BigInt(run.count)), record])
    run.count++
    run.storedBytes += storedBytesOf(record)
    this.#runs.set(runId, run)
  }

  #newRun(id: PartitionId): OpenRun {
    return { ...id, firstOffset: this.#store.head(id), count: 0, storedBytes: 0, timeMs: this.#timeMs }
  }

  #topicId(name: string): number {
    const known = this.#store.topics.idOf(name)
    if (known !== undefined) return known
    const at = this.newTopics.indexOf(name)
    return this.#before.nextTopicId + (at === -1 ? this.newTopics.push(name) - 1 : at)
  }
}

/** @throws StatsError DS_BUS_TOPIC_INVALID or DS_BUS_MESSAGE_TOO_LARGE: never to be tried again */
export function checkPublish(topic: string, messages: readonly OutgoingMessage[]): void {
  if (!/^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/.test(topic)) {
    const expected = 'expected 1 to 249 of a-z A-Z 0-9 . _ -, and neither . nor ..'
    throw new StatsError('DS_BUS_TOPIC_INVALID', `"${topic}" is no topic: ${expected}, as for Kafka.`)
  }
  const large = messages.find(({ bytes }) => bytes.length > maxMessageBytes)
  if (large === undefined) return
  throw new StatsError(
    'DS_BUS_MESSAGE_TOO_LARGE',
    `A message of ${large.bytes.length} bytes for topic ${topic} is larger than the embedded bus takes (${maxMessageBytes}).`,
  )
}
