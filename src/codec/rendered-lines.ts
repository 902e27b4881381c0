import type { MetricList } from '../model/metric-list.js'
import type { LineBuffer } from './line-buffer.js'

/** What became of the datapoints of a list or a batch: together they are all of it. */
export interface RenderedCounts {
  /** Datapoints that are written. */
  readonly datapoints: number
  /** NaN and infinities, where the format has no number for them. */
  readonly notFinite: number
  /** Datapoints that a sender announced but did not send; see `forEachDatapoint`. */
  readonly undecodable: number
  /** Datapoints with names or tags so long that the reader would refuse the line or close the connection; absent where there is no limit. */
  readonly tooLarge?: number
}

/** Writes the datapoints of a list as lines, each with a newline at its end. */
export type LineEncoder = (list: MetricList, lines: LineBuffer) => RenderedCounts
