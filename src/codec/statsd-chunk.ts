import { memoryOf } from '../model/datapoints-view.js'
import type { MetricList } from '../model/metric-list.js'
import { EncodedTime, type OpenList, Scratch } from './statsd-open-list.js'
import type { StatsdSender } from './statsd-sender.js'
import { Slabs } from './statsd-slabs.js'

/** A buffer that one list made larger than this is not kept for the next one. */
const keptScratchBytes = 64 * 1024
/** The datapoints of all sockets that leave together: what becomes one Avro block. */
export class StatsdChunk {
  /** Datapoints in it. */
  count = 0
  /** When the datapoints that are added were measured. */
  readonly time = new EncodedTime()
  readonly #limit: number
  readonly #onFull: () => void
  #senders: StatsdSender[] = []
  readonly #spareScratches: Scratch[] = []
  readonly #slabs = new Slabs()

  /**
   * @param limit datapoints that make it full
   * @param onFull is to `take` them
   */
  constructor({ limit, onFull }: { limit: number; onFull: () => void }) {
    this.#limit = limit
    this.#onFull = onFull
  }

  /** Adds one datapoint, whose name is `nameStart` to `nameEnd` of `source`; see OpenList. */
  add(sender: StatsdSender, list: OpenList, source: DataView, nameStart: number, nameEnd: number, value: number): void {
    if (list.count === 0) this.#open(sender, list)
    list.write(source, nameStart, nameEnd, this.time, value)
    this.count++
    if (this.count >= this.#limit) this.#onFull()
  }

  /** What is in it, ordered by container id, the untagged list of a container before its tagged ones; then it is empty. */
  take(): MetricList[] {
    const senders = this.#senders.length > 1 ? this.#senders.sort(byContainerId) : this.#senders
    const lists: MetricList[] = []
    for (const sender of senders) {
      if (sender.untagged.count > 0) lists.push(this.#close(sender.untagged))
      for (const openList of sender.openTagged) lists.push(this.#close(openList))
      sender.openTagged.length = 0
      sender.inChunk = false
    }
    this.#senders = []
    this.count = 0
    return lists
  }

  /** Takes back lists that nobody looks at any more: their memory is written to again. */
  release(lists: readonly MetricList[]): void {
    for (const { datapoints } of lists) this.#slabs.release(memoryOf(datapoints))
  }

  #close(openList: OpenList): MetricList {
    const { list, scratch } = openList.close(this.#slabs.cut(openList.byteLength))
    if (scratch.bytes.length <= keptScratchBytes) this.#spareScratches.push(scratch)
    return list
  }

  #open(sender: StatsdSender, list: OpenList): void {
    list.open(this.#spareScratches.pop() ?? new Scratch())
    if (list !== sender.untagged) sender.openTagged.push(list)
    if (sender.inChunk) return
    sender.inChunk = true
    this.#senders.push(sender)
  }
}

function byContainerId(a: StatsdSender, b: StatsdSender): number {
  if (a.containerId === b.containerId) return 0
  return a.containerId < b.containerId ? -1 : 1
}
