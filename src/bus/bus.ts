/** One self-contained Avro container file, and where it belongs. */
interface Message {
  /** container_id where there is one, else agent_id: messages of one key stay in order. */
  readonly key: string
  readonly bytes: Uint8Array
}

/** A message on its way. */
export interface OutgoingMessage extends Message {
  /**
   * In front of `bytes`, in the same ArrayBuffer, are `headroomBytes` that belong to the message: a bus may put there what it
   * stores with it, which saves a copy. So one that is being published to one bus must not be to another at the same time.
   */
  readonly hasHeadroom?: boolean
}

export const headroomBytes = 256

/** A message as a consumer sees it; `offset` grows by one per message within topic and partition. */
export interface IncomingMessage extends Message {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** When the message was published, in milliseconds since 1970. */
  readonly timeMs: number
}

/** Where a group without a position begins: `{ timeMs }` is the first message at or after that time. */
export type StartFrom = 'earliest' | 'latest' | { readonly timeMs: number }

export interface Subscription {
  /** Exact names, or a pattern that must match the whole name. A topic that appears later is read from its beginning. */
  readonly topics: readonly string[] | RegExp
  readonly group: string
  readonly from: StartFrom
  /** Partitions handled at once; the batches of one partition never overlap. */
  readonly concurrency?: number
  /**
   * Reads from `from` on, whatever the group has read before, and leaves the group's positions and its other readers alone.
   * What is read is shared with nobody.
   */
  readonly replay?: boolean
  /** With `replay`: `subscribe` resolves when every message published before this time has been handled. Without: no end. */
  readonly to?: { readonly timeMs: number }
}

/** Resolves when the sink has answered; only then does the group's position move on. Rejecting leaves the position where it was. */
export type OnBatch = (messages: readonly IncomingMessage[], signal: AbortSignal) => Promise<void>

/** Told of each message that is given to the bus once more within a publish, because the first try had no answer. */
export type OnRepeated = (message: OutgoingMessage) => void

/** Messages not yet committed by the group, for one partition. */
export interface PartitionLag {
  readonly topic: string
  readonly partition: number
  readonly messages: number
}

/** Topics of messages with groups of readers: Kafka, or the embedded one. At least once. */
export interface Bus {
  readonly name: string
  /** Connects or opens; waits (with back-off, telling what it waits for) until the bus is there or `signal` is aborted. */
  open(signal: AbortSignal): Promise<void>
  /** Resolves when the messages are durable in `topic`; rejects where they are not: nothing is then known of them. */
  publish(topic: string, messages: readonly OutgoingMessage[], onRepeated?: OnRepeated): Promise<void>
  /** Feeds `onBatch` until `signal` is aborted; then lets running batches end, commits, leaves the group, and resolves. */
  subscribe(subscription: Subscription, onBatch: OnBatch, signal: AbortSignal): Promise<void>
  /** Of this process's subscription, from what it last saw; empty before its first look. */
  lag(): readonly PartitionLag[]
  close(): Promise<void>
}
