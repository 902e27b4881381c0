import { encodeDatapoints } from '../codec/datapoints.js'
import type { Datapoint, MetricList, Tag } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import type { Ledger } from '../telemetry/ledger.js'
import { readMemoryFigures } from './sample-figures.js'
import type { Source } from './source.js'

export interface GeneratorOptions {
  readonly topic: string
  /** Tags of the lists, which take turns: one row for each simulated node. */
  readonly tags: readonly (readonly Tag[])[]
  readonly clock: Clock
  readonly ledger: Ledger
  readonly pid: number
  readonly uid: number
  /** Time between two lists of sample figures. */
  readonly periodMs: number
  /** Numbered datapoints in place of sample figures; several generators may share a numbering. */
  readonly numbering?: Numbering
  /** When a numbered datapoint was; when it is made unless given. */
  readonly timeMsOf?: (number: number) => number
}

/** Hands out running numbers from 1 on, each once. */
export interface Numbering {
  /** The next numbers, at most `limit`; none where none is due yet. */
  take(limit: number): { readonly first: number; readonly last: number } | undefined
  readonly done: boolean
}

/**
 * @param count the last number; endless where it is absent
 * @param due how many are due by now; Infinity for as many as are taken
 */
export function createNumbering({
  count = Number.POSITIVE_INFINITY,
  due,
}: {
  count?: number | undefined
  due: () => number
}): Numbering {
  let next = 1
  return {
    take(limit) {
      const last = Math.min(next + limit - 1, count, due())
      if (last < next) return undefined
      const first = next
      next = last + 1
      return { first, last }
    },
    get done() {
      return next > count
    },
  }
}

/** A list each period, as the reference emitter made them (R109), or numbered datapoints to put load on a stack. */
export function createGenerator(options: GeneratorOptions): Source {
  const { numbering, ledger } = options
  return {
    name: 'generator',
    async run(emit, signal) {
      const lists = numbering ? numberedLists(options, numbering, signal) : sampleLists(options, signal)
      for await (const list of lists) {
        ledger.received += list.datapoints.count
        await emit([list])
      }
    },
  }
}

async function* sampleLists(options: GeneratorOptions, signal: AbortSignal): AsyncGenerator<MetricList> {
  const { clock, topic, tags: nodes, periodMs } = options
  const startMs = clock.nowMs()
  while (!signal.aborted) {
    for (const tags of nodes) yield { topic, tags, datapoints: encodeDatapoints(sampleDatapoints(options, startMs)) }
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

const NUMBERED_PER_LIST = 100
const PACE_MS = 20

async function* numberedLists(
  { clock, topic, tags: nodes, timeMsOf }: GeneratorOptions,
  numbering: Numbering,
  signal: AbortSignal,
): AsyncGenerator<MetricList> {
  for (let turn = 0; !numbering.done && !signal.aborted; ) {
    const numbers = numbering.take(NUMBERED_PER_LIST)
    if (numbers === undefined) {
      await clock.sleep(PACE_MS, signal)
      continue
    }
    const timeMs = clock.nowMs()
    const points: Datapoint[] = []
    for (let value = numbers.first; value <= numbers.last; value++) {
      points.push({ name: 'numbered', timeMs: timeMsOf?.(value) ?? timeMs, value })
    }
    const tags = nodes[turn++ % nodes.length] ?? []
    yield { topic, tags, datapoints: encodeDatapoints(points) }
  }
}
