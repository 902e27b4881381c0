import { LineBuffer } from '../codec/line-buffer.js'
import type { LineEncoder, RenderedCounts } from '../codec/rendered-lines.js'
import type { MetricList } from '../model/metric-list.js'
import type { Drop, WriteResult } from './sink.js'

/**
 * A batch is written in pieces of about this size. They stay in the processor's cache from their making to their sending, and a
 * memory that is used again costs nothing: fresh memory for whole batches took a fifth of all time, most of it collecting garbage.
 */
const pieceBytes = 128 * 1024

/** Writes lists piece by piece, each of whole lines and valid until `write` has settled; ends with the first fault that `write` answers. */
export type PieceWriter<Fault> = (
  lists: readonly MetricList[],
  write: (piece: Buffer) => Promise<Fault | undefined>,
) => Promise<{ readonly counts: RenderedCounts; readonly fault: Fault | undefined }>

export function createPieceWriter<Fault>(encode: LineEncoder): PieceWriter<Fault> {
  let lines = new LineBuffer(pieceBytes)
  return async (lists, write) => {
    const counts = new BatchCounts()
    let fault: Fault | undefined
    let left = lists.length
    for (const list of lists) {
      counts.add(encode(list, lines))
      left--
      if (lines.length === 0 || (lines.length < pieceBytes && left > 0)) continue
      fault = await write(lines.finish())
      if (fault !== undefined) break
      lines.clear()
    }
    // Who failed may still have the piece.
    if (fault !== undefined) lines = new LineBuffer(pieceBytes)
    return { counts, fault }
  }
}

/** The lines of a whole batch. */
export interface RenderedBatch extends Required<RenderedCounts> {
  readonly bytes: Buffer
}

/** For a peer that wants a batch in one piece. The bytes are the caller's for good. */
export function renderBatch(lists: readonly MetricList[], encode: LineEncoder): RenderedBatch {
  const lines = new LineBuffer()
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
