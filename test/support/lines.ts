import { LineBuffer } from '../../src/codec/line-buffer.js'
import type { LineEncoder, RenderedCounts } from '../../src/codec/rendered-lines.js'
import type { MetricList } from '../../src/model/metric-list.js'

/** What an encoder writes of one list, and what it says of it. */
export function linesOf(encode: LineEncoder, list: MetricList): RenderedCounts & { text: string } {
  const lines = new LineBuffer()
  const counts = encode(list, lines)
  return { text: lines.finish().toString(), ...counts }
}
