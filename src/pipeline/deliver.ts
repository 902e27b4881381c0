import { countDatapoints, type MetricList } from '../model/metric-list.js'
import { canPack, type Drop, type PackingSink, type WriteResult } from '../outputs/sink.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Ledger } from '../telemetry/ledger.js'
import { type BatchTrigger, createBatcher, measure } from './batch.js'
import type { Delivery, DeliveryOptions } from './delivery.js'
import { type CompleteBatch, type LoadedBatch, listsOf, type QueuedBatch } from './queued-batch.js'
import { createReceipt, type Receipt } from './receipt.js'
import { createSinkWatch } from './sink-watch.js'
import { chainStages, type Stage } from './stage.js'

export type { BatchFigures, Delivery, DeliveryOptions } from './delivery.js'

export function createDelivery(options: DeliveryOptions): Delivery {
  return new QueuedDelivery(options)
}

class QueuedDelivery implements Delivery {
  readonly name: string
  readonly ledger: Ledger
  readonly ended: Promise<void>
  readonly #options: DeliveryOptions
  readonly #stage: Stage
  readonly #batcher
  readonly #watch
  readonly #queue: QueuedBatch[] = []
  readonly #stop = new AbortController()
  #writing: QueuedBatch[] = []
  #queuedBytes = 0
  #heldDatapoints = 0
  #roomWaiters: (() => void)[] = []
  #wakeWriter: () => void = () => {}
  #isOpen = false
  #draining = false
  #fail: (cause: unknown) => void = () => {}
  #end: () => void = () => {}
  #writer: Promise<void> = Promise.resolve()
  #failure: { cause: unknown } | undefined

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.name = options.sink.name
    this.ledger = options.ledger
    this.#stage = chainStages(options.through ?? [])
    this.#batcher = createBatcher<Receipt>({
      limits: options.batch?.limits ?? {},
      ...(options.batch?.keyOf && { keyOf: options.batch.keyOf }),
      clock: options.clock,
      join: (receipt) => receipt.join(),
      leave: (batch, trigger) => this.#admit(batch, trigger),
    })
    this.#watch = createSinkWatch({ ...options, name: this.name, readiness: options.readiness })
    this.ended = new Promise((resolve, reject) => {
      this.#end = resolve
      this.#fail = reject
    })
    // Whoever does not look at `ended` learns of the failure by `push`.
    this.ended.catch(() => {})
    options.ledger.addHolder(() => this.#batcher.heldDatapoints() + this.#heldDatapoints)
  }

  async open(signal: AbortSignal): Promise<void> {
    const { sink, clock, readiness } = this.#options
    const opening = sink.open(signal).then(() => {
      this.#isOpen = true
      readiness?.ready()
    })
    this.#writer = opening
      .then(() => this.#writeAll())
      .then(
        () => this.#end(),
        (cause) => this.#giveUp(cause),
      )
    const graceOver = new AbortController()
    await Promise.race([opening, clock.sleep(OPEN_GRACE_MS, graceOver.signal)])
    graceOver.abort()
  }

  push(lists: readonly MetricList[]): Promise<void> {
    if (this.#failure !== undefined) return this.#refuse(lists, this.#failure.cause)
    if (this.#options.batch === undefined && !this.#givesBack) {
      // Batch and receipt would cost a StatsD line a tenth of all else.
      if (lists.length > 0) this.#admit({ key: '', lists, owners: [], ...measure(lists) }, 'drain')
      return this.#room()
    }
    const receipt = createReceipt()
    this.#batcher.add(lists, receipt)
    receipt.seal()
    // Many half-filled batches are as much as a few full ones.
    if (this.#batcher.heldBytes() > this.#options.queue.limitBytes / 2) this.#batcher.flush('memory')
    if (this.#givesBack) return receipt.settled
    // Nobody looks at it: without this, a failure would end the process as an unhandled rejection.
    receipt.settled.catch(() => {})
    return this.#room()
  }

  #refuse(lists: readonly MetricList[], cause: unknown): Promise<void> {
    if (this.#givesBack) return Promise.reject(cause)
    this.ledger.drop(this.#options.queue.dropReason, countDatapoints(lists))
    return roomNow
  }

  get #givesBack(): boolean {
    return this.#options.pushSettles === 'when_written'
  }

  async drain(deadline: AbortSignal): Promise<void> {
    this.#draining = true
    this.#batcher.flush()
    const stop = () => this.#stop.abort()
    if (deadline.aborted) stop()
    deadline.addEventListener('abort', stop, { once: true })
    this.#wakeWriter()
    await Promise.race([this.#writer, this.#graceAfter(deadline)])
    deadline.removeEventListener('abort', stop)
    this.#abandon()
  }

  /** A sink that does not heed its signal must not keep the process alive. */
  async #graceAfter(deadline: AbortSignal): Promise<void> {
    if (!deadline.aborted) await new Promise((resolve) => deadline.addEventListener('abort', resolve, { once: true }))
    await this.#options.clock.sleep(SINK_GRACE_MS)
  }

  close(): Promise<void> {
    this.#watch.stop()
    return this.#options.sink.close()
  }

  #admit(batch: CompleteBatch, trigger: BatchTrigger): void {
    const { admit, onBatch } = this.#options
    const figures = { key: batch.key, lists: batch.lists.length, bytes: batch.bytes }
    if (admit?.(figures) === false) {
      this.ledger.drop('global_limit', batch.datapoints)
      for (const receipt of batch.owners) receipt.done()
      return
    }
    onBatch?.(figures, trigger)
    this.#heldDatapoints += batch.datapoints
    this.#queuedBytes += canPack(this.#options.sink) ? this.#pack(batch, this.#options.sink) : this.#enqueue(batch)
    if (this.#options.queue.whenFull === 'drop_oldest') this.#dropOldest()
    this.#wakeWriter()
  }

  /** @returns how many bytes more wait */
  #enqueue(batch: CompleteBatch): number {
    this.#queue.push(batch)
    return batch.bytes
  }

  /**
   * A load is filled as batches come. While the sink is away they stay lists, so that they get the newest tags in the end.
   *
   * @returns how many bytes more wait: less than the lists took
   */
  #pack({ lists, owners, datapoints, bytes }: CompleteBatch, sink: PackingSink): number {
    const queued = this.#loadWithRoom(bytes) ?? this.#newLoad(sink)
    const before = queued.bytes
    queued.lists = queued.lists.length === 0 ? lists : queued.lists.concat(lists)
    for (const owner of owners) queued.owners.push(owner)
    queued.datapoints += datapoints
    queued.bytes += bytes
    if (this.#isOpen && !this.#watch.isAway()) this.#fill(queued)
    return queued.bytes - before
  }

  #loadWithRoom(bytes: number): LoadedBatch | undefined {
    const last = this.#queue.at(-1)
    return last?.load !== undefined && last.bytes + bytes <= (this.#options.mergeBytes ?? 0) ? last : undefined
  }

  #newLoad(sink: PackingSink): LoadedBatch {
    const queued: LoadedBatch = { load: sink.newLoad(), lists: [], owners: [], datapoints: 0, bytes: 0 }
    this.#queue.push(queued)
    return queued
  }

  #fill(batch: LoadedBatch): void {
    batch.load.add(this.#stage(batch.lists))
    batch.lists = []
    batch.bytes = batch.load.byteLength
  }

  #dropOldest(): void {
    const { limitBytes, dropReason } = this.#options.queue
    // The newest batch stays even where it alone is over the limit: a queue that keeps nothing could never send anything.
    while (this.#queuedBytes > limitBytes && this.#queue.length > 1) {
      const batch = this.#queue.shift() as QueuedBatch
      this.#queuedBytes -= batch.bytes
      // A flood can be more than a sink takes that is there and answers.
      this.ledger.drop(this.#watch.isAway() ? dropReason : 'queue_full', batch.datapoints)
      this.#settle(batch)
    }
  }

  #room(): Promise<void> {
    if (this.#options.queue.whenFull !== 'wait' || this.#hasRoom) return roomNow
    return new Promise((resolve) => this.#roomWaiters.push(resolve))
  }

  get #hasRoom(): boolean {
    return this.#queuedBytes + this.#batcher.heldBytes() < this.#options.queue.limitBytes
  }

  #wakeSources(): void {
    if (this.#roomWaiters.length === 0 || !this.#hasRoom) return
    // Who goes on at the first bit of room brings little: the sink would get small writes, one after the other.
    if (this.#queuedBytes > this.#options.queue.limitBytes / 2) return
    const waiters = this.#roomWaiters
    this.#roomWaiters = []
    for (const resolve of waiters) resolve()
  }

  async #writeAll(): Promise<void> {
    for (;;) {
      while (this.#queue.length === 0) {
        if (this.#draining || this.#stop.signal.aborted) return
        await new Promise<void>((resolve) => {
          this.#wakeWriter = resolve
        })
      }
      if (this.#stop.signal.aborted) return
      if (!(await this.#writeUntilSettled(this.#takeNext()))) return
      await this.#letGather()
    }
  }

  /** A write costs as much as hundreds of datapoints: small batches that come soon share one. */
  async #letGather(): Promise<void> {
    const { gatherMs = 0, mergeBytes = 0, clock } = this.#options
    const enough = () => this.#draining || this.#stop.signal.aborted || this.#queuedBytes >= mergeBytes
    if (gatherMs === 0 || enough()) return
    const gathered = new AbortController()
    this.#wakeWriter = () => {
      if (enough()) gathered.abort()
    }
    await clock.sleep(gatherMs, gathered.signal)
  }

  #takeNext(): QueuedBatch[] {
    // Loads are as full as they may be.
    const mergeBytes = canPack(this.#options.sink) ? 0 : (this.#options.mergeBytes ?? 0)
    let bytes = 0
    let count = 0
    do bytes += (this.#queue[count++] as QueuedBatch).bytes
    while (count < this.#queue.length && bytes + (this.#queue[count] as QueuedBatch).bytes <= mergeBytes)
    this.#queuedBytes -= bytes
    this.#writing = this.#queue.splice(0, count)
    return this.#writing
  }

  /** False where the deadline came first: the batches are back in the queue. */
  async #writeUntilSettled(batches: QueuedBatch[]): Promise<boolean> {
    for (;;) {
      let result: WriteResult
      this.#watch.asked()
      try {
        result = await this.#write(batches)
      } catch (cause) {
        this.#putBack(batches)
        throw cause
      }
      this.ledger.repeated += result.repeated ?? 0
      if (result.status === 'sent') {
        this.#account(batches, result.datapoints, result.dropped ?? [])
        return true
      }
      if (this.#stop.signal.aborted) break
      await this.#waitToRetry(result)
      if (this.#stop.signal.aborted) break
    }
    this.#putBack(batches)
    return false
  }

  #write(batches: readonly QueuedBatch[]): Promise<WriteResult> {
    const [first] = batches
    if (first?.load === undefined) return this.#options.sink.write(this.#stage(listsOf(batches)), this.#stop.signal)
    this.#fill(first)
    return first.load.write(this.#stop.signal)
  }

  #putBack(batches: QueuedBatch[]): void {
    this.#writing = []
    this.#queue.unshift(...batches)
    for (const batch of batches) this.#queuedBytes += batch.bytes
  }

  #account(batches: QueuedBatch[], sent: number, dropped: readonly Drop[]): void {
    this.#watch.taken()
    this.#options.backoff.reset()
    this.ledger.forwarded += sent
    for (const { reason, datapoints, cause } of dropped) {
      this.ledger.drop(reason, datapoints)
      if (cause)
        this.#options.log.error({ sink: this.name, reason, datapoints, cause: messageOf(cause) }, 'datapoints dropped')
    }
    this.#writing = []
    for (const batch of batches) this.#settle(batch)
    this.#wakeSources()
  }

  async #waitToRetry({ cause, afterMs }: { cause: Error; afterMs?: number }): Promise<void> {
    const { backoff, clock } = this.#options
    const waitMs = Math.max(afterMs ?? 0, backoff.nextMs())
    this.#watch.failed(cause, waitMs, this.#heldDatapoints)
    await clock.sleep(waitMs, this.#stop.signal)
  }

  #settle(batch: QueuedBatch): void {
    this.#heldDatapoints -= batch.datapoints
    for (const receipt of batch.owners) receipt.done()
    this.#options.onSettled?.(batch.lists)
  }

  /** The sink can never work: whoever waits is told, and the process is to end. */
  #giveUp(cause: unknown): void {
    this.#failure = { cause }
    this.#stop.abort()
    for (const batch of this.#queue) for (const receipt of batch.owners) receipt.fail(cause)
    for (const resolve of this.#roomWaiters) resolve()
    this.#roomWaiters = []
    this.#fail(cause)
  }

  /** After the deadline: what still waits is given back to a source that keeps positions, else it is dropped. */
  #abandon(): void {
    const ended = new StatsError('DS_SHUTDOWN', `${this.name} did not answer before the process had to end.`)
    for (const batch of [...this.#writing, ...this.#queue.splice(0)]) {
      for (const receipt of batch.owners) receipt.fail(ended)
      if (this.#givesBack) continue
      this.#heldDatapoints -= batch.datapoints
      this.ledger.drop(this.#options.queue.dropReason, batch.datapoints)
    }
    this.#queuedBytes = 0
  }
}

/** How long sources wait for a sink that is being opened. */
const OPEN_GRACE_MS = 1000
/** How long a sink may go on after it was told to stop. */
const SINK_GRACE_MS = 1000
const roomNow = Promise.resolve()
