import { hexdump } from '../codec/hexdump.js'
import type { Log } from '../telemetry/log.js'
import { recordList } from './record-log.js'
import type { Sink } from './sink.js'

/**
 * Logs what another sink has taken: --record-output-log and --record-output-hexdump. What is to be repeated or was refused
 * is not logged.
 */
export function recordingSink(
  inner: Sink,
  { log, lists: wantLists, hexdump: wantHexdump }: { log: Log; lists: boolean; hexdump: boolean },
): Sink {
  return {
    name: inner.name,
    open: (signal) => inner.open(signal),
    async write(lists, signal) {
      const result = await inner.write(lists, signal)
      if (result.status !== 'sent') return result
      for (const list of lists) {
        if (wantLists) recordList(log, list)
        if (wantHexdump) log.info({ topic: list.topic, hexdump: hexdump(list.datapoints.bytes) }, 'record')
      }
      return result
    },
    close: () => inner.close(),
  }
}
