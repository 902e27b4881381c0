import type { RenderedLines } from '../codec/rendered-lines.js'
import type { MetricList } from '../model/metric-list.js'
import type { Drop, WriteResult } from './sink.js'

/** The lines of a whole batch. */
export type RenderedBatch = RenderedLines

export function renderBatch(lists: readonly MetricList[], render: (list: MetricList) => RenderedLines): RenderedBatch {
  let text = ''
  let datapoints = 0
  let notFinite = 0
  let undecodable = 0
  for (const list of lists) {
    const lines = render(list)
    text += lines.text
    datapoints += lines.datapoints
    notFinite += lines.notFinite
    undecodable += lines.undecodable
  }
  return { text, datapoints, notFinite, undecodable }
}

/** What is reported when every line of the batch was taken. */
export function sentBatch({ datapoints, notFinite, undecodable }: Omit<RenderedBatch, 'text'>): WriteResult {
  const dropped: Drop[] = []
  if (notFinite > 0) dropped.push({ datapoints: notFinite, reason: 'not_finite' })
  if (undecodable > 0) dropped.push({ datapoints: undecodable, reason: 'undecodable' })
  return dropped.length === 0 ? { status: 'sent', datapoints } : { status: 'sent', datapoints, dropped }
}
