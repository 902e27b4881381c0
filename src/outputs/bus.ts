import { type Bus, headroomBytes, type OnRepeated, type OutgoingMessage } from '../bus/bus.js'
import { encodeContainerFile } from '../codec/avro-ocf.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import { EarlierTries } from './bus-earlier-tries.js'
import { halveParcel, type Parcel, ParcelSorter } from './bus-parcels.js'
import type { Drop, Sink, WriteResult } from './sink.js'

export interface BusSinkOptions {
  /** The sink opens and closes it. */
  readonly bus: Bus
  /** The topic of the bus for a list: prefix or single topic. */
  readonly topicOf: (list: Pick<MetricList, 'topic'>) => string
  readonly counters: Counters
  /** Lists of one key share a message up to about this size; Kafka's brokers take 1 MB unless told otherwise. */
  readonly maxMessageBytes?: number
}

const defaultMaxMessageBytes = 900_000

/**
 * Publishes lists as self-contained container files: one message for the lists of a write that have the same topic and key,
 * several where that would be too large. What a bus refuses as too large is halved until it goes through; a datapoint that
 * is too large by itself is dropped.
 *
 * Where one of a write's topics fails, only that one is published again when the write is repeated. Whether the bus has what it
 * did not acknowledge, nobody knows (at least once): that is reported as `repeated`.
 */
export function createBusSink(options: BusSinkOptions): Sink {
  const { bus } = options
  const writer = new BusWriter(options)
  return {
    name: bus.name,
    open: (signal) => bus.open(signal),
    write: (lists) => writer.write(lists),
    close: () => bus.close(),
  }
}

class BusWriter {
  readonly #bus: Bus
  readonly #topicOf: BusSinkOptions['topicOf']
  readonly #sorter: ParcelSorter
  readonly #counters: Counters
  readonly #earlier = new EarlierTries()
  /** Datapoints that went to the bus once more in this write. */
  #repeated = 0

  constructor({ bus, topicOf, counters, maxMessageBytes = defaultMaxMessageBytes }: BusSinkOptions) {
    this.#bus = bus
    this.#topicOf = topicOf
    this.#counters = counters
    this.#sorter = new ParcelSorter(topicOf, maxMessageBytes)
  }

  async write(lists: readonly MetricList[]): Promise<WriteResult> {
    const wanted = this.#withoutPublished(lists)
    const topics = [...this.#sorter.sort(wanted)]
    this.#repeated = this.#earlier.countUnanswered(wanted, this.#topicOf)
    // Settled, not raced: no publish may still be running when the batch comes again.
    const outcomes = await Promise.allSettled(topics.map(([topic, parcels]) => this.#publishTopic(topic, parcels)))
    const failures = outcomes.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    const fatal = failures.find((cause) => cause instanceof StatsError && cause.exitCode !== undefined)
    if (fatal !== undefined) throw fatal
    const again = this.#repeated > 0 && { repeated: this.#repeated }
    if (failures.length > 0) {
      for (const [at, [topic]] of topics.entries()) this.#remember(topic, wanted, outcomes[at]!)
      return { status: 'retry', cause: asError(failures[0]), ...again }
    }
    const dropped = [...this.#earlier.forget(), ...outcomes.flatMap(dropsOf)]
    const lost = dropped.reduce((sum, { datapoints }) => sum + datapoints, 0)
    const datapoints = countDatapoints(lists) - lost
    return { status: 'sent', datapoints, ...(dropped.length > 0 && { dropped }), ...again }
  }

  /** Only where a write failed: to remember every list costs as much as to encode it. */
  #remember(topic: string, lists: readonly MetricList[], outcome: PromiseSettledResult<Drop[]>): void {
    // The lists as they came, not as they were cut to fit: only those come again.
    const ofTopic = lists.filter((list) => this.#topicOf(list) === topic)
    if (outcome.status === 'fulfilled') this.#earlier.addPublished(topic, ofTopic, outcome.value)
    else if (!leftNothing(outcome.reason)) this.#earlier.addUnanswered(topic, ofTopic)
  }

  /** Without those that the bus has already, from an earlier try of this write. */
  #withoutPublished(lists: readonly MetricList[]): readonly MetricList[] {
    if (this.#earlier.isEmpty) return lists
    return lists.filter((list) => !this.#earlier.wasPublished(this.#topicOf(list), list))
  }

  /** @returns what the bus will never take */
  async #publishTopic(topic: string, parcels: readonly Parcel[]): Promise<Drop[]> {
    const drops: Drop[] = []
    await this.#publish(topic, parcels, drops)
    return drops
  }

  async #publish(topic: string, parcels: readonly Parcel[], drops: Drop[]): Promise<void> {
    const messages = new Map<OutgoingMessage, Parcel>()
    for (const parcel of parcels) messages.set(toMessage(parcel), parcel)
    const refused = await this.#tryPublish(topic, [...messages.keys()], (message) => {
      this.#repeated += countDatapoints(messages.get(message)?.lists ?? [])
    })
    if (refused instanceof StatsError) {
      const datapoints = parcels.reduce((sum, { lists }) => sum + countDatapoints(lists), 0)
      drops.push({ datapoints, reason: 'rejected_by_sink', cause: refused })
      return
    }
    const refusedSet = new Set(refused)
    this.#countSent(
      topic,
      [...messages].filter(([message]) => !refusedSet.has(message)),
    )
    const smaller = refused.flatMap((message) => this.#halve(messages.get(message), drops))
    if (smaller.length > 0) await this.#publish(topic, smaller, drops)
  }

  /** @returns the messages that are too large for the bus, or why it will never take anything for this topic */
  async #tryPublish(
    topic: string,
    messages: readonly OutgoingMessage[],
    onRepeated: OnRepeated,
  ): Promise<readonly OutgoingMessage[] | StatsError> {
    try {
      if (messages.length > 0) await this.#bus.publish(topic, messages, onRepeated)
      return []
    } catch (error) {
      if (error instanceof StatsError && error.code === 'DS_BUS_TOPIC_INVALID') return error
      if (!(error instanceof StatsError) || error.code !== 'DS_BUS_MESSAGE_TOO_LARGE') throw error
      // A driver that knows which of the messages it refused says so; the others are then durable.
      return (error as { refused?: readonly OutgoingMessage[] }).refused ?? messages
    }
  }

  #halve(parcel: Parcel | undefined, drops: Drop[]): Parcel[] {
    if (parcel === undefined) return []
    const halves = halveParcel(parcel)
    if (halves.length > 0) return halves
    const cause = new Error('The bus refuses a message with this one datapoint as too large.')
    drops.push({ datapoints: countDatapoints(parcel.lists), reason: 'too_large', cause })
    return []
  }

  // R79: in total, and by topic.
  #countSent(topic: string, sent: readonly (readonly [OutgoingMessage, Parcel])[]): void {
    let lists = 0
    let bytes = 0
    for (const [message, parcel] of sent) {
      lists += parcel.lists.length
      bytes += message.bytes.length
    }
    for (const label of [undefined, topic]) {
      this.#counters.add('collector.kafka_output.avro_records_sent', lists, label)
      this.#counters.add('collector.kafka_output.messages_sent', sent.length, label)
      this.#counters.add('collector.kafka_output.bytes_sent', bytes, label)
    }
  }
}

function toMessage({ key, lists, heads }: Parcel): OutgoingMessage {
  const bytes = encodeContainerFile(lists, { headroom: headroomBytes, ...(heads && { heads }) })
  return { key, bytes, hasHeadroom: true }
}

function dropsOf(outcome: PromiseSettledResult<Drop[]>): Drop[] {
  return outcome.status === 'fulfilled' ? outcome.value : []
}

/** The embedded bus stores a publish as a whole or not at all. */
function leftNothing(cause: unknown): boolean {
  return cause instanceof StatsError && (cause.code === 'DS_BUS_FULL' || cause.code === 'DS_BUS_WRITE_FAILED')
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown))
}
