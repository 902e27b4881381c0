import { countDatapoints, type MetricList } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import { StatsError } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { Ledger } from '../telemetry/ledger.js'
import type { Log } from '../telemetry/log.js'
import { type AdmissionRule, createAdmission } from './admission.js'
import type { Delivery } from './deliver.js'
import { decodeEntry, encodeParcel } from './spool-blocks.js'
import { SpoolLog } from './spool-log.js'
import { type SpoolParcel, SpoolParcels } from './spool-parcels.js'
import { diskBytesOf, type NewSpoolEntry, openSpoolStore, type SpoolEntry, type SpoolStore } from './spool-store.js'

export interface SpoolOptions {
  readonly dir: string
  /** Then the oldest go, counted as `queue_full`. */
  readonly limitBytes: number
  /** What the inner delivery gets at a time; what is behind needs no memory. */
  readonly windowBytes: number
  readonly log: Log
  readonly clock: Clock
  readonly counters: Counters
  /** Asked when lists come in: what was let in once is not asked about again. */
  readonly admission?: AdmissionRule
  readonly leaseMs?: number
}

/**
 * A delivery whose lists are on disk, in `dir`, from when they come in until the sink has taken them. They survive the end of the
 * process in any way: the next one with the same directory sends them, and has them in its ledger as received.
 *
 * - Lists go through the disk to `inner` in order. `push` waits for the disk, not for the sink.
 * - Above `limitBytes` the oldest that are not on their way are dropped.
 * - Where the disk cannot be written, lists go to `inner` without it, and `push` waits as it does without a spool.
 * - Stages of `inner` see what comes out, so that tags are new after a restart as well.
 *
 * @param inner with `pushSettles: 'when_written'` and a queue of `windowBytes`
 */
export function spooledDelivery(inner: Delivery, options: SpoolOptions): Delivery {
  return new SpooledDelivery(inner, options)
}

/** What waits for the disk before `push` waits, too; less where the spool is small. */
const unwrittenBytes = 4 * 1024 * 1024
const writeRetryMs = 1000

interface Fresh {
  readonly entry: SpoolEntry
  readonly lists: readonly MetricList[]
}

class SpooledDelivery implements Delivery {
  readonly name: string
  readonly ledger: Ledger
  readonly ended: Promise<void>
  readonly #inner: Delivery
  readonly #options: SpoolOptions
  readonly #admit
  readonly #tell
  readonly #closing = new AbortController()
  #store: SpoolStore | undefined
  #writer: Promise<void> = Promise.resolve()
  /** Not yet on disk. */
  readonly #parcels = new SpoolParcels()
  /** On disk. */
  #stored = { datapoints: 0, diskBytes: 0 }
  /** On disk, and the inner delivery has it or had it. */
  #handedOverDatapoints = 0
  /** Handed over and still on disk, or handed over without having been there. */
  #windowWeight = 0
  /** Ours again, and still in the inner delivery's account: it came back when that gave up. */
  #givenBackDatapoints = 0
  /** The number of the next entry to hand over. */
  #cursor = 0
  /** The sink has them; to be removed. */
  #done: SpoolEntry[] = []
  #hasEnded = false
  #isWriting = false
  #writeFailed = false
  #roomWaiters: (() => void)[] = []
  #wakeWriter: () => void = () => {}
  #wakeDrain: () => void = () => {}
  #fail: (cause: unknown) => void = () => {}

  constructor(inner: Delivery, options: SpoolOptions) {
    this.#inner = inner
    this.#options = options
    this.name = inner.name
    this.ledger = inner.ledger
    this.#admit = createAdmission(options.admission, inner.ledger)
    this.#tell = new SpoolLog(options)
    this.ended = new Promise((resolve, reject) => {
      this.#fail = reject
      inner.ended.then(resolve, reject)
    })
    const end = () => {
      this.#hasEnded = true
      this.#wakeSources()
      this.#wakeDrain()
    }
    this.ended.then(end, end)
    this.ledger.addHolder(() => this.#heldDatapoints)
    const { counters } = options
    counters.onRead(() => {
      counters.set('collector.spool.datapoints', this.#stored.datapoints)
      counters.set('collector.spool.bytes', this.#stored.diskBytes)
    })
  }

  /** Without what the inner delivery has in its account. */
  get #heldDatapoints(): number {
    const onDisk = this.#stored.datapoints - this.#handedOverDatapoints
    return this.#parcels.datapoints + onDisk - this.#givenBackDatapoints
  }

  async open(signal: AbortSignal): Promise<void> {
    const { dir, windowBytes: window, clock, leaseMs } = this.#options
    const store = await openSpoolStore({ dir, window, clock, signal, leaseMs })
    this.#store = store
    this.#takeUp(store)
    await this.#inner.open(signal)
    this.#writer = this.#writeAll(store).catch((cause) => this.#fail(cause))
    this.#handOver(store)
  }

  push(lists: readonly MetricList[]): Promise<void> {
    if (this.#closing.signal.aborted) {
      this.ledger.drop('queue_full', countDatapoints(lists))
      return roomNow
    }
    for (const list of this.#admit(lists)) this.#parcels.add(list)
    this.#wakeWriter()
    if (this.#hasRoom) return roomNow
    return new Promise((resolve) => this.#roomWaiters.push(resolve))
  }

  async drain(deadline: AbortSignal): Promise<void> {
    const store = this.#store
    if (store === undefined) return
    const wake = () => this.#wakeDrain()
    deadline.addEventListener('abort', wake, { once: true })
    while (!deadline.aborted && !this.#hasEnded && !this.#isEmptied(store)) {
      await new Promise<void>((resolve) => {
        this.#wakeDrain = resolve
      })
    }
    deadline.removeEventListener('abort', wake)
    await this.#inner.drain(deadline)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#wakeWriter()
    await this.#writer
    if (this.#store !== undefined) await this.#putAway(this.#store)
    await this.#inner.close()
    await this.#store?.close()
  }

  /** What a process before this one has left: it came in there, and it is this account's from now on. */
  #takeUp({ found: { datapoints, diskBytes, windowDatapoints } }: SpoolStore): void {
    this.#stored = { datapoints, diskBytes }
    this.ledger.received += datapoints
    // Entries are handed over in order, a window at a time: behind it the sink has nothing.
    this.ledger.repeated += windowDatapoints
    if (datapoints > 0) this.#tell.found(datapoints, windowDatapoints)
  }

  get #hasRoom(): boolean {
    return this.#parcels.weight < Math.min(unwrittenBytes, this.#options.limitBytes / 8) || this.#hasEnded
  }

  #isEmptied({ nextSeq }: SpoolStore): boolean {
    return this.#parcels.datapoints === 0 && this.#cursor >= nextSeq
  }

  /** What comes in while one transaction is written goes into the next. */
  async #writeAll(store: SpoolStore): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#closing
    while (!signal.aborted) {
      if (this.#parcels.isEmpty && this.#done.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wakeWriter = resolve
        })
      } else if (!(await this.#write(store))) await clock.sleep(writeRetryMs, signal)
    }
  }

  /** @returns false where the disk did not take it: everything is as before */
  async #write(store: SpoolStore): Promise<boolean> {
    const parcels = this.#parcels.take()
    const done = this.#done
    this.#done = []
    const append = parcels.map(encodeParcel)
    const dropped = this.#oldestBeyondLimit(store, append, done)
    this.#isWriting = true
    const written = await store.commit(append, [...done, ...dropped]).catch((error: unknown) => ({ error }))
    this.#isWriting = false
    if ('error' in written) {
      this.#parcels.putBack(parcels)
      this.#done = [...done, ...this.#done]
      if (written.error instanceof StatsError && written.error.exitCode !== undefined) throw written.error
      this.#writeFailed = true
      this.#tell.writeFailed(written.error)
      this.#handOver(store)
      return false
    }
    this.#parcels.leave(parcels)
    this.#account(written, done, dropped)
    this.#handOver(store, new Map(written.map((entry, at) => [entry.seq, { entry, lists: parcels[at]?.lists ?? [] }])))
    return true
  }

  /** What is on its way stays: it could be counted twice otherwise. */
  #oldestBeyondLimit(
    store: SpoolStore,
    append: readonly NewSpoolEntry[],
    done: readonly SpoolEntry[],
  ): readonly SpoolEntry[] {
    let excess = this.#stored.diskBytes + sumOf(append, ({ bytes }) => diskBytesOf(bytes.length))
    excess -= sumOf(done, ({ diskBytes }) => diskBytes) + this.#options.limitBytes
    const oldest: SpoolEntry[] = []
    if (excess <= 0) return oldest
    for (const entry of store.entriesFrom(this.#cursor)) {
      oldest.push(entry)
      excess -= entry.diskBytes
      if (excess <= 0) break
    }
    return oldest
  }

  #account(added: readonly SpoolEntry[], done: readonly SpoolEntry[], dropped: readonly SpoolEntry[]): void {
    for (const { datapoints, diskBytes } of added) {
      this.#stored.datapoints += datapoints
      this.#stored.diskBytes += diskBytes
    }
    for (const { datapoints, diskBytes } of [...done, ...dropped]) {
      this.#stored.datapoints -= datapoints
      this.#stored.diskBytes -= diskBytes
    }
    for (const { datapoints, weight } of done) {
      this.#handedOverDatapoints -= datapoints
      this.#windowWeight -= weight
    }
    const last = dropped.at(-1)
    if (last !== undefined) {
      this.#cursor = last.seq + 1
      const datapoints = sumOf(dropped, (entry) => entry.datapoints)
      this.ledger.drop('queue_full', datapoints)
      this.#tell.dropped(datapoints)
    }
    this.#writeFailed = false
    this.#tell.written()
  }

  /**
   * Fills the window.
   *
   * @param fresh what has just been written and need not be read
   */
  #handOver(store: SpoolStore, fresh?: ReadonlyMap<number, Fresh>): void {
    // What is being written may remove the very next entries.
    if (this.#isWriting || this.#hasEnded) return
    const { windowBytes } = this.#options
    while (this.#windowWeight < windowBytes && this.#cursor < store.nextSeq) {
      const known = fresh?.get(this.#cursor)
      const entry = known?.entry ?? firstOf(store.entriesFrom(this.#cursor))
      if (entry === undefined) {
        this.#cursor = store.nextSeq
        break
      }
      this.#cursor = entry.seq + 1
      this.#handOverEntry(entry, known?.lists ?? this.#decode(store, entry))
    }
    while (this.#writeFailed && this.#windowWeight < windowBytes && this.#cursor >= store.nextSeq) {
      const parcel = this.#parcels.shift()
      if (parcel === undefined) break
      this.#handOverParcel(store, parcel)
    }
    this.#wakeSources()
    this.#wakeDrain()
  }

  #handOverEntry(entry: SpoolEntry, lists: readonly MetricList[]): void {
    this.#windowWeight += entry.weight
    this.#handedOverDatapoints += entry.datapoints
    // What is given back is still on disk, and that is where it stays.
    this.#inner.push(lists).then(
      () => {
        this.#done.push(entry)
        this.#wakeWriter()
      },
      () => {},
    )
  }

  /** Without the disk, because that does not take it. */
  #handOverParcel(store: SpoolStore, parcel: SpoolParcel): void {
    this.#windowWeight += parcel.weight
    this.#inner.push(parcel.lists).then(
      () => {
        this.#windowWeight -= parcel.weight
        this.#handOver(store)
      },
      () => {
        this.#parcels.giveBack(parcel)
        this.#givenBackDatapoints += parcel.datapoints
      },
    )
  }

  #decode(store: SpoolStore, entry: SpoolEntry): readonly MetricList[] {
    const { lists, missing, cause } = decodeEntry(entry, store.read(entry))
    if (missing === 0) return lists
    this.ledger.drop('undecodable', missing)
    this.#tell.damaged(missing, cause)
    return lists
  }

  #wakeSources(): void {
    if (!this.#hasRoom) return
    const waiters = this.#roomWaiters
    this.#roomWaiters = []
    for (const resolve of waiters) resolve()
  }

  /** The last chance of what is only in memory. */
  async #putAway(store: SpoolStore): Promise<void> {
    if (!this.#parcels.isEmpty || this.#done.length > 0) await this.#write(store).catch(() => {})
    const lost = this.#parcels.datapoints
    if (lost > 0) {
      this.#parcels.leave(this.#parcels.take())
      this.ledger.drop('queue_full', lost)
      this.#tell.lost(lost)
    }
    this.#tell.staying(this.#stored.datapoints)
  }
}

const roomNow = Promise.resolve()

function firstOf<Value>([first]: Iterable<Value>): Value | undefined {
  return first
}

function sumOf<Value>(values: readonly Value[], numberOf: (value: Value) => number): number {
  return values.reduce((sum, value) => sum + numberOf(value), 0)
}
