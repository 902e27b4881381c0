import { memoryOf } from '../model/datapoints-view.js'
import type { MetricList } from '../model/metric-list.js'
import { DatapointLog } from './statsd-log.js'
import { StatsdMemory } from './statsd-memory.js'
import type { OpenList } from './statsd-open-list.js'
import type { StatsdSender } from './statsd-sender.js'
import { Slabs } from './statsd-slabs.js'

/** The datapoints of all sockets that leave together: what becomes one Avro block. */
export class StatsdChunk {
  /** Datapoints in it. */
  count = 0
  /** What its datapoints are written in, and packets are read in. */
  readonly memory: StatsdMemory
  readonly log: DatapointLog
  readonly #limit: number
  readonly #onFull: () => void
  #senders: StatsdSender[] = []
  readonly #slabs = new Slabs()

  /**
   * @param limit datapoints that make it full
   * @param onFull is to `take` them
   */
  constructor({
    limit,
    onFull,
    memory = new StatsdMemory(),
  }: {
    limit: number
    onFull: () => void
    memory?: StatsdMemory
  }) {
    this.#limit = limit
    this.#onFull = onFull
    this.memory = memory
    this.log = new DatapointLog(memory)
  }

  /** Datapoints until it is full. */
  get room(): number {
    return this.#limit - this.count
  }

  /** Adds one datapoint, whose name is `nameStart` to `nameEnd` of `source`; see DatapointLog. */
  add(sender: StatsdSender, list: OpenList, source: DataView, nameStart: number, nameEnd: number, value: number): void {
    if (list.count === 0) this.#open(sender, list)
    this.log.write(list, source, nameStart, nameEnd, value)
    this.#grow(1)
  }

  /** Adds datapoints that were written to the log already, not more than there is room for. */
  append(sender: StatsdSender, list: OpenList, count: number, end: number): void {
    if (list.count === 0) this.#open(sender, list)
    this.log.append(list, count, end)
    this.#grow(count)
  }

  /**
   * What is in it, ordered by container id, the untagged list of a container before its tagged ones, where possible as one pack;
   * then it is empty.
   */
  take(): MetricList[] {
    if (this.count === 0) return []
    this.count = 0
    return this.log.take(this.#takeOpen(), this.#slabs)
  }

  /** Takes back lists that nobody looks at any more: their memory is written to again. */
  release(lists: readonly MetricList[]): void {
    for (const { datapoints } of lists) this.#slabs.release(memoryOf(datapoints))
  }

  #grow(count: number): void {
    this.count += count
    if (this.count >= this.#limit) this.#onFull()
  }

  #open(sender: StatsdSender, list: OpenList): void {
    if (list !== sender.untagged) sender.openTagged.push(list)
    if (sender.inChunk) return
    sender.inChunk = true
    this.#senders.push(sender)
  }

  #takeOpen(): OpenList[] {
    const senders = this.#senders.length > 1 ? this.#senders.sort(byContainerId) : this.#senders
    const open: OpenList[] = []
    for (const sender of senders) {
      if (sender.untagged.count > 0) open.push(sender.untagged)
      for (const list of sender.openTagged) open.push(list)
      sender.openTagged.length = 0
      sender.inChunk = false
    }
    this.#senders = []
    return open
  }
}

function byContainerId(a: StatsdSender, b: StatsdSender): number {
  if (a.containerId === b.containerId) return 0
  return a.containerId < b.containerId ? -1 : 1
}
