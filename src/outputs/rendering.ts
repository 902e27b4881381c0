import { LineBuffer } from '../codec/line-buffer.js'
import type { LineEncoder, RenderedCounts } from '../codec/rendered-lines.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import type { Drop, WriteResult } from './sink.js'

/** The lines of a whole batch. */
export interface RenderedBatch extends Required<RenderedCounts> {
  readonly bytes: Buffer
}

/** About what a line takes; where it is more, the buffer grows. */
const lineBytes = 128

export function renderBatch(lists: readonly MetricList[], encode: LineEncoder): RenderedBatch {
  const lines = new LineBuffer(countDatapoints(lists) * lineBytes)
  const counts = new BatchCounts()
  for (const list of lists) counts.add(encode(list, lines))
  return { bytes: lines.finish(), ...counts }
}

/** The counts of lists, added up. */
export class BatchCounts implements Required<RenderedCounts> {
  datapoints = 0
  notFinite = 0
  undecodable = 0
  tooLarge = 0

  add({ datapoints, notFinite, undecodable, tooLarge = 0 }: RenderedCounts): void {
    this.datapoints += datapoints
    this.notFinite += notFinite
    this.undecodable += undecodable
    this.tooLarge += tooLarge
  }
}

/** What is reported when the peer took all that was written. */
export function sentBatch(counts: RenderedCounts): WriteResult {
  const dropped = dropsOf(counts)
  const { datapoints } = counts
  return dropped.length === 0 ? { status: 'sent', datapoints } : { status: 'sent', datapoints, dropped }
}

/** The datapoints that have no form in the sink's format. */
export function dropsOf({ notFinite, undecodable, tooLarge = 0 }: Omit<RenderedCounts, 'datapoints'>): Drop[] {
  const drops: Drop[] = [
    { datapoints: notFinite, reason: 'not_finite' },
    { datapoints: undecodable, reason: 'undecodable' },
    { datapoints: tooLarge, reason: 'too_large' },
  ]
  return drops.filter(({ datapoints }) => datapoints > 0)
}
