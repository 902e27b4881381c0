import { byteLengthOf, DatapointsView } from '../model/datapoints-view.js'
import type { Datapoints, MetricList, Tag } from '../model/metric-list.js'
import { OwnedPieces } from './owned-pieces.js'

/** A list of so many datapoints opens a joined list; of more its head is a small part, and its bytes are not worth a copy. */
const mostDatapoints = 4

/** Below this many lists for each that they become, joining costs more than it saves. */
const leastGain = 1.5
/** Where it is, it is tried again once in so many slices: senders change. */
const slicesUntilNextTry = 32

/** Of one slice at a time, whoever reads it: a thousand connections with room of their own would keep a hundred megabytes. */
const pieces = new OwnedPieces()
/** A block can be a thousand times as large as most are: what it needed is not kept. */
const keptBytes = 256 * 1024

/** What a reader knows of topic and tags; it is shared by all readers. */
export interface JoinableHead {
  readonly topic: string
  readonly tags: readonly Tag[]
  /** The list that grows in the slice that is being read, if there is one. */
  joined: JoinedList | undefined
}

/** Small lists with the same head. */
export interface JoinedList {
  readonly head: JoinableHead
  /** Which of the slice's it is. */
  readonly at: number
  lists: number
  count: number
  byteLength: number
}

/**
 * Joins small lists of one sender that come in one slice of a piece under the same topic and tags, in the order in which they came: a
 * list is two objects, a look at its tags and several at its size at each step of its way, which for one datapoint costs six times
 * what reading it does. Their bytes are copied, so that a slice keeps no more in memory than it is. A slice is read and flushed
 * without a pause, since all joiners have the same memory.
 */
export class ListJoiner {
  /** Lists of this slice so far. */
  taken = 0
  #joined: JoinedList[] = []
  #slicesToSkip = 0

  /**
   * @param datapoints a view is not kept
   * @returns false where the list is to go by itself
   */
  take(head: JoinableHead, datapoints: Datapoints): boolean {
    const open = head.joined
    // A large list behind small ones joins them, so that they stay in order.
    if (open === undefined && (this.#slicesToSkip > 0 || datapoints.count > mostDatapoints)) return false
    const list = open ?? this.#open(head)
    pieces.add(list.at, datapoints)
    list.lists++
    list.count += datapoints.count
    list.byteLength += byteLengthOf(datapoints)
    this.taken++
    return true
  }

  /** The slice is over: puts what became of it behind `lists`. */
  flush(lists: MetricList[]): void {
    if (this.#slicesToSkip > 0) this.#slicesToSkip--
    const joined = this.#joined
    if (joined.length === 0) return
    const memory = Buffer.allocUnsafeSlow(pieces.byteLength)
    let end = 0
    const starts = joined.map(({ byteLength }) => {
      end += byteLength
      return end - byteLength
    })
    for (const [at, { head, count, byteLength, lists: came }] of joined.entries()) {
      const datapoints = new DatapointsView(count, memory.buffer, starts[at]!, byteLength, came)
      lists.push({ topic: head.topic, tags: head.tags, datapoints })
      head.joined = undefined
    }
    pieces.place(memory, starts)
    if (pieces.byteLength > keptBytes) pieces.release()
    else pieces.clear()
    if (this.taken < leastGain * joined.length) this.#slicesToSkip = slicesUntilNextTry
    this.#joined = []
    this.taken = 0
  }

  #open(head: JoinableHead): JoinedList {
    const list = { head, at: this.#joined.length, lists: 0, count: 0, byteLength: 0 }
    this.#joined.push(list)
    head.joined = list
    return list
  }
}
