import fc from 'fast-check'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { encodeJsonLines } from '../../src/codec/json-line.js'
import type { Datapoint, Tag } from '../../src/model/metric-list.js'
import { linesOf } from '../support/lines.js'

function lines(points: Datapoint[], tags: Tag[] = [], topic = 't'): string {
  return linesOf(encodeJsonLines, { topic, tags, datapoints: encodeDatapoints(points) }).text
}

function tag(key: string, value: string): Tag {
  return { key, value }
}

const at = 1_469_124_000_123

test.each([
  [
    'topic, tags, name, time in milliseconds, value',
    lines([{ name: 'load', timeMs: at, value: 0.1 }], [tag('host', 'a')], 'agent'),
    '{"topic":"agent","tags":{"host":"a"},"name":"load","time_ms":1469124000123,"value":0.1}\n',
  ],
  [
    'of repeated tags the last',
    lines([{ name: 'n', timeMs: at, value: 1 }], [tag('k', 'first'), tag('z', ''), tag('k', 'last')]),
    '{"topic":"t","tags":{"k":"last","z":""},"name":"n","time_ms":1469124000123,"value":1}\n',
  ],
  ['one object a line', lines([1, 2].map((value) => ({ name: 'n', timeMs: 0, value }))).split('\n').length, 3],
  ['nothing for a list without datapoints', lines([]), ''],
  [
    'a tag called __proto__ is a tag',
    lines([{ name: 'n', timeMs: 0, value: 1 }], [tag('__proto__', 'x')]).includes('{"__proto__":"x"}'),
    true,
  ],
])('encodeJsonLines: %s', (_rule, text, expected) => {
  expect(text).toEqual(expected)
})

test.each([
  [Number.NaN, '"NaN"'],
  [Number.POSITIVE_INFINITY, '"Infinity"'],
  [Number.NEGATIVE_INFINITY, '"-Infinity"'],
  [-0, '-0'],
  [1e21, '1e+21'],
  [5e-324, '5e-324'],
])('encodeJsonLines: the value %p is written as %s', (value, text) => {
  expect(lines([{ name: 'n', timeMs: 0, value }])).toContain(`"value":${text}}`)
})

test('a JSON parser reads back what went in (seed 61)', () => {
  const text = fc.string({ unit: 'grapheme' })
  const datapoint = fc.record({
    name: text,
    timeMs: fc.integer({ min: -4e15, max: 4e15 }),
    value: fc.double({ noNaN: true, noDefaultInfinity: true }),
  })
  fc.assert(
    fc.property(text, fc.array(fc.tuple(text, text)), fc.array(datapoint), (topic, tags, points) => {
      const read = lines(
        points,
        tags.map(([key, value]) => tag(key, value)),
        topic,
      )
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
      const expectedTags = Object.fromEntries(tags)
      expect(read).toEqual(
        points.map(({ name, timeMs, value }) => ({ topic, tags: expectedTags, name, time_ms: timeMs, value })),
      )
    }),
    { seed: 61 },
  )
})
