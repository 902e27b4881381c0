import { DatapointReader } from '../codec/datapoint-reader.js'
import type { InfluxNames } from '../codec/influx-line.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import { type Series, SeriesBook } from './influx-series.js'
import { type InfluxPoints, WritePoints } from './influx-write-points.js'

export const collisionRules = ['last', 'sum', 'spread'] as const
/**
 * What becomes of two datapoints of one series (same tags and name) in the same millisecond, of which InfluxDB keeps one:
 * last: the later one stays; sum: they are added, as far as this process wrote them; spread: the later ones move on by a
 * nanosecond each, the smallest step InfluxDB tells apart.
 */
export type CollisionRule = (typeof collisionRules)[number]

/** More series than this are not remembered: all of them are forgotten together. */
const SERIES_LIMIT = 100_000

/**
 * Makes points of lists, and finds datapoints that would silently overwrite each other: within a write, and between writes,
 * because batches end anywhere: the whole write before is remembered, and of each series the newest time.
 *
 * A process that takes over from another one knows nothing of what that one wrote last, maybe in the very millisecond that
 * begins the new one's first write. So with `spread` a series that has many datapoints in a millisecond begins with nanoseconds that
 * nobody uses otherwise: datapoints may then be there twice, but never one in place of another.
 */
export class InfluxPointMaker {
  readonly #rule: CollisionRule
  readonly #book: SeriesBook
  readonly #reader = new DatapointReader()
  #write = new WritePoints()
  /** The last write that was settled: one that is to come again must not collide with itself. */
  #settled = new WritePoints()
  #writeNumber = 0

  constructor(names: InfluxNames, rule: CollisionRule) {
    this.#book = new SeriesBook(names)
    this.#rule = rule
    this.#settled.clear(0)
  }

  /**
   * The points of a write, valid until the call after the next one. Where it is not settled, the next call makes the same points
   * of the same lists.
   */
  collect(lists: readonly MetricList[]): InfluxPoints {
    if (this.#book.count > SERIES_LIMIT) this.#book.forgetAll()
    this.#writeNumber++
    const write = this.#write
    const reader = this.#reader
    write.clear(countDatapoints(lists))
    for (const { tags, datapoints } of lists) {
      const known = this.#book.tagSetOf(tags)
      let read = 0
      for (reader.open(datapoints); reader.next(); read++) {
        const series = known.seriesOf(this.#book.fieldAt(reader), reader.isFirst)
        if (Number.isFinite(reader.value)) this.#add(write, series, reader.timeMs, reader.value)
        else write.notFinite++
      }
      write.undecodable += datapoints.count - read
    }
    return write
  }

  /** Tells that the points of the last `collect` are with InfluxDB, or never will be. */
  settle(): void {
    const write = this.#write
    write.settle()
    this.#write = this.#settled
    this.#settled = write
  }

  #add(write: WritePoints, series: Series, timeMs: number, value: number): void {
    const met = write.find(series, timeMs)
    if (met >= 0) this.#meet(write, series, met, value)
    else if (timeMs > series.newestMs) this.#addFirst(write, series, timeMs, value, 0)
    else if (timeMs === series.newestMs) {
      this.#meetEarlier(write, series, timeMs, value, { value: series.newestValue, stepsNs: series.newestExtraNs })
    } else {
      const settled = this.#settled
      const earlier = settled.find(series, timeMs)
      if (earlier < 0) this.#addFirst(write, series, timeMs, value, 0)
      else {
        const stepsNs = settled.stepsOf(earlier)
        this.#meetEarlier(write, series, timeMs, value, { value: settled.valueOf(earlier), stepsNs })
      }
    }
  }

  #addFirst(write: WritePoints, series: Series, timeMs: number, value: number, extraNs: number): void {
    const point = write.addFirst(series, timeMs, value, extraNs)
    if (series.newestMs !== Number.NEGATIVE_INFINITY || series.firstWrite === this.#writeNumber) return
    series.firstWrite = this.#writeNumber
    series.firstPoints = [point]
  }

  /** The datapoint meets another one of the same write. */
  #meet(write: WritePoints, series: Series, met: number, value: number): void {
    write.collisions++
    switch (this.#rule) {
      case 'last':
        write.replace(met, value)
        return
      case 'sum':
        if (Number.isFinite(write.valueOf(met) + value)) write.addTo(met, value)
        else write.notFinite++
        return
      case 'spread':
        this.#tellFirst(write, series, met, write.addBehind(met, value))
    }
  }

  /** A second crowded millisecond: the series is of the kind whose first one may have begun in another process. */
  #tellFirst(write: WritePoints, series: Series, met: number, point: number): void {
    const { firstPoints } = series
    if (firstPoints === undefined || series.firstWrite !== this.#writeNumber) return
    const first = firstPoints[0] as number
    if (first === met) {
      firstPoints.push(point)
      return
    }
    write.moveAside(first, firstPoints, asideNs(write.valueOf(first)))
    series.firstPoints = undefined
  }

  /** The datapoint meets one that is with InfluxDB already. */
  #meetEarlier(
    write: WritePoints,
    series: Series,
    timeMs: number,
    value: number,
    earlier: { readonly value: number; readonly stepsNs: number },
  ): void {
    write.collisions++
    switch (this.#rule) {
      case 'last':
        this.#addFirst(write, series, timeMs, value, 0)
        return
      case 'sum':
        if (Number.isFinite(earlier.value + value)) this.#addFirst(write, series, timeMs, earlier.value + value, 0)
        else write.notFinite++
        return
      case 'spread':
        this.#addFirst(write, series, timeMs, value, earlier.stepsNs + 1)
    }
  }
}

/** Whole microseconds up to half a millisecond, the same for the same value: a batch that comes again overwrites itself. */
function asideNs(value: number): number {
  float[0] = value
  return 1000 * (1 + (((Math.imul(words[0] ?? 0, 0x9e3779b1) ^ Math.imul(words[1] ?? 0, 0x85ebca6b)) >>> 0) % 499))
}

const float = new Float64Array(1)
const words = new Uint32Array(float.buffer)
