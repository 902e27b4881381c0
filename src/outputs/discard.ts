import { countDatapoints } from '../model/metric-list.js'
import type { Sink } from './sink.js'

/** Takes everything and keeps nothing: for measuring what comes before a sink, and for `--bus none`. */
export function createDiscardSink(): Sink {
  return {
    name: 'discard',
    async open() {},
    async write(lists) {
      return { status: 'sent', datapoints: countDatapoints(lists) }
    },
    async close() {},
  }
}
