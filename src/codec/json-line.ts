import type { MetricList } from '../model/metric-list.js'
import { forEachDatapoint } from './datapoints.js'
import type { RenderedLines } from './rendered-lines.js'
import { createTextCache } from './text-cache.js'
import { createTagsCache, lastOfEachKey } from './unique-tags.js'

/**
 * Renders a list as JSON, one object a line: `{"topic","tags":{},"name","time_ms","value"}`.
 *
 * `time_ms` is in milliseconds since 1970. Of repeated tags the last counts. What JSON has no number for comes as one of the
 * strings "NaN", "Infinity" and "-Infinity", as Avro's own JSON writes them; every other double reads back as it was, -0 too.
 */
export function encodeJsonLines({ topic, tags, datapoints }: MetricList): RenderedLines {
  const head = `{"topic":${JSON.stringify(topic)},"tags":${tagsAsJson(tags)},"name":`
  let text = ''
  const read = forEachDatapoint(datapoints, (name, timeMs, value) => {
    text += `${head}${nameAsJson(name)},"time_ms":${timeMs},"value":${jsonNumber(value)}}\n`
  })
  return { text, datapoints: read, notFinite: 0, undecodable: datapoints.count - read }
}

/** A double as JSON; NaN and infinities as strings. */
export function jsonNumber(value: number): string {
  if (Number.isFinite(value)) return value === 0 && Object.is(value, -0) ? '-0' : String(value)
  return `"${value}"`
}

const nameAsJson = createTextCache((name) => JSON.stringify(name))

const tagsAsJson = createTagsCache((tags) => {
  const members = [...lastOfEachKey(tags)].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  return `{${members.join(',')}}`
})
