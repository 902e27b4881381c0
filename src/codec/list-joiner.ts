import { byteLengthOf, DatapointsView } from '../model/datapoints-view.js'
import type { Datapoints, MetricList, Tag } from '../model/metric-list.js'
import { type Scratch, sharedScratch } from './scratch.js'

/** A list of so many datapoints opens a joined list; of more its head is a small part, and its bytes are not worth a copy. */
const mostDatapoints = 4

/** Below this many lists for each that they become, joining costs more than it saves. */
const leastGain = 1.5
/** Where it is, it is tried again once in so many slices: senders change. */
const slicesUntilNextTry = 32

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

/** Undefined where there is no memory to join in: then lists go as they came. */
export function createListJoiner(): ListJoiner | undefined {
  const scratch = sharedScratch()
  return scratch === undefined ? undefined : new ListJoiner(scratch)
}

/**
 * Joins small lists of one sender that come in one slice of a piece under the same topic and tags, in the order in which they came: a
 * list is two objects, a look at its tags and several at its size at each step of its way, which for one datapoint costs six times
 * what reading it does. Their bytes are copied, so that a slice keeps no more in memory than it is. A slice is read and flushed
 * without a pause, since all joiners have the same memory.
 */
export class ListJoiner {
  /** Lists that wait to be joined. */
  taken = 0
  readonly #scratch: Scratch
  #joined: JoinedList[] = []
  #byteLength = 0
  #slicesToSkip = 0
  /** Whether the slice before became fewer lists. */
  #joins = false

  constructor(scratch: Scratch) {
    this.#scratch = scratch
  }

  /**
   * Where the lists of a block repeat, it is best read in the scratch: then only their place is noted.
   *
   * @param lists gets what waits, where that takes the room
   * @returns undefined where the block is better, or has to be, somewhere else
   */
  scratchFor(listCount: number, byteLength: number, lists: MetricList[]): Scratch | undefined {
    if (!this.#joins) return undefined
    return this.#hasRoomFor(listCount, byteLength, lists) ? this.#scratch : undefined
  }

  /**
   * Takes a list, or puts it behind `lists` where it is to go by itself.
   *
   * @param datapoints are copied; only those that go by themselves are kept as they are
   */
  take(head: JoinableHead, datapoints: Datapoints, lists: MetricList[]): void {
    const byteLength = byteLengthOf(datapoints)
    if (this.#isToJoin(head, datapoints.count) && this.#hasRoomFor(1, byteLength, lists))
      this.#note(head, datapoints.count, this.#scratch.bringIn(datapoints), byteLength)
    else lists.push({ topic: head.topic, tags: head.tags, datapoints })
  }

  /** As `take`, for datapoints that lie in the scratch, in a block that `scratchFor` was asked about. */
  takeFromScratch(head: JoinableHead, count: number, start: number, byteLength: number, lists: MetricList[]): void {
    if (this.#isToJoin(head, count)) this.#note(head, count, start, byteLength)
    else {
      const bytes = this.#scratch.copyOf(start, byteLength)
      lists.push({ topic: head.topic, tags: head.tags, datapoints: { count, bytes } })
    }
  }

  /** The slice is over: puts what became of it behind `lists`. Nobody looks at what lies in the scratch any more. */
  flush(lists: MetricList[]): void {
    if (this.#slicesToSkip > 0) this.#slicesToSkip--
    const joined = this.#joined
    this.#joins = joined.length > 0 && this.taken >= leastGain * joined.length
    if (joined.length > 0) {
      if (!this.#joins) this.#slicesToSkip = slicesUntilNextTry
      this.#pass(joined, lists)
      this.#joined = []
      this.#byteLength = this.taken = 0
    }
    this.#scratch.clear()
  }

  // A large list behind small ones joins them, so that they stay in order.
  #isToJoin(head: JoinableHead, count: number): boolean {
    return head.joined !== undefined || (this.#slicesToSkip === 0 && count <= mostDatapoints)
  }

  #hasRoomFor(listCount: number, byteLength: number, lists: MetricList[]): boolean {
    if (this.#scratch.hasRoomFor(listCount, byteLength)) return true
    this.flush(lists)
    return this.#scratch.hasRoomFor(listCount, byteLength)
  }

  #note(head: JoinableHead, count: number, start: number, byteLength: number): void {
    const list = head.joined ?? this.#open(head)
    this.#scratch.note(list.at, start, byteLength)
    list.lists++
    list.count += count
    list.byteLength += byteLength
    this.#byteLength += byteLength
    this.taken++
  }

  #open(head: JoinableHead): JoinedList {
    const list = { head, at: this.#joined.length, lists: 0, count: 0, byteLength: 0 }
    this.#joined.push(list)
    head.joined = list
    return list
  }

  #pass(joined: readonly JoinedList[], lists: MetricList[]): void {
    let end = 0
    const starts = joined.map(({ byteLength }) => {
      end += byteLength
      return end - byteLength
    })
    const memory = this.#scratch.place(starts, this.#byteLength)
    for (const [at, { head, count, byteLength, lists: came }] of joined.entries()) {
      const datapoints = new DatapointsView(count, memory.buffer, starts[at]!, byteLength, came)
      lists.push({ topic: head.topic, tags: head.tags, datapoints })
      head.joined = undefined
    }
  }
}
