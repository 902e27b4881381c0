import type { MetricList } from '../model/metric-list.js'
import { countDatapoints } from '../model/metric-list.js'
import type { Sink } from './sink.js'

/**
 * A sink whose process is being replaced: what the sink cannot send then goes to the process that takes over, so that
 * nothing is lost even where the collector is away.
 *
 * @param heir undefined while nobody takes over
 */
export function createPartingSink(
  sink: Sink,
  heir: () => ((lists: readonly MetricList[]) => Promise<void>) | undefined,
): Sink {
  let isAway = false
  return {
    name: sink.name,
    open: (signal) => sink.open(signal),
    async write(lists, signal) {
      const give = heir()
      // Known to be away: asking again would only take time, which nobody has at the end.
      const result = give && isAway ? undefined : await sink.write(lists, signal)
      if (result !== undefined) {
        isAway = result.status === 'retry'
        if (!isAway || give === undefined) return result
      }
      await give?.(lists)
      return { status: 'sent', datapoints: countDatapoints(lists) }
    },
    close: () => sink.close(),
  }
}
