import type { ContainerRow } from './live-tables.js'
import { TotalRate } from './rate.js'

/** What one StatsD endpoint has counted since it was opened. */
export interface ContainerReading {
  /** The endpoint, and nothing else at any time. */
  readonly key: object
  readonly containerId: string
  readonly frameworkId?: string
  readonly executorId?: string
  readonly datapoints: number
  readonly bytes: number
  readonly droppedDatapoints: number
  readonly kernelDrops: number
  /** 0 where nothing came yet. */
  readonly lastMs: number
}

/** What the agent calls things. */
export interface LiveNames {
  framework(frameworkId: string): string | undefined
  application(frameworkId: string, executorId: string): string | undefined
}

interface Followed {
  readonly reading: ContainerReading
  readonly rate: TotalRate
  readonly byteRate: TotalRate
  readonly dropRate: TotalRate
}

/** Rows of containers out of their endpoints' totals: read each second while somebody looks, and not otherwise. */
export class ContainerRates {
  #known = new Map<object, Followed>()

  take(readings: Iterable<ContainerReading>, seconds: number): void {
    const known = new Map<object, Followed>()
    for (const reading of readings) {
      const { rate, byteRate, dropRate } = this.#known.get(reading.key) ?? {
        rate: new TotalRate(),
        byteRate: new TotalRate(),
        dropRate: new TotalRate(),
      }
      rate.take(reading.datapoints, seconds)
      byteRate.take(reading.bytes, seconds)
      dropRate.take(reading.droppedDatapoints, seconds)
      known.set(reading.key, { reading, rate, byteRate, dropRate })
    }
    // What has ended is not among the readings any more.
    this.#known = known
  }

  clear(): void {
    this.#known.clear()
  }

  *rows(names: LiveNames): Generator<ContainerRow> {
    for (const { reading, rate, byteRate, dropRate } of this.#known.values()) {
      const { containerId: id, frameworkId = '', executorId = '', kernelDrops, lastMs } = reading
      const name = names.application(frameworkId, executorId) ?? executorId
      const framework = names.framework(frameworkId) ?? frameworkId
      yield {
        id,
        frameworkId,
        ...(name !== '' && { name }),
        ...(framework !== '' && { framework }),
        rate: rate.perSecond,
        byteRate: byteRate.perSecond,
        dropRate: dropRate.perSecond,
        dropped: reading.droppedDatapoints,
        ...(kernelDrops > 0 && { kernelDrops }),
        ...(lastMs > 0 && { lastMs }),
      }
    }
  }
}
