import type { Datapoints, MetricList } from '../model/metric-list.js'
import type { Drop } from './sink.js'

/**
 * What is known of a write that did not succeed in all of its topics, for when it comes again. Lists are known by their
 * datapoints: what stands around these, such as tags, may be newer the next time.
 */
export class EarlierTries {
  #published = new Map<string, Set<Datapoints>>()
  #unanswered = new Map<string, Set<Datapoints>>()
  #drops: Drop[] = []

  get isEmpty(): boolean {
    return this.#published.size + this.#unanswered.size === 0
  }

  /** The bus has taken these lists, but for `drops`. */
  addPublished(topic: string, lists: readonly MetricList[], drops: readonly Drop[]): void {
    add(this.#published, topic, lists)
    this.#drops.push(...drops)
  }

  /** The bus may have these lists, or not. */
  addUnanswered(topic: string, lists: readonly MetricList[]): void {
    add(this.#unanswered, topic, lists)
  }

  wasPublished(topic: string, { datapoints }: MetricList): boolean {
    return this.#published.get(topic)?.has(datapoints) ?? false
  }

  /** How many datapoints of these lists were given to the bus before, without an answer. */
  countUnanswered(lists: readonly MetricList[], topicOf: (list: MetricList) => string): number {
    if (this.#unanswered.size === 0) return 0
    let count = 0
    for (const list of lists) {
      if (this.#unanswered.get(topicOf(list))?.has(list.datapoints)) count += list.datapoints.count
    }
    return count
  }

  /** The write has succeeded. @returns what was dropped in all of its tries */
  forget(): readonly Drop[] {
    if (this.isEmpty) return []
    const drops = this.#drops
    this.#drops = []
    // Not cleared: in V8, the table that `clear` puts aside keeps its entries and leads to the next, so that what was in it
    // outlives the collections of new memory.
    this.#published = new Map()
    this.#unanswered = new Map()
    return drops
  }
}

function add(topics: Map<string, Set<Datapoints>>, topic: string, lists: readonly MetricList[]): void {
  const known = topics.get(topic) ?? new Set()
  topics.set(topic, known)
  for (const { datapoints } of lists) known.add(datapoints)
}
