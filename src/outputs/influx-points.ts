import { forEachDatapoint } from '../codec/datapoints.js'
import { type InfluxNames, influxNanoseconds } from '../codec/influx-line.js'
import type { MetricList } from '../model/metric-list.js'

export const collisionRules = ['last', 'sum', 'spread'] as const
/**
 * What becomes of two datapoints of one series (same tags and name) in the same millisecond, of which InfluxDB keeps one:
 * last: the later one stays; sum: they are added, as far as this process wrote them; spread: the later ones move on by a
 * nanosecond each, the smallest step InfluxDB tells apart.
 */
export type CollisionRule = (typeof collisionRules)[number]

/** The points of one write. A point is known by its number, 0 to `count` - 1. */
export interface InfluxPoints {
  readonly count: number
  /** Datapoints that met another one of their series and millisecond. */
  readonly collisions: number
  /** Of these, those whose value gave way to a later one. */
  readonly replaced: number
  readonly notFinite: number
  readonly undecodable: number
  /** How many datapoints a point stands for. */
  weightOf(point: number): number
  /** Points as lines, with the precision of their times: nanoseconds only where one was moved by less than a millisecond. */
  render(points: readonly number[]): { lines: string[]; precision: 'ms' | 'ns' }
}

/** More series than this are not remembered: all of them are forgotten together. */
const SERIES_LIMIT = 100_000

/**
 * What is known of one series. It holds numbers of writes, not the writes: a series that gets no more datapoints would
 * keep a whole write in memory.
 */
interface Series {
  /** Everything in front of the value. */
  readonly head: string
  /** The write that `entries` belong to. */
  write: number
  entries: Entry[]
  /** The same of the last settled write, where it had datapoints of this series. */
  settledWrite: number
  settledEntries: Entry[]
  /** The newest one that was ever settled; absent: who wrote this series before, and what, is not known. */
  newest: Entry | undefined
  /** Only while nothing is known of the series: its first time, and the points there. */
  first: { readonly entry: Entry; readonly points: number[] } | undefined
}

/** One time of a series; a series' entries are sorted by time. */
interface Entry {
  readonly timeMs: number
  /** The point that stands for it; with `spread` the first one. */
  readonly point: number
  value: number
  /** The largest step used for this time. */
  extraNs: number
}

/**
 * Makes points of lists, and finds datapoints that would silently overwrite each other: within a write, and between writes,
 * because batches end anywhere: the whole write before is remembered, and of each series the newest time.
 *
 * A process that takes over from another one knows nothing of what that one wrote last, maybe in the very millisecond that
 * begins the new one's first write. So with `spread` a series that has many datapoints in a millisecond begins with nanoseconds that
 * nobody uses otherwise: datapoints may then be there twice, but never one in place of another.
 */
export class InfluxPointMaker {
  readonly #names: InfluxNames
  readonly #rule: CollisionRule
  /** By measurement and tags, then by name. */
  #series = new Map<string, Map<string, Series>>()
  #seriesCount = 0
  #writeNumber = 0
  /** The last write that was settled: one that is to come again must not collide with itself. */
  #settledNumber = 0

  constructor(names: InfluxNames, rule: CollisionRule) {
    this.#names = names
    this.#rule = rule
  }

  /** The points of a write. Where it is not settled, the next call makes the same points of the same lists. */
  collect(lists: readonly MetricList[]): InfluxPoints {
    if (this.#seriesCount > SERIES_LIMIT) this.#forgetAll()
    this.#writeNumber++
    const write = new WritePoints()
    for (const { tags, datapoints } of lists) {
      const prefix = this.#names.seriesOf(tags)
      const known = this.#series.get(prefix) ?? new Map<string, Series>()
      this.#series.set(prefix, known)
      const read = forEachDatapoint(datapoints, (name, timeMs, value) => {
        const series = known.get(name) ?? this.#addSeries(known, prefix, name)
        if (series.write !== this.#writeNumber) this.#turnOver(series)
        if (Number.isFinite(value)) this.#add(write, series, timeMs, value)
        else write.notFinite++
      })
      write.undecodable += datapoints.count - read
    }
    return write
  }

  /** Tells that the points of the last `collect` are with InfluxDB, or never will be. */
  settle(): void {
    this.#settledNumber = this.#writeNumber
  }

  #add(write: WritePoints, series: Series, timeMs: number, value: number): void {
    const at = indexOfTime(series.entries, timeMs)
    const met = series.entries[at]
    if (met?.timeMs === timeMs) {
      this.#meet(write, series, met, value)
      return
    }
    const earlier = this.#settledEntry(series, timeMs)
    const entry = earlier ? this.#meetEarlier(write, series, earlier, value) : newEntry(write, series, timeMs, value, 0)
    if (entry === undefined) {
      write.notFinite++
      return
    }
    if (series.newest === undefined && series.entries.length === 0) series.first = { entry, points: [entry.point] }
    if (at === series.entries.length) series.entries.push(entry)
    else series.entries.splice(at, 0, entry)
  }

  /** The datapoint meets another one of the same write. */
  #meet(write: WritePoints, series: Series, met: Entry, value: number): void {
    write.collisions++
    switch (this.#rule) {
      case 'last':
        write.replace(met.point, value)
        return
      case 'sum':
        if (Number.isFinite(met.value + value)) {
          met.value += value
          write.addTo(met.point, value)
        } else write.notFinite++
        return
      case 'spread':
        met.extraNs++
        this.#tellFirst(write, series, met, write.add(series.head, met.timeMs, value, met.extraNs))
    }
  }

  /** A second crowded millisecond: the series is of the kind whose first one may have begun in another process. */
  #tellFirst(write: WritePoints, series: Series, met: Entry, point: number): void {
    const { first } = series
    if (first === undefined) return
    if (first.entry === met) {
      first.points.push(point)
      return
    }
    const aside = asideNs(first.entry.value)
    first.entry.extraNs += aside
    for (const each of first.points) write.move(each, aside)
    series.first = undefined
  }

  /** The datapoint meets one that is with InfluxDB already: undefined where their sum is no number. */
  #meetEarlier(write: WritePoints, series: Series, { timeMs, ...earlier }: Entry, value: number): Entry | undefined {
    write.collisions++
    if (this.#rule === 'spread') return newEntry(write, series, timeMs, value, earlier.extraNs + 1)
    if (this.#rule === 'last') return newEntry(write, series, timeMs, value, 0)
    const sum = earlier.value + value
    return Number.isFinite(sum) ? newEntry(write, series, timeMs, sum, 0) : undefined
  }

  #settledEntry(series: Series, timeMs: number): Entry | undefined {
    if (series.newest?.timeMs === timeMs) return series.newest
    if (series.settledWrite !== this.#settledNumber) return undefined
    const entry = series.settledEntries[indexOfTime(series.settledEntries, timeMs)]
    return entry?.timeMs === timeMs ? entry : undefined
  }

  #turnOver(series: Series): void {
    // A write that was not settled came again with the same series, so an older one was.
    if (series.write <= this.#settledNumber) {
      series.settledWrite = series.write
      series.settledEntries = series.entries
      const last = series.entries.at(-1)
      if (last && last.timeMs >= (series.newest?.timeMs ?? Number.NEGATIVE_INFINITY)) series.newest = last
    }
    series.first = undefined
    series.write = this.#writeNumber
    series.entries = []
  }

  #addSeries(known: Map<string, Series>, prefix: string, name: string): Series {
    const head = `${prefix}${this.#names.fieldOf(name)}=`
    const series: Series = {
      head,
      write: -1,
      entries: [],
      settledWrite: -1,
      settledEntries: [],
      newest: undefined,
      first: undefined,
    }
    known.set(name, series)
    this.#seriesCount++
    return series
  }

  #forgetAll(): void {
    this.#series = new Map()
    this.#seriesCount = 0
  }
}

function newEntry(write: WritePoints, { head }: Series, timeMs: number, value: number, extraNs: number): Entry {
  return { timeMs, point: write.add(head, timeMs, value, extraNs), value, extraNs }
}

/** Whole microseconds up to half a millisecond, the same for the same value: a batch that comes again overwrites itself. */
function asideNs(value: number): number {
  float[0] = value
  return 1000 * (1 + (((Math.imul(words[0] ?? 0, 0x9e3779b1) ^ Math.imul(words[1] ?? 0, 0x85ebca6b)) >>> 0) % 499))
}

const float = new Float64Array(1)
const words = new Uint32Array(float.buffer)

/** Where `timeMs` is among the entries, or belongs. */
function indexOfTime(entries: readonly Entry[], timeMs: number): number {
  let high = entries.length
  // A series' times usually grow, so most searches end here.
  if (high === 0 || (entries[high - 1] as Entry).timeMs < timeMs) return high
  let low = 0
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle] as Entry).timeMs < timeMs) low = middle + 1
    else high = middle
  }
  return low
}

class WritePoints implements InfluxPoints {
  readonly #heads: string[] = []
  readonly #times: number[] = []
  readonly #values: number[] = []
  /** Only of points that were moved, and of points that stand for several datapoints. */
  readonly #extraNs = new Map<number, number>()
  readonly #weights = new Map<number, number>()
  collisions = 0
  replaced = 0
  notFinite = 0
  undecodable = 0

  get count(): number {
    return this.#heads.length
  }

  add(head: string, timeMs: number, value: number, extraNs: number): number {
    this.#heads.push(head)
    this.#times.push(timeMs)
    const point = this.#values.push(value) - 1
    if (extraNs > 0) this.#extraNs.set(point, extraNs)
    return point
  }

  move(point: number, extraNs: number): void {
    this.#extraNs.set(point, (this.#extraNs.get(point) ?? 0) + extraNs)
  }

  replace(point: number, value: number): void {
    this.#values[point] = value
    this.replaced++
  }

  addTo(point: number, value: number): void {
    this.#values[point] = (this.#values[point] ?? 0) + value
    this.#weights.set(point, this.weightOf(point) + 1)
  }

  weightOf(point: number): number {
    return this.#weights.get(point) ?? 1
  }

  render(points: readonly number[]): { lines: string[]; precision: 'ms' | 'ns' } {
    const precision = this.#extraNs.size > 0 && points.some((point) => this.#extraNs.has(point)) ? 'ns' : 'ms'
    const timeOf =
      precision === 'ms'
        ? (point: number) => this.#times[point]
        : (point: number) => influxNanoseconds(this.#times[point] ?? 0, this.#extraNs.get(point) ?? 0)
    return { lines: points.map((point) => `${this.#heads[point]}${this.#values[point]} ${timeOf(point)}`), precision }
  }
}
