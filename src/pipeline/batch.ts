import { byteLengthOf } from '../model/datapoints-view.js'
import { ListPack } from '../model/list-pack.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import type { Cancel, Clock } from '../platform/clock.js'

/** When a batch is full. A limit that is absent never triggers; without any, every `add` leaves at once. */
export interface BatchLimits {
  readonly lists?: number
  readonly datapoints?: number
  readonly bytes?: number
  /** How long the oldest list may wait. */
  readonly ageMs?: number
}

/** What triggered a flush, for the log. */
export type BatchTrigger = 'lists' | 'datapoints' | 'bytes' | 'age' | 'memory' | 'drain'

/** Lists that leave together. `owners` are what the callers of `add` gave along, each once. */
export interface Batch<Owner> {
  readonly key: string
  readonly lists: MetricList[]
  readonly owners: Set<Owner>
  datapoints: number
  bytes: number
  readonly cancelAge: Cancel | undefined
}

export interface Batcher<Owner> {
  /** Adds lists; full batches leave before it returns. */
  add(lists: readonly MetricList[], owner: Owner): void
  /** Lets everything leave; because of a drain unless told otherwise. */
  flush(trigger?: BatchTrigger): void
  /** What waits for a batch to fill, in datapoints. */
  heldDatapoints(): number
  /** The same in bytes, as `sizeOf` has them. */
  heldBytes(): number
}

/**
 * Gathers lists by key until a batch has enough lists, datapoints or bytes, or its oldest list has waited long enough.
 *
 * @param keyOf lists of different keys never share a batch; one key for all unless given
 * @param leave takes a batch that is complete; it must not throw
 * @param join told once for each batch that an owner's lists are put into
 */
export function createBatcher<Owner>({
  limits,
  clock,
  leave,
  join = () => {},
  keyOf = () => '',
}: {
  limits: BatchLimits
  clock: Clock
  leave: (batch: Batch<Owner>, trigger: BatchTrigger) => void
  join?: (owner: Owner) => void
  keyOf?: (list: MetricList) => string
}): Batcher<Owner> {
  const batches = new Map<string, Batch<Owner>>()
  let heldBytes = 0

  function open(key: string): Batch<Owner> {
    const { ageMs } = limits
    const cancelAge = ageMs === undefined || ageMs <= 0 ? undefined : clock.after(ageMs, () => close(batch, 'age'))
    const batch: Batch<Owner> = { key, lists: [], owners: new Set(), datapoints: 0, bytes: 0, cancelAge }
    batches.set(key, batch)
    return batch
  }

  function batchOf(key: string, owner: Owner): Batch<Owner> {
    const batch = batches.get(key) ?? open(key)
    if (!batch.owners.has(owner)) {
      batch.owners.add(owner)
      join(owner)
    }
    return batch
  }

  function close(batch: Batch<Owner>, trigger: BatchTrigger): void {
    batch.cancelAge?.()
    batches.delete(batch.key)
    heldBytes -= batch.bytes
    leave(batch, trigger)
  }

  return {
    add(lists, owner) {
      // Neighbours nearly always go into the same batch.
      let batch: Batch<Owner> | undefined
      for (const list of lists) {
        const key = keyOf(list)
        if (batch?.key !== key) batch = batchOf(key, owner)
        const bytes = put(list, batch)
        heldBytes += bytes
        const trigger = fullBy(batch, limits)
        if (trigger === undefined) continue
        close(batch, trigger)
        batch = undefined
      }
      if (waitsForNothing(limits)) this.flush()
    },
    flush(trigger = 'drain') {
      for (const batch of [...batches.values()]) close(batch, trigger)
    },
    heldBytes: () => heldBytes,
    heldDatapoints() {
      let held = 0
      for (const batch of batches.values()) held += batch.datapoints
      return held
    },
  }
}

/** @returns its size */
function put(list: MetricList, batch: Batch<unknown>): number {
  const bytes = sizeOf(list)
  batch.lists.push(list)
  batch.datapoints += list.datapoints.count
  batch.bytes += bytes
  return bytes
}

function fullBy({ lists, datapoints, bytes }: Batch<unknown>, limits: BatchLimits): BatchTrigger | undefined {
  if (limits.lists !== undefined && lists.length >= limits.lists) return 'lists'
  if (limits.datapoints !== undefined && datapoints >= limits.datapoints) return 'datapoints'
  if (limits.bytes !== undefined && bytes >= limits.bytes) return 'bytes'
  return undefined
}

function waitsForNothing({ lists, datapoints, bytes, ageMs }: BatchLimits): boolean {
  return (ageMs ?? 0) <= 0 && lists === undefined && datapoints === undefined && bytes === undefined
}

// A tag is two short strings with their headers; exact sizes would cost an encoding.
const TAG_BYTES = 48
const LIST_BYTES = 64

/** About what a list takes on the wire and in memory, in bytes. */
export function sizeOf(list: MetricList): number {
  if (list instanceof ListPack) return LIST_BYTES + list.datapoints.byteLength
  return LIST_BYTES + list.tags.length * TAG_BYTES + byteLengthOf(list.datapoints)
}

/** `sizeOf` and datapoints of many lists. */
export function measure(lists: readonly MetricList[]): { datapoints: number; bytes: number } {
  let bytes = 0
  for (const list of lists) bytes += sizeOf(list)
  return { datapoints: countDatapoints(lists), bytes }
}
