import { type Bus, headroomBytes } from '../bus/bus.js'
import type { MetricList } from '../model/metric-list.js'
import type { Counters } from '../telemetry/counters.js'
import { BusLoad } from './bus-load.js'
import { Routes } from './bus-routes.js'
import type { Load, PackingSink } from './sink.js'

export interface BusSinkOptions {
  /** The sink opens and closes it. */
  readonly bus: Bus
  /** The topic of the bus for a list: prefix or single topic. */
  readonly topicOf: (list: Pick<MetricList, 'topic'>) => string
  readonly counters: Counters
  /** Lists of one key share a message up to about this size; Kafka's brokers take 1 MB unless told otherwise, 256 KiB unless given. */
  readonly maxMessageBytes?: number
}

// Enough datapoints that what a message costs by itself no longer counts, and of few sizes in memory.
const defaultMaxMessageBytes = 256 * 1024 - headroomBytes

/**
 * Publishes lists as self-contained container files, see `BusLoad`. What a bus refuses as too large is halved until it goes
 * through; a datapoint that is too large by itself is dropped.
 */
export function createBusSink({
  bus,
  topicOf,
  counters,
  maxMessageBytes = defaultMaxMessageBytes,
}: BusSinkOptions): PackingSink {
  const context = { bus, routes: new Routes(topicOf), counters, maxMessageBytes }
  let repeating: Load | undefined

  return {
    name: bus.name,
    open: (signal) => bus.open(signal),
    newLoad: () => new BusLoad(context),
    async write(lists, signal) {
      const load = repeating ?? new BusLoad(context)
      if (repeating === undefined) load.add(lists)
      const result = await load.write(signal)
      // The same lists come again: what the bus has of them already, it does not get once more.
      repeating = result.status === 'retry' ? load : undefined
      return result
    },
    close: () => bus.close(),
  }
}
