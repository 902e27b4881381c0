import type { Tag } from '../model/metric-list.js'
import type { KeptBytes } from './kept-bytes.js'

/** A MetricList in the making: its datapoints are in the chunk's log, and topic and tags as they stand in front of them are kept there. */
export class OpenList implements KeptBytes {
  readonly topic: string
  readonly tags: readonly Tag[]
  /** Datapoints. */
  count = 0
  /** Of all of them, in their Avro encoding. */
  byteLength = 0
  /** Under which number its datapoints are in the log, as long as the log has this age. */
  logOwner = 0
  logAge = 0
  keptAt = 0
  keptAge = 0
  /** Of what is kept. */
  headLength = 0
  /** What was in the log when that was full; undefined where it never was, as usual. */
  spilled: Buffer[] | undefined

  constructor(topic: string, tags: readonly Tag[]) {
    this.topic = topic
    this.tags = tags
  }
}
