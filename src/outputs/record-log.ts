import { forEachDatapoint } from '../codec/datapoints.js'
import type { MetricList } from '../model/metric-list.js'
import type { Log } from '../telemetry/log.js'

/**
 * Logs one list: topic, tags as `key=value` (repeated ones too, in their order), datapoints as
 * `2016-07-21T18:00:00.123Z name 0.1`. For looking at what passes, not for keeping it.
 */
export function recordList(log: Pick<Log, 'info'>, { topic, tags, datapoints }: MetricList): void {
  const rows: string[] = []
  forEachDatapoint(datapoints, (name, timeMs, value) => rows.push(`${timeText(timeMs)} ${name} ${value}`))
  log.info({ topic, tags: tags.map(({ key, value }) => `${key}=${value}`), datapoints: rows }, 'record')
}

function timeText(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? `${timeMs}ms` : date.toISOString()
}
