import type { MetricList, Tag } from '../model/metric-list.js'
import { DatapointReader } from './datapoint-reader.js'
import { type LineBuffer, LinePart } from './line-buffer.js'
import { NameCache } from './name-cache.js'
import type { RenderedCounts } from './rendered-lines.js'
import { lastOfEachKey } from './unique-tags.js'

/**
 * Renders a list as JSON, one object a line: `{"topic","tags":{},"name","time_ms","value"}`.
 *
 * `time_ms` is in milliseconds since 1970. Of repeated tags the last counts. What JSON has no number for comes as one of the
 * strings "NaN", "Infinity" and "-Infinity", as Avro's own JSON writes them; every other double reads back as it was, -0 too.
 */
export function encodeJsonLines({ topic, tags, datapoints }: MetricList, lines: LineBuffer): RenderedCounts {
  const head = headOf(topic, tags)
  let read = 0
  for (reader.open(datapoints); reader.next(); read++) {
    const { timeMs, value } = reader
    lines.addPart(head)
    lines.addPart(names.nameAt(reader).made)
    lines.addTime(timeMs)
    lines.addPart(beforeValue)
    if (Number.isFinite(value) && value !== 0) lines.addNumber(value)
    else lines.addText(jsonNumber(value))
    lines.addPart(lineEnd)
  }
  return { datapoints: read, notFinite: 0, undecodable: datapoints.count - read }
}

/** A double as JSON; NaN and infinities as strings. */
export function jsonNumber(value: number): string {
  if (Number.isFinite(value)) return value === 0 && Object.is(value, -0) ? '-0' : String(value)
  return `"${value}"`
}

const reader = new DatapointReader()
const names = new NameCache((name) => new LinePart(`${JSON.stringify(name)},"time_ms":`))
const beforeValue = new LinePart(',"value":')
const lineEnd = new LinePart('}\n')

/** Lists of the same tags nearly always have the same topic. */
const heads = new WeakMap<readonly Tag[], { readonly topic: string; readonly part: LinePart }>()

function headOf(topic: string, tags: readonly Tag[]): LinePart {
  const known = heads.get(tags)
  if (known !== undefined && known.topic === topic) return known.part
  const part = new LinePart(`{"topic":${JSON.stringify(topic)},"tags":${tagsAsJson(tags)},"name":`)
  heads.set(tags, { topic, part })
  return part
}

function tagsAsJson(tags: readonly Tag[]): string {
  const members = [...lastOfEachKey(tags)].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  return `{${members.join(',')}}`
}
