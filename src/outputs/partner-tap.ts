import { setImmediate as otherWork } from 'node:timers/promises'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import type { Counters } from '../telemetry/counters.js'
import type { Tap } from './tap.js'

/** Handed out in one go; then other work has its turn. */
const sliceDatapoints = 2000
/** What a poll of a big node brings, several times over. */
const usualQueueLimitBytes = 32 * 1024 * 1024
const closeTimeoutMs = 1000

/**
 * Several partners as one tap. What comes in small pieces they get at once. A big piece, such as a poll of the agent, they
 * get in slices, in order, with other work between: neither this process nor a partner's socket buffer has to take
 * all of it at a time. What finds the queue full is counted, and no partner gets it.
 */
export function createPartnerTap({
  partners,
  counters,
  clock,
  queueLimitBytes = usualQueueLimitBytes,
}: {
  partners: readonly Tap[]
  counters: Counters
  clock: Clock
  queueLimitBytes?: number
}): Tap {
  const queueFull = counters.cell('collector.partner.datapoints_queue_full')
  let queue: MetricList[] = []
  let next = 0
  let queuedBytes = 0
  let scheduled: NodeJS.Immediate | undefined

  return {
    name: 'partners',

    async open(signal) {
      for (const partner of partners) await partner.open(signal)
    },

    push(lists) {
      for (const list of lists) enqueue(list)
      // Behind a slice that waits for its turn, everything waits.
      if (scheduled === undefined) handOutSlice()
    },

    async close() {
      clearImmediate(scheduled)
      await handOutTheRest()
      await Promise.all(partners.map((partner) => partner.close()))
    },
  }

  function enqueue(list: MetricList): void {
    const { count, bytes } = list.datapoints
    // A queue that is empty takes any list: else one that is larger than it could never be given to anybody.
    if (queuedBytes > 0 && queuedBytes + bytes.length > queueLimitBytes) {
      queueFull.value += count
      return
    }
    queue.push(list)
    queuedBytes += bytes.length
  }

  function handOutSlice(): void {
    const slice = takeSlice()
    if (slice.length > 0) for (const partner of partners) partner.push(slice)
    scheduled = queue.length === 0 ? undefined : setImmediate(handOutSlice)
  }

  function takeSlice(): MetricList[] {
    const start = next
    let datapoints = 0
    while (next < queue.length && datapoints < sliceDatapoints) {
      const { count, bytes } = queue[next]!.datapoints
      datapoints += count
      queuedBytes -= bytes.length
      next += 1
    }
    const slice = queue.slice(start, next)
    if (next === queue.length) {
      queue = []
      next = 0
    }
    return slice
  }

  async function handOutTheRest(): Promise<void> {
    const untilMs = clock.monotonicMs() + closeTimeoutMs
    while (queue.length > 0 && clock.monotonicMs() < untilMs) {
      handOutSlice()
      clearImmediate(scheduled)
      await otherWork()
    }
    queueFull.value += countDatapoints(queue.slice(next))
  }
}
