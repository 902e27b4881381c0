import { forEachDatapoint } from '../codec/datapoints.js'
import {
  originalNameLabel,
  prometheusHead,
  prometheusLabel,
  prometheusLabels,
  prometheusMetricName,
  prometheusSample,
} from '../codec/prometheus-text.js'
import type { MetricList, Tag } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'

/** Why a datapoint is not among the newest values. */
export type LeftOut = 'series_limit' | 'too_long' | 'undecodable'

/** The newest value of every series, for a page of Prometheus. */
export interface NewestValues {
  push(lists: readonly MetricList[]): void
  /**
   * A page with all series that have had a value lately, a metric's together, in pieces. Which series those are is settled
   * by the call.
   */
  render(): Iterable<string>
  /** Forgets the series that have had no value for too long. */
  sweep(): void
  readonly series: number
}

export interface NewestValuesOptions {
  readonly clock: Clock
  /** How long a series stays without a new value. */
  readonly expiryMs: number
  /** New series beyond it are left out until others have expired. */
  readonly seriesLimit: number
  readonly onLeftOut: (reason: LeftOut, datapoints: number) => void
  /** Told when a name shares its legal form with others; the others are known by the label original_name. */
  readonly onCollision?: (name: string, metricName: string) => void
}

// One series must not cost as much as ten thousand.
const longestName = 1024
const longestLabels = 8192
/** In UTF-16 units: a piece takes a millisecond or so to make. */
const pieceLength = 128 * 1024

export function createNewestValues(options: NewestValuesOptions): NewestValues {
  return new SeriesByName(options)
}

/** The labels of one set of tags. All series with these tags share it, and it is known by its text while it has series. */
interface LabelSet {
  readonly text: string
  series: number
}

interface Series {
  value: number
  /** When it was measured, never later than when it came. */
  timeMs: number
  /** When its last value came, by the clock that never jumps. */
  seenMs: number
}

/** A name as it was sent. */
interface Name {
  readonly metric: Metric
  readonly original: string
  /** Whether the label original_name tells it from others of the metric. */
  readonly told: boolean
  readonly series: Map<LabelSet, Series>
}

/** What Prometheus knows as a metric; nearly always one name. */
interface Metric {
  readonly metricName: string
  readonly names: Set<Name>
}

class SeriesByName implements NewestValues {
  series = 0
  readonly #options: NewestValuesOptions
  readonly #metrics = new Map<string, Metric>()
  readonly #names = new Map<string, Name>()
  readonly #labelSets = new Map<string, LabelSet>()
  readonly #labelSetsByTags = new WeakMap<readonly Tag[], LabelSet>()

  constructor(options: NewestValuesOptions) {
    this.#options = options
  }

  push(lists: readonly MetricList[]): void {
    const { clock, onLeftOut } = this.#options
    const nowMs = clock.nowMs()
    const seenMs = clock.monotonicMs()
    for (const { tags, datapoints } of lists) {
      const labels = this.#labelSetOf(tags)
      const read = forEachDatapoint(datapoints, (name, timeMs, value) => {
        // A sender whose clock is ahead must not hide what comes after.
        this.#put(name, labels, { value, timeMs: Math.min(timeMs, nowMs), seenMs })
      })
      if (read < datapoints.count) onLeftOut('undecodable', datapoints.count - read)
    }
  }

  render(): Iterable<string> {
    const oldestMs = this.#oldestMs()
    // Taken now: a series that expires and comes back while the page is read would be on it twice.
    const metrics: ShownMetric[] = []
    for (const { metricName, names } of this.#metrics.values()) {
      const shown = [...names].map((name) => shownName(name, oldestMs)).filter(({ samples }) => samples.length > 0)
      if (shown.length > 0) metrics.push({ metricName, names: shown })
    }
    return pagePieces(metrics)
  }

  sweep(): void {
    const oldestMs = this.#oldestMs()
    for (const name of this.#names.values()) {
      for (const [labels, { seenMs }] of name.series) if (seenMs <= oldestMs) this.#removeSeries(name, labels)
      if (name.series.size === 0) this.#removeName(name)
    }
  }

  /** What was seen then or before has expired. */
  #oldestMs(): number {
    return this.#options.clock.monotonicMs() - this.#options.expiryMs
  }

  #put(original: string, labels: LabelSet, point: Series): void {
    const series = this.#names.get(original)?.series.get(labels)
    if (series === undefined) {
      this.#add(original, labels, point)
      return
    }
    series.seenMs = point.seenMs
    if (point.timeMs < series.timeMs) return
    series.timeMs = point.timeMs
    series.value = point.value
  }

  #add(original: string, labels: LabelSet, point: Series): void {
    const obstacle = this.#obstacleTo(original, labels)
    if (obstacle !== undefined) {
      this.#options.onLeftOut(obstacle, 1)
      return
    }
    const name = this.#names.get(original) ?? this.#addName(original)
    name.series.set(labels, point)
    this.series += 1
    labels.series += 1
    if (labels.series === 1) this.#labelSets.set(labels.text, labels)
  }

  #obstacleTo(original: string, { text }: LabelSet): LeftOut | undefined {
    if (original.length > longestName || text.length > longestLabels) return 'too_long'
    return this.series >= this.#options.seriesLimit ? 'series_limit' : undefined
  }

  #addName(original: string): Name {
    const metricName = prometheusMetricName(original)
    const metric = this.#metrics.get(metricName) ?? { metricName, names: new Set() }
    const told = [...metric.names].some((other) => !other.told)
    if (told) this.#options.onCollision?.(original, metricName)
    const name: Name = { metric, original, told, series: new Map() }
    metric.names.add(name)
    this.#metrics.set(metricName, metric)
    this.#names.set(original, name)
    return name
  }

  #removeSeries({ series }: Name, labels: LabelSet): void {
    series.delete(labels)
    this.series -= 1
    labels.series -= 1
    if (labels.series === 0) this.#labelSets.delete(labels.text)
  }

  #removeName(name: Name): void {
    this.#names.delete(name.original)
    name.metric.names.delete(name)
    if (name.metric.names.size === 0) this.#metrics.delete(name.metric.metricName)
  }

  /** Tags that say the same get the same one: two would be the same series twice. */
  #labelSetOf(tags: readonly Tag[]): LabelSet {
    const known = this.#labelSetsByTags.get(tags)
    // One without series is not registered, so another may have taken its place meanwhile.
    if (known !== undefined && known.series > 0) return known
    const text = known?.text ?? prometheusLabels(tags)
    const labels = this.#labelSets.get(text) ?? known ?? { text, series: 0 }
    this.#labelSetsByTags.set(tags, labels)
    return labels
  }
}

/** What is on a page. */
interface ShownMetric {
  readonly metricName: string
  readonly names: readonly ShownName[]
}

interface ShownName {
  readonly original: string
  readonly extraLabel: string
  readonly samples: readonly (readonly [LabelSet, Series])[]
}

function shownName({ original, told, series }: Name, oldestMs: number): ShownName {
  const samples: (readonly [LabelSet, Series])[] = []
  for (const entry of series) if (entry[1].seenMs > oldestMs) samples.push(entry)
  return { original, extraLabel: told ? prometheusLabel(originalNameLabel, original) : '', samples }
}

function* pagePieces(metrics: readonly ShownMetric[]): Generator<string> {
  let piece = ''
  for (const { metricName, names } of metrics) {
    piece += prometheusHead(metricName, `Newest value of ${names[0]!.original}`)
    for (const { extraLabel, samples } of names) {
      for (const [{ text }, { value }] of samples) {
        piece += prometheusSample(metricName, joinLabels(text, extraLabel), value)
        if (piece.length < pieceLength) continue
        yield piece
        piece = ''
      }
    }
  }
  if (piece !== '') yield piece
}

function joinLabels(labels: string, extra: string): string {
  if (extra === '') return labels
  return labels === '' ? extra : `${labels},${extra}`
}
