import type { RenderedCounts, RenderedLines } from '../codec/rendered-lines.js'
import type { MetricList } from '../model/metric-list.js'
import type { Drop, WriteResult } from './sink.js'

/** The lines of a whole batch. */
export function renderBatch(
  lists: readonly MetricList[],
  render: (list: MetricList) => RenderedLines,
): RenderedLines & Required<RenderedCounts> {
  let text = ''
  let datapoints = 0
  let notFinite = 0
  let undecodable = 0
  let tooLarge = 0
  for (const list of lists) {
    const lines = render(list)
    text += lines.text
    datapoints += lines.datapoints
    notFinite += lines.notFinite
    undecodable += lines.undecodable
    tooLarge += lines.tooLarge ?? 0
  }
  return { text, datapoints, notFinite, undecodable, tooLarge }
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
