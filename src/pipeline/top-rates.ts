import { Rate } from '../telemetry/rate.js'

/** What one of many is doing. */
export interface TopRate<About> {
  readonly about: About
  readonly rate: Rate
  readonly byteRate: Rate
  lastMs: number
  /** Since the last tick. */
  datapoints: number
  bytes: number
}

/** After this time without a datapoint a row goes, room or not. */
const forgottenAfterMs = 600_000

/**
 * Rates of the busiest of many, by a key that anybody may make up: at most `limit` are kept from one second to the next, the
 * busiest, and twice as many in between; what is beyond that is not followed.
 */
export class TopRates<Key, About> {
  readonly #limit: number
  readonly #rows = new Map<Key, TopRate<About>>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** @param about made once for a key that is new */
  add(key: Key, datapoints: number, bytes: number, nowMs: number, about: () => About): void {
    let row = this.#rows.get(key)
    if (row === undefined) {
      if (this.#rows.size >= 2 * this.#limit) return
      row = { about: about(), rate: new Rate(), byteRate: new Rate(), lastMs: nowMs, datapoints: 0, bytes: 0 }
      this.#rows.set(key, row)
    }
    row.datapoints += datapoints
    row.bytes += bytes
    row.lastMs = nowMs
  }

  /**
   * @param seconds since the last tick
   * @param scale what was added, times this, is what there was
   */
  tick(seconds: number, scale: number, nowMs: number): void {
    for (const [key, row] of this.#rows) {
      row.rate.add(row.datapoints * scale, seconds)
      row.byteRate.add(row.bytes * scale, seconds)
      row.datapoints = row.bytes = 0
      if (nowMs - row.lastMs > forgottenAfterMs) this.#rows.delete(key)
    }
    if (this.#rows.size > this.#limit) this.#keepBusiest()
  }

  rows(): Iterable<TopRate<About>> {
    return this.#rows.values()
  }

  clear(): void {
    this.#rows.clear()
  }

  #keepBusiest(): void {
    const byRate = [...this.#rows].sort(([, a], [, b]) => a.rate.perSecond - b.rate.perSecond)
    for (const [key] of byRate.slice(0, this.#rows.size - this.#limit)) this.#rows.delete(key)
  }
}
