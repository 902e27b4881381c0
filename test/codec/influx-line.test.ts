import fc from 'fast-check'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import {
  createInfluxLines,
  createInfluxNames,
  type InfluxDialect,
  influxNanoseconds,
} from '../../src/codec/influx-line.js'
import type { Datapoint, Tag } from '../../src/model/metric-list.js'
import { linesOf } from '../support/lines.js'

const at = 1_469_124_000_123

function render(
  points: Datapoint[],
  { tags = {} as Record<string, string> | Tag[], measurement = 'm', dialect = 'go' as InfluxDialect } = {},
): string {
  const list = { topic: 't', tags: Array.isArray(tags) ? tags : asTags(tags), datapoints: encodeDatapoints(points) }
  return linesOf(createInfluxLines(createInfluxNames(measurement, dialect)), list).text
}

function asTags(tags: Record<string, string>): Tag[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }))
}

/** One datapoint `n` with the value 1. */
function withTags(tags: Record<string, string> | Tag[], dialect: InfluxDialect = 'go'): string {
  return render([{ name: 'n', timeMs: at, value: 1 }], { tags, dialect }).replace(` n=1 ${at}\n`, '')
}

function withName(name: string, dialect: InfluxDialect = 'go'): string {
  return render([{ name, timeMs: at, value: 1 }], { dialect })
    .replace(`=1 ${at}\n`, '')
    .slice(2)
}

test('a line has measurement, tags, the name as field key, a float, milliseconds', () => {
  const points = [
    { name: 'load', timeMs: at, value: 0.5 },
    { name: 'count', timeMs: at + 1, value: 3 },
  ]
  expect(render(points, { measurement: 'dcos', tags: { host: 'a' } })).toBe(
    `dcos,host=a load=0.5 ${at}\ndcos,host=a count=3 ${at + 1}\n`,
  )
})

test.each([
  ['tags are sorted by key', withTags({ b: '2', a: '1', B: '0' }), 'm,B=0,a=1,b=2'],
  [
    'of repeated tags the last',
    withTags([
      { key: 'k', value: 'first' },
      { key: 'k', value: 'last' },
    ]),
    'm,k=last',
  ],
  ['an empty tag value is left out', withTags({ a: '', b: '1' }), 'm,b=1'],
  [
    'a last tag that is empty leaves its key out',
    withTags([
      { key: 'k', value: 'first' },
      { key: 'k', value: '' },
    ]),
    'm',
  ],
  ['an empty tag key is left out', withTags({ '': 'x', b: '1' }), 'm,b=1'],
  ['commas, equals signs and blanks in a tag value', withTags({ k: 'a,b=c d' }), 'm,k=a\\,b\\=c\\ d'],
  ['commas, equals signs and blanks in a tag key', withTags({ 'a,b=c d': 'v' }), 'm,a\\,b\\=c\\ d=v'],
  ['quotes are ordinary', withTags({ 'q"': '"v"' }), 'm,q"="v"'],
  ['line breaks and tabs as two characters', withTags({ k: 'a\nb\r\tc\0' }), 'm,k=a\\nb\\r\\tc\\0'],
  ['a backslash inside', withTags({ k: 'C:\\dir\\\\x' }), 'm,k=C:\\dir\\\\x'],
  ['a backslash at the end', withTags({ k: 'C:\\dir\\' }), 'm,k=C:\\dir/'],
  ['backslashes at the end', withTags({ k: 'C:\\\\' }), 'm,k=C:\\/'],
  ['a backslash in front of a special character', withTags({ k: 'a\\,b\\ c\\=d\\"e' }), 'm,k=a/\\,b/\\ c/\\=d/"e'],
  ['a backslash in front of a line break', withTags({ k: 'a\\\nb' }), 'm,k=a/\\nb'],
  ['InfluxDB 3 reads two backslashes as one', withTags({ k: 'C:\\dir' }, 'v3'), 'm,k=C:\\\\dir'],
  ['letters of every language', withTags({ größe: '指标🚀' }), 'm,größe=指标🚀'],
  ['tags that InfluxDB keeps for itself', withTags({ time: 'a', _field: 'b' }), 'm,_field_=b,time_=a'],
  ['tags that become the same key', withTags({ 'a\\': '1', 'a/': '2' }), 'm,a/=2'],
])('tags: %s', (_rule, line, expected) => {
  expect(line).toBe(expected)
})

test.each([
  ['a plain name', withName('cpu.load'), 'cpu.load'],
  ['special characters', withName('a,b=c d'), 'a\\,b\\=c\\ d'],
  ['a backslash at the end', withName('a\\'), 'a/'],
  ['a line break', withName('a\nb'), 'a\\nb'],
  ['quotes', withName('"a"'), '"a"'],
  ['the name InfluxDB keeps for itself', withName('time'), 'time_'],
  ['no name', withName(''), '_'],
])('field key: %s', (_rule, key, expected) => {
  expect(key).toBe(expected)
})

test('a measurement has its commas and blanks escaped, but not its equals signs', () => {
  const point = { name: 'n', timeMs: at, value: 1 }
  expect(render([point], { measurement: 'my metrics,x=y' })).toBe(`my\\ metrics\\,x=y n=1 ${at}\n`)
})

test.each([
  [1e21, '1e+21'],
  [-0.000001, '-0.000001'],
  [5e-324, '5e-324'],
  [1.7976931348623157e308, '1.7976931348623157e+308'],
])('the value %p is written as %s', (value, text) => {
  expect(render([{ name: 'n', timeMs: at, value }])).toBe(`m n=${text} ${at}\n`)
})

test('NaN and infinities are left out and told', () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1]
  const list = {
    topic: 't',
    tags: [],
    datapoints: encodeDatapoints(values.map((value) => ({ name: 'n', timeMs: at, value }))),
  }
  expect(linesOf(createInfluxLines(createInfluxNames('m')), list)).toEqual({
    text: `m n=1 ${at}\n`,
    datapoints: 1,
    notFinite: 3,
    undecodable: 0,
  })
})

test.each([
  [at, 0, '1469124000123000000'],
  [at, 41, '1469124000123000041'],
  [at, 1_000_001, '1469124000124000001'],
  [0, 7, '7'],
  [-1, 0, '-1000000'],
])('influxNanoseconds: %p ms and %p ns', (timeMs, extraNs, text) => {
  expect(influxNanoseconds(timeMs, extraNs)).toBe(text)
})

test('no text can add a tag, a field or a line (seed 62)', () => {
  const nasty = fc.string({ unit: fc.constantFrom('a', '\\', ',', '=', ' ', '"', '\n', '\r', '\t', '\0', '#', 'ü') })
  fc.assert(
    fc.property(nasty, nasty, nasty, fc.constantFrom<InfluxDialect>('go', 'v3'), (key, value, name, dialect) => {
      const line = render([{ name, timeMs: at, value: 1 }], { tags: [{ key, value }], dialect })
      expect(line.split('\n')).toEqual([expect.any(String), ''])
      const parts = splitUnescaped(line.slice(0, -1), ' ')
      expect(parts).toHaveLength(3)
      expect(splitUnescaped(parts[0]!, ',')).toHaveLength(key !== '' && value !== '' ? 2 : 1)
      expect(splitUnescaped(parts[1]!, '=')).toHaveLength(2)
    }),
    { seed: 62, numRuns: 2000 },
  )
})

/** As InfluxDB's parsers do it: a separator counts unless a backslash is in front of it. */
function splitUnescaped(text: string, separator: string): string[] {
  return text.split(new RegExp(`(?<!\\\\)${separator}`))
}
