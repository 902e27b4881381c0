import type { Clock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'

const dropPeriodMs = 60_000

/** What a spool tells of itself. */
export class SpoolLog {
  readonly #log: Log
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #dir: string
  #hasFailed = false
  #untoldDrops = 0
  #tellDropsFromMs = 0

  constructor({ log, clock, counters, dir }: { log: Log; clock: Clock; counters: Counters; dir: string }) {
    this.#log = log
    this.#clock = clock
    this.#counters = counters
    this.#dir = dir
  }

  /** @param maybeTaken of these the sink may have as many already */
  found(datapoints: number, maybeTaken: number): void {
    this.#counters.add('collector.spool.datapoints_recovered', datapoints)
    const fields = { dir: this.#dir, datapoints, maybeTaken }
    this.#log.info(fields, 'the spool holds datapoints of a process before this one: they are sent now')
  }

  writeFailed(cause: unknown): void {
    this.#counters.add('collector.spool.write_failures')
    if (this.#hasFailed) return
    this.#hasFailed = true
    const text = 'the spool cannot be written: what comes in is kept in memory, and senders wait where that is full'
    this.#log.warn({ dir: this.#dir, cause: messageOf(cause) }, text)
  }

  written(): void {
    if (this.#hasFailed) this.#log.info({ dir: this.#dir }, 'the spool can be written again')
    this.#hasFailed = false
  }

  dropped(datapoints: number): void {
    this.#untoldDrops += datapoints
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#tellDropsFromMs) return
    this.#tellDropsFromMs = nowMs + dropPeriodMs
    const fields = { dir: this.#dir, datapoints: this.#untoldDrops }
    this.#log.error(fields, 'the spool is full (--spool-limit-mbytes): its oldest was dropped')
    this.#untoldDrops = 0
  }

  damaged(datapoints: number, cause: string | undefined): void {
    this.#log.error({ dir: this.#dir, datapoints, cause }, 'the spool is damaged: some of it cannot be read')
  }

  lost(datapoints: number): void {
    const fields = { dir: this.#dir, datapoints }
    this.#log.error(fields, 'datapoints are lost at the end: neither the bus nor the spool took them')
  }

  staying(datapoints: number): void {
    if (datapoints === 0) return
    const text = 'datapoints stay in the spool: the next start with this --spool-dir sends them'
    this.#log.info({ dir: this.#dir, datapoints }, text)
  }
}
