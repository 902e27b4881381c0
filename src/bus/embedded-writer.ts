import type { Clock } from '../platform/clock.js'
import { StatsError } from '../platform/errors.js'
import type { OutgoingMessage } from './bus.js'
import { AppendGroup } from './embedded-append.js'
import { type Env, writeError } from './embedded-env.js'
import {
  decodeSegment,
  encodeLog,
  encodeOffset,
  encodeRun,
  indexKey,
  type LogRecord,
  partitionKey,
  type Run,
  runKey,
  segmentKey,
  storedBytesOf,
} from './embedded-records.js'
import { planRemoval, type Removal, type Retention } from './embedded-retention.js'
import { type GoneSegment, SegmentChanges } from './embedded-segment-changes.js'
import { removeSegmentFile, SegmentFile, segmentsOnDisk } from './embedded-segments.js'
import { SpareSegment } from './embedded-spare-segment.js'
import { logKey, type Store } from './embedded-store.js'
import { TopicNames } from './embedded-topics.js'
import type { WakeFile } from './embedded-wake.js'

interface Append {
  readonly topic: string
  readonly messages: readonly OutgoingMessage[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

interface WriterParts {
  readonly env: Env
  readonly store: Store
  readonly wake: WakeFile
  readonly clock: Clock
}

/** Appends that wait while another is being written share the next write and transaction, up to this size. */
const groupBytes = 16 * 1024 * 1024

/** Beyond this a reader might not be able to hold it. */
export const maxMessageBytes = 64 * 1024 * 1024

/** Runs that go in one transaction of `trim`. */
const trimRuns = 2_000

const smallestSegmentBytes = 64 * 1024
const largestSegmentBytes = 64 * 1024 * 1024

/**
 * Appends messages, and removes the oldest. First the messages are written to a segment of this process and synced, without a
 * lock; then one transaction gives them their offsets, and only if that commits are they there.
 */
export class Writer {
  retention: Retention = {}
  readonly #parts: WriterParts
  readonly #waiting: Append[] = []
  readonly #spare: SpareSegment
  #writing: Promise<void> | undefined
  #file: SegmentFile | undefined

  constructor(parts: WriterParts) {
    this.#parts = parts
    this.#spare = new SpareSegment(parts.env.dir)
  }

  /** Resolves when the messages are on disk; rejects where nothing of them was stored. */
  append(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    const bytes = messages.reduce((sum, message) => sum + message.bytes.length, 0)
    this.#spare.expectUse()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ topic, messages, bytes, resolve, reject })
      this.#startWriting()
    })
  }

  /** Removes what is beyond the retention. Appends do so too: this is for a bus to which nothing comes. */
  async trim(): Promise<void> {
    const { env, store, clock } = this.#parts
    env.forgetDeadReaders()
    await this.#spare.discardIfIdle()
    for (;;) {
      const { record, version } = store.refresh()
      if (version === undefined) return
      const nowMs = clock.nowMs()
      const removal = planRemoval(env, record, this.retention, nowMs, trimRuns)
      if (removal.runs.length === 0) return this.#sweep()
      await this.#commit(record, version, { removal, changes: new SegmentChanges(env, nowMs) })
    }
  }

  /** Resolves when nothing is being written any more and no file is open. */
  async close(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    await this.#spare.close()
    await this.#closeFile()
  }

  #startWriting(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
      // Who has just been told that all is on disk may have appended more before this was called.
      if (this.#waiting.length > 0) this.#startWriting()
    })
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const appends = this.#takeGroup()
      try {
        const group = new AppendGroup(appends, this.#parts.store.partitions)
        while (!(await this.#tryAppend(group).catch((error) => this.#makeRoom(error))));
        for (const { resolve } of appends) resolve()
        this.#parts.wake.touch()
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

  /** @returns false where the segment went away meanwhile, and everything has to be written anew */
  async #tryAppend(group: AppendGroup): Promise<boolean> {
    const file = await this.#segmentFile()
    const isFull = file.position + group.bytes >= this.#segmentBytes()
    await this.#io(() => file.write(group.recordsFor(file.segment), isFull))
    for (;;) {
      const committed = await this.#tryCommit(group, file, isFull)
      if (committed === 'done') return true
      if (committed === 'segment gone') return false
    }
  }

  /** A disk that is full has room for another try where there was a spare. */
  async #makeRoom(error: unknown): Promise<false> {
    if (!(await this.#spare.discard())) throw error
    return false
  }

  async #tryCommit(group: AppendGroup, file: SegmentFile, isFull: boolean): Promise<'done' | 'raced' | 'segment gone'> {
    const { env, store, clock } = this.#parts
    const { record, version } = store.refresh()
    if (!this.#isOpen(file)) return 'segment gone'
    const timeMs = Math.max(clock.nowMs(), record.lastTimeMs)
    const plan = planAppend(store, group, record, { segment: file.segment, position: file.position, timeMs })
    const removal = planRemoval(env, plan.log, this.retention, timeMs, 2 * plan.runs.length + 64)
    const changes = new SegmentChanges(env, timeMs)
    changes.append(file.segment, group.bytes, isFull)
    if (!(await this.#commit(plan.log, version, { removal, changes, put: () => putAppend(env, plan, record) })))
      return 'raced'
    file.advance(group.bytes)
    if (isFull) await this.#closeFile()
    return 'done'
  }

  /** @returns false where another process changed the log in between: nothing has been changed */
  async #commit(
    log: LogRecord,
    version: number | undefined,
    { removal, changes, put }: { removal?: Removal; changes: SegmentChanges; put?: () => void },
  ): Promise<boolean> {
    const { env } = this.#parts
    for (const run of removal?.runs ?? []) changes.remove(run)
    const { gone } = changes
    const after: LogRecord = {
      ...log,
      storedBytes: Math.max(0, log.storedBytes - (removal?.storedBytes ?? 0)),
      removedSegments: log.removedSegments + gone.length,
    }
    const committed = await env.commitIf(env.log, logKey, version, () => {
      put?.()
      removal?.remove()
      changes.put()
      void env.log.put(logKey, encodeLog(after), (version ?? 0) + 1)
    })
    if (committed) for (const one of gone) await this.#dispose(one)
    return committed
  }

  async #dispose({ segment, isSealed }: GoneSegment): Promise<void> {
    if (!isSealed || !this.#spare.keep(segment)) await this.#removeFile(segment)
  }

  /** The one that is written to; a new one where there is none, it is full, or it was removed while nothing was written. */
  async #segmentFile(): Promise<SegmentFile> {
    this.#parts.store.refresh()
    if (this.#file !== undefined && this.#isOpen(this.#file)) return this.#file
    await this.#closeFile()
    await this.#sweep()
    const segment = await this.#reserve()
    const spare = await this.#spare.take(segment, this.#segmentBytes() + groupBytes)
    this.#file = spare ?? (await this.#io(() => SegmentFile.create(this.#parts.env.dir, segment)))
    return this.#file
  }

  /** Before there is a file there is its record: a file without one is of nobody. */
  async #reserve(): Promise<number> {
    const { env, store, clock } = this.#parts
    for (;;) {
      const { record, version } = store.refresh()
      const changes = new SegmentChanges(env, clock.nowMs())
      changes.reserve(record.nextSegment)
      const log = { ...record, nextSegment: record.nextSegment + 1 }
      if (await this.#commit(log, version, { changes })) return record.nextSegment
    }
  }

  /** Removes empty segments that nobody writes, and files that a process left when it was killed between record and file. */
  async #sweep(): Promise<void> {
    const { env, store, clock } = this.#parts
    // Before the refresh: what has a file by now has a record in what follows, or had one.
    const onDisk = await this.#io(() => segmentsOnDisk(env.dir))
    const { record, version } = store.refresh()
    const changes = new SegmentChanges(env, clock.nowMs())
    changes.sweep()
    const orphans = onDisk.filter((segment) => !env.segments.doesExist(segmentKey(segment)))
    if (changes.gone.length > 0) await this.#commit(record, version, { changes })
    for (const segment of orphans) if (!this.#spare.has(segment)) await this.#removeFile(segment)
  }

  /** Once sealed, another process may use its file, even where this one was told that the commit had failed. */
  #isOpen({ segment }: SegmentFile): boolean {
    const record = this.#parts.env.segments.getBinary(segmentKey(segment))
    return record !== undefined && !decodeSegment(record).isSealed
  }

  /** Small enough that little is kept beyond the retention: a segment goes as a whole. */
  #segmentBytes(): number {
    const share = (this.retention.bytes ?? Number.POSITIVE_INFINITY) / 16
    return Math.max(smallestSegmentBytes, Math.min(largestSegmentBytes, share))
  }

  async #closeFile(): Promise<void> {
    const closing = this.#file
    this.#file = undefined
    await closing?.close()
  }

  // What cannot be removed now is an orphan, which the next sweep looks for.
  async #removeFile(segment: number): Promise<void> {
    await removeSegmentFile(this.#parts.env.dir, segment).catch(() => {})
  }

  async #io<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw await writeError(this.#parts.env.dir, error)
    }
  }
}

/** What one transaction of appends writes. */
interface AppendPlan {
  readonly newTopics: readonly string[]
  readonly runs: readonly Run[]
  readonly log: LogRecord
}

function planAppend(
  store: Store,
  group: AppendGroup,
  before: LogRecord,
  { segment, position, timeMs }: Pick<Run, 'segment' | 'position' | 'timeMs'>,
): AppendPlan {
  const newTopics: string[] = []
  const heads = new Map<number, bigint>()
  let end = position
  const runs = group.stretches.map(({ topic, partition, records, bytes }): Run => {
    const id = { topicId: topicId(topic), partition }
    const headKey = id.topicId * 0x1_0000 + partition
    const firstOffset = heads.get(headKey) ?? store.head(id)
    heads.set(headKey, firstOffset + BigInt(records.length))
    end += bytes
    return { ...id, firstOffset, count: records.length, timeMs, segment, position: end - bytes, bytes }
  })
  const storedBytes = runs.reduce((sum, run) => sum + storedBytesOf(run), before.storedBytes)
  return {
    newTopics,
    runs,
    log: {
      ...before,
      nextRun: before.nextRun + runs.length,
      nextTopicId: before.nextTopicId + newTopics.length,
      storedBytes,
      lastTimeMs: timeMs,
    },
  }

  function topicId(name: string): number {
    const known = store.topics.idOf(name)
    if (known !== undefined) return known
    const at = newTopics.indexOf(name)
    return before.nextTopicId + (at === -1 ? newTopics.push(name) - 1 : at)
  }
}

function putAppend(env: Env, { newTopics, runs }: AppendPlan, { nextRun, nextTopicId }: LogRecord): void {
  for (const [at, name] of newTopics.entries()) void env.topics.put(TopicNames.key(nextTopicId + at), Buffer.from(name))
  for (const [at, run] of runs.entries()) {
    const number = runKey(nextRun + at)
    void env.runs.put(number, encodeRun(run))
    void env.index.put(indexKey(run, run.firstOffset), number)
    void env.heads.put(partitionKey(run), encodeOffset(run.firstOffset + BigInt(run.count)))
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
