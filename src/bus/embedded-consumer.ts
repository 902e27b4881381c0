import { type Backoff, createBackoff } from '../platform/backoff.js'
import type { Clock } from '../platform/clock.js'
import { messageOf, StatsError } from '../platform/errors.js'
import { type Heartbeats, heartbeatMs } from '../platform/heartbeats.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import type { OnBatch, PartitionLag, Subscription } from './bus.js'
import { type BatchLimits, readBatch } from './embedded-batch.js'
import type { Env } from './embedded-env.js'
import { type Claim, Membership } from './embedded-groups.js'
import { Latch } from './embedded-signal.js'
import type { Store } from './embedded-store.js'
import type { WakeFile } from './embedded-wake.js'

/** What a subscription works with; one of each for all subscriptions of a process. */
export interface ConsumerParts {
  readonly env: Env
  readonly store: Store
  readonly wake: WakeFile
  readonly heartbeats: Heartbeats
  readonly clock: Clock
  readonly log: Log
  readonly counters: Counters
  readonly random: () => number
  readonly limits: BatchLimits
}

/** A partition that is being read: `maybeMore` until a look finds nothing behind the position. */
interface Reading extends Claim {
  maybeMore: boolean
  busy: boolean
  /** Not before this time (monotonic): the last batch failed. */
  notBeforeMs: number
  head: bigint
  readonly backoff: Backoff
}

/**
 * A subscription of a group: reads its share, hands batches over, moves positions. It sleeps until it is woken, by an append,
 * by a change in the group, by the end of a batch, or by the heartbeat.
 */
export class Consumer {
  readonly #parts: ConsumerParts
  readonly #subscription: Subscription
  readonly #onBatch: OnBatch
  readonly #signal: AbortSignal
  readonly #membership: Membership
  readonly #wakeUp = new Latch()
  readonly #stop = new AbortController()
  readonly #readings = new Map<string, Reading>()
  readonly #batches = new Set<Promise<void>>()
  readonly #joinBackoff: Backoff
  #nextRun = 0
  #heartbeatDue = false
  #batchEnded = false
  #failure: StatsError | undefined
  #saidWaiting = false

  constructor(parts: ConsumerParts, subscription: Subscription, onBatch: OnBatch, signal: AbortSignal) {
    this.#parts = parts
    this.#subscription = subscription
    this.#onBatch = onBatch
    this.#signal = signal
    this.#membership = new Membership(parts, subscription)
    this.#joinBackoff = this.#newBackoff()
  }

  async run(): Promise<void> {
    const { clock, wake } = this.#parts
    const stopListening = wake.listen(this.#wakeUp.set)
    const stopHeartbeat = clock.every(heartbeatMs, () => {
      this.#heartbeatDue = true
      this.#wakeUp.set()
    })
    const stop = () => {
      this.#stop.abort()
      this.#wakeUp.set()
    }
    this.#signal.addEventListener('abort', stop, { once: true })
    if (this.#signal.aborted) stop()
    try {
      await this.#insist('join the group', () => this.#membership.join())
      await this.#readUntilStopped()
    } finally {
      stopListening()
      stopHeartbeat()
      this.#signal.removeEventListener('abort', stop)
      await this.#leave()
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  lag(): PartitionLag[] {
    return [...this.#readings.values()].map(({ topic, partition, head, position }) => ({
      topic,
      partition,
      messages: head > position ? Number(head - position) : 0,
    }))
  }

  async #readUntilStopped(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const ended = this.#batchEnded
      this.#batchEnded = false
      this.#look()
      const handOver = ended && this.#membership.waitsForBusy
      if (handOver || this.#beat() || this.#membership.hasChanged())
        await this.#insist('share the work', () => this.#settle())
      this.#startBatches()
      await this.#wakeUp.wait()
    }
    await Promise.all(this.#batches)
  }

  /** Finds out which of the own partitions have something new, in proportion to what came. */
  #look(): void {
    const { store } = this.#parts
    const { nextRun } = store.refresh().record
    if (nextRun === this.#nextRun) return
    // A partition that is claimed later is looked at then.
    const runs = this.#readings.size === 0 ? [] : store.runsSince(this.#nextRun, nextRun)
    this.#nextRun = nextRun
    if (runs === undefined) this.#lookEverywhere()
    for (const run of runs ?? []) {
      const reading = this.#readings.get(keyOf(run))
      if (reading === undefined) continue
      reading.maybeMore = true
      reading.head = run.firstOffset + BigInt(run.count)
    }
  }

  #lookEverywhere(): void {
    for (const reading of this.#readings.values()) {
      reading.head = this.#parts.store.head(reading)
      reading.maybeMore = reading.position < reading.head
    }
  }

  /** @returns true where another member has died */
  #beat(): boolean {
    if (!this.#heartbeatDue) return false
    this.#heartbeatDue = false
    try {
      this.#membership.heartbeat()
      return this.#membership.hasDead()
    } catch (error) {
      this.#parts.log.warn({ cause: messageOf(error) }, 'embedded bus: could not show a sign of life to the group')
      return false
    }
  }

  async #settle(): Promise<void> {
    const held = [...this.#readings.values()]
    const { claimed, released } = await this.#membership.settle(held, (claim) => this.#reading(claim)?.busy ?? false)
    for (const claim of released) this.#readings.delete(keyOf(claim))
    for (const claim of claimed) {
      const head = this.#parts.store.head(claim)
      const reading = { ...claim, maybeMore: true, busy: false, notBeforeMs: 0, head, backoff: this.#newBackoff() }
      this.#readings.set(keyOf(claim), reading)
    }
    this.#tellWaiting()
    // What one change made possible may need a second look: others release, and topics appear, at any time.
    if (claimed.length + released.length > 0) this.#wakeUp.set()
  }

  #startBatches(): void {
    const concurrency = Math.max(1, this.#subscription.concurrency ?? 1)
    while (this.#batches.size < concurrency && !this.#stop.signal.aborted) {
      const ready = this.#ready()
      if (ready.length === 0) return
      // Shared among the free hands, so that one does not take everything.
      const share = Math.ceil(ready.length / (concurrency - this.#batches.size))
      this.#startBatch(ready.slice(0, share))
    }
  }

  #startBatch(cursors: readonly Reading[]): void {
    const { store, limits } = this.#parts
    const { messages, moves, exhausted } = readBatch(store, cursors, limits, this.#parts)
    for (const reading of exhausted) reading.maybeMore = false
    // Last come, first served next: a busy partition must not keep the others waiting.
    for (const { claim } of moves) {
      claim.busy = true
      this.#readings.delete(keyOf(claim))
      this.#readings.set(keyOf(claim), claim)
    }
    if (moves.length === 0) return
    const batch = this.#handle(messages, moves).finally(() => {
      this.#batches.delete(batch)
      for (const { claim } of moves) claim.busy = false
      this.#batchEnded = true
      this.#wakeUp.set()
    })
    this.#batches.add(batch)
  }

  async #handle(
    messages: Parameters<OnBatch>[0],
    moves: readonly { claim: Reading; position: bigint }[],
  ): Promise<void> {
    try {
      if (messages.length > 0) await this.#onBatch(messages, this.#stop.signal)
    } catch (error) {
      return this.#putOff(moves, error)
    }
    const lost = await this.#insist('commit positions', () => this.#membership.commit(moves))
    for (const { claim } of moves) claim.backoff.reset()
    for (const claim of lost ?? []) this.#readings.delete(keyOf(claim))
  }

  /** The batch comes again, later each time. */
  #putOff(moves: readonly { claim: Reading }[], error: unknown): void {
    if (error instanceof StatsError && error.exitCode !== undefined) this.#fail(error)
    if (this.#stop.signal.aborted) return
    const { clock, log } = this.#parts
    const waitMs = Math.round(Math.max(...moves.map(({ claim }) => claim.backoff.nextMs())))
    for (const { claim } of moves) {
      claim.notBeforeMs = clock.monotonicMs() + waitMs
      claim.maybeMore = true
    }
    void clock.sleep(waitMs, this.#stop.signal).then(this.#wakeUp.set)
    log.warn({ group: this.#subscription.group, waitMs, cause: messageOf(error) }, 'embedded bus: a batch comes again')
  }

  #fail(error: StatsError): void {
    this.#failure ??= error
    this.#stop.abort()
    this.#wakeUp.set()
  }

  /** Tries until it works or the subscription ends: a full disk can get room again. */
  async #insist<T>(what: string, run: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        const result = await run()
        this.#joinBackoff.reset()
        return result
      } catch (error) {
        if (error instanceof StatsError && error.exitCode !== undefined) this.#fail(error)
        if (this.#stop.signal.aborted) return undefined
        const waitMs = Math.round(this.#joinBackoff.nextMs())
        this.#parts.log.warn(
          { group: this.#subscription.group, waitMs, cause: messageOf(error) },
          `embedded bus: could not ${what}, trying again`,
        )
        await this.#parts.clock.sleep(waitMs, this.#stop.signal)
      }
    }
  }

  async #leave(): Promise<void> {
    await Promise.all(this.#batches)
    try {
      await this.#membership.leave([...this.#readings.values()])
    } catch (error) {
      this.#parts.log.warn(
        { cause: messageOf(error) },
        'embedded bus: could not leave the group; others take over soon',
      )
    }
    this.#readings.clear()
  }

  #ready(): Reading[] {
    const now = this.#parts.clock.monotonicMs()
    return [...this.#readings.values()].filter(
      ({ maybeMore, busy, notBeforeMs }) => maybeMore && !busy && notBeforeMs <= now,
    )
  }

  #tellWaiting(): void {
    if (this.#saidWaiting || this.#membership.matchingTopics().length > 0) return
    this.#saidWaiting = true
    const { topics, group } = this.#subscription
    const wanted = topics instanceof RegExp ? topics.source : topics
    this.#parts.log.info({ topics: wanted, group }, 'embedded bus: no such topic yet, waiting for it')
  }

  #reading(claim: Claim): Reading | undefined {
    return this.#readings.get(keyOf(claim))
  }

  #newBackoff(): Backoff {
    return createBackoff({ firstMs: 100, maxMs: 10_000, random: this.#parts.random })
  }
}

function keyOf({ topicId, partition }: { topicId: number; partition: number }): string {
  return `${topicId} ${partition}`
}
