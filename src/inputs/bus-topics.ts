import type { Bus, IncomingMessage, Subscription } from '../bus/bus.js'
import { decodeContainerFile } from '../codec/avro-ocf.js'
import { countDatapoints, type MetricList, tagValue } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import { createDeadLetters, type DeadLetters } from './bus-topics-dead-letters.js'
import type { Emit, Source } from './source.js'

export interface BusTopicsOptions {
  /** The source opens and closes it. */
  readonly bus: Bus
  readonly subscription: Subscription
  /** Only lists whose first framework_name is one of these; `null` stands for lists without one. Absent or empty: all. */
  readonly frameworkNames?: readonly string[] | undefined
  /** Where messages that cannot be decoded are kept; absent: they are not. */
  readonly deadLetters?: { readonly dir: string; readonly limitMbytes: number } | undefined
  readonly telemetry: Telemetry
  readonly clock: Clock
}

/**
 * So much of a batch is decoded at once. The lists of 8 MiB would wait so long for the sink that V8 copies them all twice: a
 * tenth of the time to Graphite.
 */
const pieceBytes = 512 * 1024

/**
 * Reads topics of a bus. A position moves on when `emit` has settled for all lists of the batch, so `emit` must resolve only
 * when the sink has answered; where it rejects, the batch comes again.
 *
 * A message that cannot be decoded is told, counted and kept, what is in it before the fault is passed on, and then the
 * position goes past it: it would be as broken the next time.
 */
export function createBusTopicsSource(options: BusTopicsOptions): Source {
  return new BusTopics(options)
}

class BusTopics implements Source {
  readonly name = 'bus-topics'
  readonly #options: BusTopicsOptions
  readonly #isWanted: (list: MetricList) => boolean
  readonly #deadLetters: DeadLetters | undefined

  constructor(options: BusTopicsOptions) {
    this.#options = options
    this.#isWanted = frameworkFilter(options.frameworkNames ?? [])
    const { deadLetters, telemetry } = options
    this.#deadLetters = deadLetters && createDeadLetters({ ...deadLetters, ...telemetry })
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    const { bus, subscription, telemetry } = this.#options
    const stopLag = telemetry.counters.onRead(() => this.#showLag())
    try {
      await this.#deadLetters?.open()
      await bus.open(signal)
      if (!signal.aborted) await bus.subscribe(subscription, (messages) => this.#handle(messages, emit), signal)
    } finally {
      this.#showLag()
      stopLag()
      await bus.close()
    }
  }

  /** Passes a batch on piece by piece: while one is written, the next one is read, so that a sink can gather across them. */
  async #handle(messages: readonly IncomingMessage[], emit: Emit): Promise<void> {
    let before = Promise.resolve()
    for (const piece of piecesOf(messages)) {
      const lists: MetricList[] = []
      for (const message of piece) lists.push(...(await this.#decode(message)))
      const passed = this.#pass(lists, emit)
      // It is awaited one piece later: should the one before have failed, nobody would look at it.
      passed.catch(() => {})
      await before
      before = passed
    }
    await before
  }

  async #pass(lists: readonly MetricList[], emit: Emit): Promise<void> {
    const { ledger } = this.#options.telemetry
    const wanted = lists.filter(this.#isWanted)
    const received = countDatapoints(lists)
    ledger.received += received
    ledger.drop('filtered', received - countDatapoints(wanted))
    if (wanted.length > 0) await emit(wanted)
  }

  async #decode(message: IncomingMessage): Promise<readonly MetricList[]> {
    const { lists, fault } = decodeContainerFile(message.bytes)
    const { counters } = this.#options.telemetry
    for (const label of [undefined, message.topic]) {
      counters.add('consume.messages', 1, label)
      counters.add('consume.bytes', message.bytes.length, label)
      counters.add('consume.lists', lists.length, label)
      counters.add('consume.datapoints', countDatapoints(lists), label)
      // Added as 0 as well, so that the metric is there before the first fault.
      counters.add('consume.errors', fault === undefined ? 0 : 1, label)
    }
    if (fault !== undefined) await this.#setAside(message, fault.message, lists.length)
    return lists
  }

  async #setAside(message: IncomingMessage, reason: string, listsBefore: number): Promise<void> {
    const { topic, partition, offset } = message
    const keptAs = await this.#deadLetters?.keep(message)
    this.#options.telemetry.log.error(
      { topic, partition, offset: String(offset), reason, listsBefore, ...(keptAs && { keptAs }) },
      'a message of the bus cannot be decoded; going on behind it',
    )
  }

  #showLag(): void {
    const { bus, telemetry } = this.#options
    const topics = new Map<string | undefined, number>([[undefined, 0]])
    for (const { topic, messages } of bus.lag()) {
      topics.set(topic, (topics.get(topic) ?? 0) + messages)
      topics.set(undefined, (topics.get(undefined) ?? 0) + messages)
    }
    for (const [topic, messages] of topics) telemetry.counters.set('consume.lag', messages, topic)
  }
}

/** Messages one behind the other, in arrays of at least `pieceBytes`, but for the last one. */
function piecesOf(messages: readonly IncomingMessage[]): readonly IncomingMessage[][] {
  const pieces: IncomingMessage[][] = []
  let bytes = pieceBytes
  for (const message of messages) {
    if (bytes >= pieceBytes) {
      pieces.push([])
      bytes = 0
    }
    pieces.at(-1)?.push(message)
    bytes += message.bytes.length
  }
  return pieces
}

// R88: the first framework_name counts.
function frameworkFilter(names: readonly string[]): (list: MetricList) => boolean {
  if (names.length === 0) return () => true
  const wanted = new Set(names)
  return ({ tags }) => wanted.has(tagValue(tags, 'framework_name') ?? 'null')
}
