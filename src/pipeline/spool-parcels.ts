import type { MetricList } from '../model/metric-list.js'
import { sizeOf } from './batch.js'

/** Lists that will be one entry of a spool. */
export interface SpoolParcel {
  readonly lists: MetricList[]
  datapoints: number
  weight: number
}

/** A little below 15 pages of LMDB: with larger entries its file grows beyond what is in it. */
const parcelBytes = 56 * 1024

/** Lists on their way to the disk, the oldest first. Those that were taken count until they have left. */
export class SpoolParcels {
  datapoints = 0
  weight = 0
  #waiting: SpoolParcel[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add(list: MetricList): void {
    const { count } = list.datapoints
    if (count === 0) return
    const weight = sizeOf(list)
    this.datapoints += count
    this.weight += weight
    const last = this.#waiting.at(-1)
    if (last === undefined || last.weight + weight > parcelBytes) {
      this.#waiting.push({ lists: [list], datapoints: count, weight })
      return
    }
    last.lists.push(list)
    last.datapoints += count
    last.weight += weight
  }

  /** All that wait, for a write. */
  take(): readonly SpoolParcel[] {
    const taken = this.#waiting
    this.#waiting = []
    return taken
  }

  /** They were written. */
  leave(parcels: readonly SpoolParcel[]): void {
    for (const { datapoints, weight } of parcels) {
      this.datapoints -= datapoints
      this.weight -= weight
    }
  }

  /** They were not. */
  putBack(parcels: readonly SpoolParcel[]): void {
    this.#waiting = [...parcels, ...this.#waiting]
  }

  /** The oldest one leaves, for somewhere else. */
  shift(): SpoolParcel | undefined {
    const parcel = this.#waiting.shift()
    if (parcel !== undefined) this.leave([parcel])
    return parcel
  }

  /** It comes back from there. */
  giveBack(parcel: SpoolParcel): void {
    this.#waiting.push(parcel)
    this.datapoints += parcel.datapoints
    this.weight += parcel.weight
  }
}
