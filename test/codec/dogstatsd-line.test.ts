import fc from 'fast-check'
import { dogstatsdGauge, dogstatsdName, dogstatsdTags } from '../../src/codec/dogstatsd-line.js'
import type { Tag } from '../../src/model/metric-list.js'
import { readDatapoints, readPackets } from '../support/statsd-reading.js'

const seed = 20_240_611

test.each([
  ['a name as it is', 'dcos.metrics.agent.cpu-1_x/y', 'dcos.metrics.agent.cpu-1_x/y'],
  ['a colon would end it', 'a:b', 'a_b'],
  ['a bar would end the value', 'a|c', 'a_c'],
  ['a hash, an at sign, a comma', 'a#b@c,d', 'a_b_c_d'],
  ['line ends', 'a\nb\r\nc', 'a_b__c'],
  ['blanks and control characters', 'a b\tc\0d\u2028e', 'a_b_c_d_e'],
  ['no name at all', '', '_'],
  ['what begins like an event', '_e{1,1}', '__e{1_1}'],
  ['what begins like a check', '_scrapes', '__scrapes'],
  ['other languages', 'größe.数', 'größe.数'],
])('dogstatsdName: %s', (_rule, name, expected) => {
  expect(dogstatsdName(name)).toBe(expected)
})

test.each<[rule: string, tags: readonly (readonly [string, string])[], expected: string]>([
  ['none', [], ''],
  [
    'one behind the other',
    [
      ['a', '1'],
      ['b', '2'],
    ],
    '|#a:1,b:2',
  ],
  [
    'repeated ones stay',
    [
      ['a', '1'],
      ['a', '2'],
    ],
    '|#a:1,a:2',
  ],
  ['a value keeps what cannot end it', [['image', 'r:5000/x@sha256#1']], '|#image:r:5000/x@sha256#1'],
  ['a value loses what would', [['a', '1,2|3\n4']], '|#a:1_2_3_4'],
  ['a key loses its colons too', [['a:b', 'c']], '|#a_b:c'],
  ['no value', [['prod', '']], '|#prod'],
  ['no key', [['', 'x']], '|#_:x'],
])('dogstatsdTags: %s', (_rule, tags, expected) => {
  expect(dogstatsdTags(tags.map(([key, value]) => ({ key, value })))).toBe(expected)
})

test.each([
  [0.1, 'n:0.1|g'],
  [-5, 'n:-5|g'],
  [1e21, 'n:1e+21|g'],
  [5e-324, 'n:5e-324|g'],
  [Number.MAX_SAFE_INTEGER, 'n:9007199254740991|g'],
])('dogstatsdGauge: %d', (value, expected) => {
  expect(dogstatsdGauge('n', value, '')).toBe(expected)
})

test(`our own StatsD reader gets any name, tags and value back, one datapoint a line (seed ${seed})`, () => {
  const text = fc.string({ unit: fc.constantFrom(...':|@#,\n\r\0_e{sc.é \u{1f600}aT0') })
  const tag = fc.record({ key: text, value: text })
  const value = fc.double({ noNaN: true, noDefaultInfinity: true })
  fc.assert(
    fc.property(text, fc.array(tag, { maxLength: 4 }), value, (name, tags, number) => {
      const { lists, counts } = readPackets([dogstatsdGauge(dogstatsdName(name), number, dogstatsdTags(tags))])
      expect(lists).toHaveLength(1)
      // -0 is written as 0, as JavaScript writes it.
      expect(readDatapoints(lists[0]!.datapoints)).toEqual([
        { name: dogstatsdName(name), timeMs: 1000, value: number + 0 },
      ])
      expect(lists[0]!.tags).toEqual(tags.map(asRead))
      expect(counts.unknownSections).toBe(0)
    }),
    { seed, numRuns: 2000 },
  )
})

function asRead({ key, value }: Tag): Tag {
  const section = dogstatsdTags([{ key, value }]).slice('|#'.length)
  const colon = section.indexOf(':')
  return colon === -1 ? { key: section, value: '' } : { key: section.slice(0, colon), value: section.slice(colon + 1) }
}
