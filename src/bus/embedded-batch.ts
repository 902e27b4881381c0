import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import type { IncomingMessage } from './bus.js'
import type { PartitionId } from './embedded-records.js'
import type { Store } from './embedded-store.js'

/** Where a reader is in one partition. */
export interface Cursor extends PartitionId {
  readonly topic: string
  readonly position: bigint
}

/** What a reader hands over at once. */
export interface BatchLimits {
  readonly messages: number
  /** A single message that is larger still comes, alone. */
  readonly bytes: number
}

export interface Batch<C extends Cursor> {
  readonly messages: IncomingMessage[]
  /** Where each cursor is when the batch has been handled; without those that had nothing to read. */
  readonly moves: { claim: C; position: bigint }[]
  /** Cursors behind which nothing was waiting. */
  readonly exhausted: C[]
}

/**
 * Reads from the cursors in turn until a limit is reached. Messages that retention removed before they were read, or that the
 * disk has not kept, are counted and told, never silent.
 */
export function readBatch<C extends Cursor>(
  store: Store,
  cursors: readonly C[],
  limits: BatchLimits,
  { log, counters }: { log: Log; counters: Counters },
): Batch<C> {
  const batch: Batch<C> = { messages: [], moves: [], exhausted: [] }
  let bytes = 0
  for (const claim of cursors) {
    if (isFull()) break
    const position = readOn(claim)
    if (position !== claim.position) batch.moves.push({ claim, position })
  }
  return batch

  /** @returns where the cursor is then */
  function readOn(claim: C): bigint {
    let { position } = claim
    while (!isFull()) {
      const found = store.read(claim.topic, claim, position)
      if (found === undefined) {
        const oldest = store.oldest(claim)
        if (oldest > position) missed(claim, position, oldest, removed)
        else batch.exhausted.push(claim)
        if (oldest <= position) return position
        position = oldest
        continue
      }
      const taken = take(found.messages)
      position += BigInt(taken)
      if (taken < found.messages.length) return position
      if (position < found.end) missed(claim, position, found.end, notKept)
      position = found.end
    }
    return position
  }

  /** @returns how many fit */
  function take(messages: readonly IncomingMessage[]): number {
    let taken = 0
    for (const message of messages) {
      if (isFull() || (bytes > 0 && bytes + message.bytes.length > limits.bytes)) break
      bytes += message.bytes.length
      batch.messages.push(message)
      taken++
    }
    return taken
  }

  function isFull(): boolean {
    return bytes >= limits.bytes || batch.messages.length >= limits.messages
  }

  function missed({ topic, partition }: C, from: bigint, to: bigint, why: string): void {
    const messages = Number(to - from)
    counters.add('bus.messages_missed', messages, topic)
    log.error({ topic, partition, messages, fromOffset: String(from), toOffset: String(to) }, why)
  }
}

const removed =
  'embedded bus: messages were removed by retention before they were read; keep more with --bus-retention-mbytes and --bus-retention-hours'

const notKept =
  'embedded bus: messages are not in their file any more as they were written; look at the disk of --bus-dir'
