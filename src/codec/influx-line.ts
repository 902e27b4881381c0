import type { Tag } from '../model/metric-list.js'
import { DatapointReader } from './datapoint-reader.js'
import { blank, LinePart, newline } from './line-buffer.js'
import { NameCache } from './name-cache.js'
import type { LineEncoder } from './rendered-lines.js'
import { createTextCache } from './text-cache.js'
import { createTagsCache, lastOfEachKey } from './unique-tags.js'

/**
 * Who reads the lines. `go`: InfluxDB 1.x, 2.x and what copied their parser; a backslash in front of an ordinary character, another
 * backslash included, is itself. `v3`: InfluxDB 3; a backslash takes the special meaning from a backslash, too.
 */
export type InfluxDialect = 'go' | 'v3'

/** The parts of a line: `<series><field>=<value> <time>`. */
export interface InfluxNames {
  /** Measurement and tags, sorted by key, with the blank behind them. */
  seriesOf(tags: readonly Tag[]): string
  /** A datapoint's name as a field key. */
  fieldOf(name: string): string
}

/**
 * How names are written in InfluxDB's line protocol.
 *
 * Commas, equals signs and blanks get a backslash. Line breaks, tabs and NUL have no form in the protocol and are written as the two
 * characters `\n`, `\r`, `\t`, `\f`, `\0`. A backslash in front of one of the special characters, or at the end, would take
 * their meaning away (no server reads it back, and a quote behind it may swallow the following lines), so it
 * becomes `/`. Of repeated tags the last counts; tags without key or value are left out, because the server refuses them. InfluxDB keeps
 * `time`, `_field` and `_measurement` for itself: tags of these names and the field `time` get a `_` behind.
 *
 * @param measurement not empty, and without `#` in front: such a line is a comment
 * @see InfluxDB's "Line protocol reference"; scanTagsValue and scanLine in its models/points.go; influxdb_line_protocol of InfluxDB 3
 */
export function createInfluxNames(measurement: string, dialect: InfluxDialect = 'go'): InfluxNames {
  const escapedMeasurement = escapeText(measurement, dialect, /[, ]/g)
  return {
    seriesOf: createTagsCache((tags) => `${escapedMeasurement}${tagSet(tags, dialect)} `),
    fieldOf: createTextCache((name) => escapeKey(name === 'time' ? 'time_' : name, dialect) || '_'),
  }
}

/**
 * Writes lists in InfluxDB's line protocol, one line a datapoint: `measurement,tag=value name=1.5 1469124000123`.
 *
 * Time is in milliseconds since 1970 (write with precision=ms). Values are floats: no `i` behind them. NaN and
 * infinities cannot be stored and are left out.
 */
export function createInfluxLines({ seriesOf, fieldOf }: InfluxNames): LineEncoder {
  const seriesPart = createTagsCache((tags) => new LinePart(seriesOf(tags)))
  const names = new NameCache((name) => new LinePart(`${fieldOf(name)}=`))
  const reader = new DatapointReader()
  return ({ tags, datapoints }, lines) => {
    const series = seriesPart(tags)
    let read = 0
    let notFinite = 0
    for (reader.open(datapoints); reader.next(); read++) {
      if (!Number.isFinite(reader.value)) {
        notFinite++
        continue
      }
      lines.addPart(series)
      lines.addPart(names.nameAt(reader).made)
      lines.addNumber(reader.value)
      lines.addByte(blank)
      lines.addTime(reader.timeMs)
      lines.addByte(newline)
    }
    return { datapoints: read - notFinite, notFinite, undecodable: datapoints.count - read }
  }
}

/**
 * A time as nanoseconds since 1970, in digits: doubles cannot hold it.
 *
 * @param extraNs whole nanoseconds on top
 */
export function influxNanoseconds(timeMs: number, extraNs: number): string {
  if (timeMs > 0 && extraNs < 1_000_000) return `${timeMs}${String(extraNs).padStart(6, '0')}`
  return String(BigInt(timeMs) * 1_000_000n + BigInt(extraNs))
}

function tagSet(tags: readonly Tag[], dialect: InfluxDialect): string {
  const escaped = new Map<string, string>()
  for (const [key, value] of lastOfEachKey(tags)) {
    if (key !== '' && value !== '') escaped.set(escapeTagKey(key, dialect), escapeKey(value, dialect))
  }
  let set = ''
  for (const key of [...escaped.keys()].sort()) set += `,${key}=${escaped.get(key)}`
  return set
}

function escapeTagKey(key: string, dialect: InfluxDialect): string {
  return escapeKey(reservedTagKeys.has(key) ? `${key}_` : key, dialect)
}

function escapeKey(text: string, dialect: InfluxDialect): string {
  return escapeText(text, dialect, /[,= ]/g)
}

function escapeText(text: string, dialect: InfluxDialect, special: RegExp): string {
  // Nearly every text; a second and a third pass are for the others.
  if (!needsEscape.test(text)) return text
  return text
    .replace(ambiguousBackslash, '/')
    .replace(/\\/g, dialect === 'v3' ? '\\\\' : '\\')
    .replace(special, '\\$&')
    .replace(unprintable, (character) => unprintableForms.get(character) ?? character)
}

const needsEscape = /[\\,= \t\n\f\r\0]/
const ambiguousBackslash = /\\(?=[,= "\t\n\f\r\0]|$)/g
const unprintable = /[\t\n\f\r\0]/g
const unprintableForms = new Map([
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\f', '\\f'],
  ['\r', '\\r'],
  ['\0', '\\0'],
])
const reservedTagKeys = new Set(['time', '_field', '_measurement'])
