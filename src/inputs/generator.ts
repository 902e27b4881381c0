import { encodeDatapoints } from '../codec/datapoints.js'
import { countDatapoints, type Datapoint, type MetricList, type Tag } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import type { Ledger } from '../telemetry/ledger.js'
import { readMemoryFigures } from './sample-figures.js'
import type { Source } from './source.js'

export interface GeneratorOptions {
  readonly topic: string
  readonly tags: readonly Tag[]
  readonly clock: Clock
  readonly ledger: Ledger
  readonly pid: number
  readonly uid: number
  /** Time between two lists of sample figures. */
  readonly periodMs: number
  /** Numbered datapoints in place of sample figures. */
  readonly numbered?: {
    /** Ends after this many; endless where it is absent. */
    readonly count: number | undefined
    /** Datapoints a second; as fast as they are taken where it is absent. */
    readonly rate: number | undefined
    readonly perList: number
  }
}

/** A list each period, as the reference emitter made them (R109), or numbered datapoints to put load on a stack. */
export function createGenerator(options: GeneratorOptions): Source {
  return {
    name: 'generator',
    async run(emit, signal) {
      const lists = options.numbered ? numberedLists(options, options.numbered, signal) : sampleLists(options, signal)
      for await (const list of lists) {
        options.ledger.received += countDatapoints([list])
        await emit([list])
      }
    },
  }
}

async function* sampleLists(options: GeneratorOptions, signal: AbortSignal): AsyncGenerator<MetricList> {
  const { clock, topic, tags, periodMs } = options
  const startMs = clock.nowMs()
  while (!signal.aborted) {
    yield { topic, tags, datapoints: encodeDatapoints(sampleDatapoints(options, startMs)) }
    await clock.sleep(periodMs, signal)
  }
}

function sampleDatapoints({ clock, pid, uid }: GeneratorOptions, startMs: number): Datapoint[] {
  const timeMs = clock.nowMs()
  const values: [string, number][] = [
    ['time.unix', Math.floor(timeMs / 1000)],
    ['time.unix_ms', timeMs],
    ['time.uptime_ms', timeMs - startMs],
  ]
  for (const [name, bytes] of Object.entries(readMemoryFigures())) values.push([`mem.${name}`, bytes])
  values.push(['proc.pid', pid], ['proc.uid', uid])
  return values.map(([name, value]) => ({ name, timeMs, value }))
}

const PACE_MS = 20

async function* numberedLists(
  { clock, topic, tags }: GeneratorOptions,
  { count = Number.POSITIVE_INFINITY, rate, perList }: NonNullable<GeneratorOptions['numbered']>,
  signal: AbortSignal,
): AsyncGenerator<MetricList> {
  const startMs = clock.monotonicMs()
  let next = 1
  while (next <= count && !signal.aborted) {
    const due = rate === undefined ? Number.POSITIVE_INFINITY : 1 + (rate * (clock.monotonicMs() - startMs)) / 1000
    if (next > due) {
      await clock.sleep(PACE_MS, signal)
      continue
    }
    const points: Datapoint[] = []
    const last = Math.min(next + perList - 1, count, Math.floor(due))
    for (; next <= last; next++) points.push({ name: 'numbered', timeMs: clock.nowMs(), value: next })
    yield { topic, tags, datapoints: encodeDatapoints(points) }
  }
}
