import { type Bus, headroomBytes, type OutgoingMessage } from '../bus/bus.js'
import { ContainerFileBuilder, type ListHead } from '../codec/avro-file-builder.js'
import { decodeContainerFile, encodeContainerFile } from '../codec/avro-ocf.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import { cutList, halveLists } from './bus-cut.js'
import type { Lane, Routes } from './bus-routes.js'
import type { Drop, Load, WriteResult } from './sink.js'

/** What all loads of a sink share. */
export interface LoadContext {
  readonly bus: Bus
  readonly routes: Routes
  readonly counters: Counters
  readonly maxMessageBytes: number
}

/** A message that is complete. */
interface Packed {
  readonly message: OutgoingMessage
  readonly lists: number
  readonly datapoints: number
}

/** All messages of a load that go to one topic. */
interface TopicShare {
  readonly topic: string
  readonly messages: Packed[]
  readonly files: ContainerFileBuilder[]
  state: 'waiting' | 'published' | 'unanswered'
}

/**
 * The messages of one write: one for the lists of the same topic and key, several where that would be too large. Lists become
 * bytes as soon as they are added: thousands of objects that waited for the disk cost more than all that is done with them.
 *
 * Where one of the topics fails, only that one is published again when the write is repeated. Whether the bus has what it
 * did not acknowledge, nobody knows (at least once): that is reported as `repeated`.
 */
export class BusLoad implements Load {
  byteLength = 0
  readonly #context: LoadContext
  readonly #shares = new Map<string, TopicShare>()
  readonly #drops: Drop[] = []
  #open: { readonly lane: Lane; readonly file: ContainerFileBuilder }[] = []
  #datapoints = 0
  /** Datapoints that went to the bus once more in this write. */
  #repeated = 0

  constructor(context: LoadContext) {
    this.#context = context
  }

  add(lists: readonly MetricList[]): void {
    const { routes, maxMessageBytes } = this.#context
    for (const list of lists) {
      const { datapoints } = list
      if (datapoints.count === 0) continue
      this.#datapoints += datapoints.count
      const { lane, head } = routes.of(list)
      const file = this.#fileOf(lane)
      const before = file.byteLength
      if (file.add(head, datapoints, maxMessageBytes)) this.byteLength += file.byteLength - before
      else this.#addToNext(lane, list, head)
    }
  }

  async write(): Promise<WriteResult> {
    this.#close()
    const pending = [...this.#shares.values()].filter(({ state }) => state !== 'published')
    this.#repeated = 0
    for (const { state, messages } of pending) if (state === 'unanswered') this.#repeated += datapointsOf(messages)
    // Settled, not raced: no publish may still be running when the load comes again.
    const outcomes = await Promise.allSettled(pending.map((share) => this.#publishShare(share)))
    const failures = outcomes.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    const fatal = failures.find((cause) => cause instanceof StatsError && cause.exitCode !== undefined)
    if (fatal !== undefined) throw fatal
    const again = this.#repeated > 0 && { repeated: this.#repeated }
    if (failures.length > 0) return { status: 'retry', cause: asError(failures[0]), ...again }
    const lost = this.#drops.reduce((sum, { datapoints }) => sum + datapoints, 0)
    const dropped = this.#drops.length > 0 && { dropped: this.#drops }
    return { status: 'sent', datapoints: this.#datapoints - lost, ...dropped, ...again }
  }

  #fileOf(lane: Lane): ContainerFileBuilder {
    const { open } = lane
    return open?.load === this ? open.file : this.#openFile(lane)
  }

  #openFile(lane: Lane): ContainerFileBuilder {
    const file = new ContainerFileBuilder({ headroom: headroomBytes, expectedBytes: lane.expectedBytes })
    lane.open = { load: this, file }
    this.#open.push({ lane, file })
    return file
  }

  /** The message is as large as it may be. */
  #addToNext(lane: Lane, list: MetricList, head: ListHead): void {
    const { maxMessageBytes } = this.#context
    for (const { datapoints } of cutList(list, head, maxMessageBytes - ContainerFileBuilder.emptyBytes)) {
      this.byteLength += ContainerFileBuilder.sizeOf(head, datapoints)
      const open = this.#fileOf(lane)
      if (open.add(head, datapoints, maxMessageBytes)) continue
      // What cannot be cut small enough goes alone.
      const file = open.lists === 0 ? open : this.#openFile(lane)
      file.add(head, datapoints)
    }
  }

  /** The messages that were open are complete. */
  #close(): void {
    for (const { lane, file } of this.#open) {
      lane.expectedBytes = file.byteLength
      if (lane.open?.load === this) lane.open = undefined
      const message = { key: lane.key, bytes: file.finish(), hasHeadroom: true }
      const share = this.#shareOf(lane.topic)
      share.messages.push({ message, lists: file.lists, datapoints: file.datapoints })
      share.files.push(file)
    }
    this.#open = []
  }

  #shareOf(topic: string): TopicShare {
    const known = this.#shares.get(topic)
    if (known !== undefined) return known
    const share: TopicShare = { topic, messages: [], files: [], state: 'waiting' }
    this.#shares.set(topic, share)
    return share
  }

  async #publishShare(share: TopicShare): Promise<void> {
    const drops: Drop[] = []
    try {
      await this.#publish(share.topic, share.messages, drops)
    } catch (error) {
      if (!leftNothing(error)) share.state = 'unanswered'
      throw error
    }
    share.state = 'published'
    this.#drops.push(...drops)
    for (const file of share.files) file.release()
    share.files.length = share.messages.length = 0
  }

  /** @param drops gets what the bus will never take */
  async #publish(topic: string, packed: readonly Packed[], drops: Drop[]): Promise<void> {
    const refused = await this.#tryPublish(topic, packed)
    if (refused instanceof StatsError) {
      drops.push({ datapoints: datapointsOf(packed), reason: 'rejected_by_sink', cause: refused })
      return
    }
    const refusedSet = new Set(refused)
    const isRefused = ({ message }: Packed) => refusedSet.has(message)
    this.#countSent(topic, refused.length === 0 ? packed : packed.filter((one) => !isRefused(one)))
    if (refused.length === 0) return
    const smaller = packed.filter(isRefused).flatMap((one) => halve(one, drops))
    if (smaller.length > 0) await this.#publish(topic, smaller, drops)
  }

  /** @returns the messages that are too large for the bus, or why it will never take anything for this topic */
  async #tryPublish(topic: string, packed: readonly Packed[]): Promise<readonly OutgoingMessage[] | StatsError> {
    const messages = packed.map(({ message }) => message)
    const onRepeated = (message: OutgoingMessage) => {
      this.#repeated += packed.find((one) => one.message === message)?.datapoints ?? 0
    }
    try {
      if (messages.length > 0) await this.#context.bus.publish(topic, messages, onRepeated)
      return []
    } catch (error) {
      if (error instanceof StatsError && error.code === 'DS_BUS_TOPIC_INVALID') return error
      if (!(error instanceof StatsError) || error.code !== 'DS_BUS_MESSAGE_TOO_LARGE') throw error
      // A driver that knows which of the messages it refused says so; the others are then durable.
      return (error as { refused?: readonly OutgoingMessage[] }).refused ?? messages
    }
  }

  // R79: in total, and by topic.
  #countSent(topic: string, sent: readonly Packed[]): void {
    let lists = 0
    let bytes = 0
    for (const one of sent) {
      lists += one.lists
      bytes += one.message.bytes.length
    }
    const { counters } = this.#context
    for (const label of [undefined, topic]) {
      counters.add('collector.kafka_output.avro_records_sent', lists, label)
      counters.add('collector.kafka_output.messages_sent', sent.length, label)
      counters.add('collector.kafka_output.bytes_sent', bytes, label)
    }
  }
}

function halve({ message: { key, bytes }, datapoints }: Packed, drops: Drop[]): Packed[] {
  const halves = halveLists(decodeContainerFile(bytes).lists)
  if (halves.length > 0) return halves.map((lists) => packed(key, lists))
  const cause = new Error('The bus refuses a message with this one datapoint as too large.')
  drops.push({ datapoints, reason: 'too_large', cause })
  return []
}

function packed(key: string, lists: readonly MetricList[]): Packed {
  const bytes = encodeContainerFile(lists, { headroom: headroomBytes })
  return { message: { key, bytes, hasHeadroom: true }, lists: lists.length, datapoints: countDatapoints(lists) }
}

function datapointsOf(packed: readonly Packed[]): number {
  return packed.reduce((sum, { datapoints }) => sum + datapoints, 0)
}

/** The embedded bus stores a publish as a whole or not at all. */
function leftNothing(cause: unknown): boolean {
  return cause instanceof StatsError && (cause.code === 'DS_BUS_FULL' || cause.code === 'DS_BUS_WRITE_FAILED')
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown))
}
