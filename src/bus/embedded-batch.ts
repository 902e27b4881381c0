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
 * Reads from the cursors in turn until a limit is reached. Messages that retention removed before they were read are counted
 * and told, never silent.
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
    let position = afterMissed(claim)
    while (bytes < limits.bytes && batch.messages.length < limits.messages) {
      const message = store.message(claim.topic, claim, position)
      if (message === undefined) {
        batch.exhausted.push(claim)
        break
      }
      if (bytes > 0 && bytes + message.bytes.length > limits.bytes) return closed(claim, position)
      bytes += message.bytes.length
      batch.messages.push(message)
      position++
    }
    closed(claim, position)
  }
  return batch

  function closed(claim: C, position: bigint): Batch<C> {
    if (position !== claim.position) batch.moves.push({ claim, position })
    return batch
  }

  function afterMissed(claim: C): bigint {
    const { topic, partition, position } = claim
    if (store.message(topic, claim, position) !== undefined) return position
    const oldest = store.oldest(claim)
    if (oldest <= position) return position
    const messages = Number(oldest - position)
    counters.add('bus.messages_missed', messages, topic)
    log.error(
      { topic, partition, messages, fromOffset: String(position), toOffset: String(oldest) },
      'embedded bus: messages were removed by retention before they were read; keep more with --bus-retention-mbytes and --bus-retention-hours',
    )
    return oldest
  }
}
