import { byteLengthOf, listsOf } from '../model/datapoints-view.js'
import type { MetricList } from '../model/metric-list.js'
import type { Cell, Counters } from '../telemetry/counters.js'

/** A sender may make up topics without end; those beyond this bound share one label. */
const topicLabelLimit = 1000
const sharedLabel = '_other'

interface Traffic {
  readonly records: Cell
  readonly bytes: Cell
  readonly recordsThrottled: Cell
  readonly bytesThrottled: Cell
}

/** `collector.tcp_input.*` of what was read: in total and by topic. */
export class AvroTcpCounters {
  readonly #counters: Counters
  readonly #total: Traffic
  readonly #byTopic = new Map<string, Traffic>()

  constructor(counters: Counters) {
    this.#counters = counters
    this.#total = cellsOf(counters, undefined)
  }

  /**
   * @param pieceBytes the size of a piece of a stream as it came over the wire
   * @param throttled whether its lists are dropped, because their connection is over its limit
   */
  countBytes(pieceBytes: number, throttled: boolean): void {
    add(this.#total, 0, pieceBytes, throttled)
  }

  /**
   * @param lists what became complete with a piece of a stream
   * @returns in how many lists it came
   */
  countLists(lists: readonly MetricList[], throttled: boolean): number {
    let came = 0
    let topic: string | undefined
    let traffic = this.#total
    for (const list of lists) {
      if (list.topic !== topic) {
        topic = list.topic
        traffic = this.#trafficOf(topic)
      }
      const { datapoints } = list
      came += listsOf(datapoints)
      add(traffic, listsOf(datapoints), byteLengthOf(datapoints), throttled)
    }
    add(this.#total, came, 0, throttled)
    return came
  }

  #trafficOf(topic: string): Traffic {
    const known = this.#byTopic.get(topic)
    if (known !== undefined) return known
    if (this.#byTopic.size >= topicLabelLimit) return this.#shared()
    const traffic = cellsOf(this.#counters, topic)
    this.#byTopic.set(topic, traffic)
    return traffic
  }

  #shared(): Traffic {
    return cellsOf(this.#counters, sharedLabel)
  }
}

function add(traffic: Traffic, lists: number, bytes: number, throttled: boolean): void {
  traffic.records.value += lists
  traffic.bytes.value += bytes
  if (!throttled) return
  traffic.recordsThrottled.value += lists
  traffic.bytesThrottled.value += bytes
}

function cellsOf(counters: Counters, topic: string | undefined): Traffic {
  return {
    records: counters.cell('collector.tcp_input.records', topic),
    bytes: counters.cell('collector.tcp_input.bytes', topic),
    recordsThrottled: counters.cell('collector.tcp_input.records_throttled', topic),
    bytesThrottled: counters.cell('collector.tcp_input.bytes_throttled', topic),
  }
}
