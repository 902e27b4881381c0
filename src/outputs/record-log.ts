import { forEachDatapoint } from '../codec/datapoints.js'
import type { MetricList } from '../model/metric-list.js'
import type { Log } from '../telemetry/log.js'
import { sentBatch } from './rendering.js'
import type { Sink } from './sink.js'

/**
 * Writes every list as one entry on the log: topic, tags as `key=value` (repeated ones too, in their order), datapoints as
 * `2016-07-21T18:00:00.123Z name 0.1`. For looking at what passes, not for keeping it.
 */
export function createRecordLogSink({ log }: { log: Pick<Log, 'info'> }): Sink {
  return {
    name: 'record-log',
    async open() {},
    async write(lists) {
      let datapoints = 0
      let undecodable = 0
      for (const list of lists) {
        const shown = recordList(log, list)
        datapoints += shown
        undecodable += list.datapoints.count - shown
      }
      return sentBatch({ datapoints, undecodable, notFinite: 0 })
    },
    async close() {},
  }
}

/** Logs one list; returns how many of its datapoints could be read. */
export function recordList(log: Pick<Log, 'info'>, list: MetricList): number {
  const shown = record(list)
  log.info(shown, 'record')
  return shown.datapoints.length
}

function record({ topic, tags, datapoints }: MetricList): { topic: string; tags: string[]; datapoints: string[] } {
  const rows: string[] = []
  forEachDatapoint(datapoints, (name, timeMs, value) => rows.push(`${timeText(timeMs)} ${name} ${value}`))
  return { topic, tags: tags.map(({ key, value }) => `${key}=${value}`), datapoints: rows }
}

function timeText(timeMs: number): string {
  const date = new Date(timeMs)
  return Number.isNaN(date.getTime()) ? `${timeMs}ms` : date.toISOString()
}
