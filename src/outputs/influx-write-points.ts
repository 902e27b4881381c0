import { influxNanoseconds } from '../codec/influx-line.js'
import { blank, type LineBuffer, newline } from '../codec/line-buffer.js'
import type { Series } from './influx-series.js'

/** The points of one write. A point is known by its number, 0 to `count` - 1. */
export interface InfluxPoints {
  readonly count: number
  /** The datapoints that all points stand for. */
  readonly datapoints: number
  /** Datapoints that met another one of their series and millisecond. */
  readonly collisions: number
  /** Of these, those whose value gave way to a later one. */
  readonly replaced: number
  readonly notFinite: number
  readonly undecodable: number
  /** How many datapoints a point stands for. */
  weightOf(point: number): number
  /**
   * Adds a line for each of the points.
   *
   * @returns the precision of their times: nanoseconds only where one was moved by less than a millisecond
   */
  render(points: Uint32Array, lines: LineBuffer): 'ms' | 'ns'
}

/** What most writes need; what a larger one took is given back. */
const usualCapacity = 32_768
const nanosecondDigits = 6
const nanosecondsInMs = 1e6

/**
 * The points as columns of numbers, with a table to find a point by series and time. It is used for one write after another, so
 * that a datapoint makes no garbage.
 *
 * The first point of a series at a time stands for this time: what others of the write are told of it is kept under its number.
 */
export class WritePoints implements InfluxPoints {
  count = 0
  datapoints = 0
  collisions = 0
  replaced = 0
  notFinite = 0
  undecodable = 0
  #series: Series[] = []
  #timesMs = new Float64Array(0)
  #values = new Float64Array(0)
  /** By how much each point is moved. */
  #extraNs = new Float64Array(0)
  /** The largest step used for a point's series and time; -1 where another point stands for these. */
  #stepsNs = new Float64Array(0)
  /** Only of points that stand for several datapoints. */
  readonly #weights = new Map<number, number>()
  /** Open addressing: numbers of points, one higher, by the hash of series and time; 0 where there is none. At most half full. */
  #slots = new Int32Array(0)
  /** Where the last search ended without success. */
  #freeSlot = 0

  /** @param most no write has more points than datapoints */
  clear(most: number): void {
    this.count = this.datapoints = this.collisions = this.replaced = this.notFinite = this.undecodable = 0
    this.#weights.clear()
    const capacity = Math.max(most, usualCapacity)
    if (capacity === this.#timesMs.length) this.#slots.fill(0)
    else this.#allocate(capacity)
  }

  /** The point that stands for this time of the series; -1 where there is none, and then `addFirst` may follow. */
  find(series: Series, timeMs: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hashOf(series.number, timeMs) & mask; ; slot = (slot + 1) & mask) {
      const point = (slots[slot] as number) - 1
      if (point < 0) {
        this.#freeSlot = slot
        return -1
      }
      if (this.#timesMs[point] === timeMs && this.#series[point] === series) return point
    }
  }

  /** Adds the point that is to stand for its series and time, right after `find` found none. */
  addFirst(series: Series, timeMs: number, value: number, extraNs: number): number {
    const point = this.#add(series, timeMs, value, extraNs)
    this.#stepsNs[point] = extraNs
    this.#slots[this.#freeSlot] = point + 1
    return point
  }

  /** Adds a point to the time that `first` stands for, a step behind all that are there. */
  addBehind(first: number, value: number): number {
    const extraNs = this.stepsOf(first) + 1
    this.#stepsNs[first] = extraNs
    const point = this.#add(this.#series[first] as Series, this.#timesMs[first] as number, value, extraNs)
    this.#stepsNs[point] = -1
    return point
  }

  /** Moves points of one time; `first` stands for it and is among them. */
  moveAside(first: number, points: readonly number[], extraNs: number): void {
    this.#stepsNs[first] = this.stepsOf(first) + extraNs
    for (const point of points) this.#extraNs[point] = (this.#extraNs[point] as number) + extraNs
  }

  replace(point: number, value: number): void {
    this.#values[point] = value
    this.replaced++
  }

  addTo(point: number, value: number): void {
    this.#values[point] = this.valueOf(point) + value
    this.#weights.set(point, this.weightOf(point) + 1)
    this.datapoints++
  }

  valueOf(point: number): number {
    return this.#values[point] as number
  }

  stepsOf(point: number): number {
    return this.#stepsNs[point] as number
  }

  weightOf(point: number): number {
    return this.#weights.get(point) ?? 1
  }

  /** Tells each series what is now its newest time. */
  settle(): void {
    for (let point = 0; point < this.count; point++) {
      const series = this.#series[point] as Series
      const timeMs = this.#timesMs[point] as number
      if (timeMs < series.newestMs || this.stepsOf(point) < 0) continue
      series.newestMs = timeMs
      series.newestValue = this.valueOf(point)
      series.newestExtraNs = this.stepsOf(point)
    }
  }

  render(points: Uint32Array, lines: LineBuffer): 'ms' | 'ns' {
    const precision = this.#areMoved(points) ? 'ns' : 'ms'
    for (const point of points) {
      const { head, field } = this.#series[point] as Series
      lines.addPart(head)
      lines.addPart(field)
      lines.addNumber(this.valueOf(point))
      lines.addByte(blank)
      if (precision === 'ms') lines.addTime(this.#timesMs[point] as number)
      else addNanoseconds(lines, this.#timesMs[point] as number, this.#extraNs[point] as number)
      lines.addByte(newline)
    }
    return precision
  }

  #areMoved(points: Uint32Array): boolean {
    for (const point of points) if ((this.#extraNs[point] as number) > 0) return true
    return false
  }

  #add(series: Series, timeMs: number, value: number, extraNs: number): number {
    const point = this.count++
    this.datapoints++
    this.#series[point] = series
    this.#timesMs[point] = timeMs
    this.#values[point] = value
    this.#extraNs[point] = extraNs
    return point
  }

  #allocate(capacity: number): void {
    this.#series = []
    this.#timesMs = new Float64Array(capacity)
    this.#values = new Float64Array(capacity)
    this.#extraNs = new Float64Array(capacity)
    this.#stepsNs = new Float64Array(capacity)
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * capacity)))
  }
}

function addNanoseconds(lines: LineBuffer, timeMs: number, extraNs: number): void {
  if (timeMs > 0 && extraNs < nanosecondsInMs) {
    lines.addTime(timeMs)
    lines.addDigits(extraNs, nanosecondDigits)
  } else lines.addText(influxNanoseconds(timeMs, extraNs))
}

function hashOf(series: number, timeMs: number): number {
  const hash = Math.imul(Math.imul(series, 0x9e3779b1) ^ timeMs, 0x85ebca6b)
  return hash ^ (hash >>> 15)
}
