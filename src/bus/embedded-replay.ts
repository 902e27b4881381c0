import { type Backoff, createBackoff } from '../platform/backoff.js'
import { messageOf, StatsError } from '../platform/errors.js'
import { heartbeatMs } from '../platform/heartbeats.js'
import type { IncomingMessage, OnBatch, PartitionLag, Subscription } from './bus.js'
import { readBatch } from './embedded-batch.js'
import type { ConsumerParts } from './embedded-consumer.js'
import type { PartitionId } from './embedded-records.js'
import { Latch } from './embedded-signal.js'
import { topicFilter } from './embedded-topics.js'

interface ReplayCursor extends PartitionId {
  readonly topic: string
  position: bigint
  done: boolean
}

/** Reads a span of time once, outside of every group: see `Subscription.replay`. */
export class Replay {
  readonly #parts: ConsumerParts
  readonly #subscription: Subscription
  readonly #onBatch: OnBatch
  readonly #signal: AbortSignal
  readonly #wanted: (name: string) => boolean
  readonly #endMs: number
  readonly #wakeUp = new Latch()
  readonly #backoff: Backoff
  readonly #cursors: ReplayCursor[] = []
  #knownTopics: number | undefined

  constructor(parts: ConsumerParts, subscription: Subscription, onBatch: OnBatch, signal: AbortSignal) {
    this.#parts = parts
    this.#subscription = subscription
    this.#onBatch = onBatch
    this.#signal = signal
    this.#wanted = topicFilter(subscription.topics)
    this.#endMs = subscription.to?.timeMs ?? Number.POSITIVE_INFINITY
    this.#backoff = createBackoff({ firstMs: 100, maxMs: 10_000, random: parts.random })
  }

  async run(): Promise<void> {
    const { clock, wake } = this.#parts
    const stopListening = wake.listen(this.#wakeUp.set)
    const stopLooking = clock.every(heartbeatMs, this.#wakeUp.set)
    this.#signal.addEventListener('abort', this.#wakeUp.set, { once: true })
    try {
      while (!this.#signal.aborted) {
        // Asked before the look: what is published in this very moment may still belong to the span.
        const isOver = clock.nowMs() >= this.#endMs
        const handled = await this.#handleNext()
        if (!handled && isOver) return
        if (!handled) await this.#wakeUp.wait()
      }
    } finally {
      stopListening()
      stopLooking()
      this.#signal.removeEventListener('abort', this.#wakeUp.set)
    }
  }

  lag(): PartitionLag[] {
    return this.#cursors.map((cursor) => ({
      topic: cursor.topic,
      partition: cursor.partition,
      messages: Number(this.#parts.store.head(cursor) - cursor.position),
    }))
  }

  /** @returns false where nothing is waiting */
  async #handleNext(): Promise<boolean> {
    this.#look()
    const open = this.#cursors.filter(({ done }) => !done)
    const { messages, moves } = readBatch(this.#parts.store, open, this.#parts.limits, this.#parts)
    if (moves.length === 0) return false
    const wanted = messages.filter(({ timeMs }) => timeMs < this.#endMs)
    if (wanted.length > 0 && !(await this.#handle(wanted))) return true
    for (const { claim, position } of moves) claim.position = position
    for (const { topic, partition, timeMs } of messages) {
      if (timeMs >= this.#endMs) this.#end(topic, partition)
    }
    return true
  }

  #look(): void {
    const { store } = this.#parts
    store.refresh()
    const known = this.#knownTopics
    this.#knownTopics = store.topics.count
    for (const { id: topicId, name: topic } of store.topics.matching(this.#wanted)) {
      if (known !== undefined && topicId < known) continue
      const from = known === undefined ? this.#subscription.from : 'earliest'
      for (let partition = 0; partition < store.partitions; partition++) {
        const id = { topicId, partition }
        this.#cursors.push({ ...id, topic, position: store.offsetAt(id, from), done: false })
      }
    }
  }

  async #handle(messages: readonly IncomingMessage[]): Promise<boolean> {
    try {
      await this.#onBatch(messages, this.#signal)
      this.#backoff.reset()
      return true
    } catch (error) {
      if (error instanceof StatsError && error.exitCode !== undefined) throw error
      if (this.#signal.aborted) return false
      const waitMs = Math.round(this.#backoff.nextMs())
      this.#parts.log.warn({ waitMs, cause: messageOf(error) }, 'embedded bus: a batch comes again')
      await this.#parts.clock.sleep(waitMs, this.#signal)
      return false
    }
  }

  #end(topic: string, partition: number): void {
    const cursor = this.#cursors.find((one) => one.topic === topic && one.partition === partition)
    if (cursor !== undefined) cursor.done = true
  }
}
