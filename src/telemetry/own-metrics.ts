import type { Clock } from '../platform/clock.js'
import { catalog, type MetricId } from './catalog.js'
import type { Counters } from './counters.js'
import { statsdName } from './names.js'

export interface OwnMetricsOptions {
  readonly counters: Counters
  readonly clock: Clock
  readonly periodMs: number
  /** Only ids that begin so are sent, such as `collector.`. */
  readonly idPrefix: string
  /** Takes a StatsD line without its end of line. */
  readonly send: (line: string) => void
}

/**
 * Sends a process's own counters by StatsD each period, as gauges: what was counted since the last period, as the first
 * releases did (R77). A name once seen is sent for ever, as 0 when nothing happened; ids that never divide are sent from the
 * start, so that a dashboard has its series before anything goes wrong.
 *
 * @returns a function that stops it
 */
export function sendOwnMetrics({ counters, clock, periodMs, idPrefix, send }: OwnMetricsOptions): () => void {
  const lastValues = new Map<string, number>()
  for (const id of Object.keys(catalog) as MetricId[]) if (id.startsWith(idPrefix)) counters.cell(id)

  function sendAll() {
    for (const { id, row, label, value } of counters.read()) {
      if (!id.startsWith(idPrefix)) continue
      const name = statsdName(id, label)
      const shown = row.kind === 'gauge' ? value : value - (lastValues.get(name) ?? 0)
      lastValues.set(name, value)
      send(`${name}:${shown}|g`)
    }
  }

  return clock.every(periodMs, sendAll)
}
