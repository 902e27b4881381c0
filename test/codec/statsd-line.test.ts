import { countPacketDatapoints } from '../../src/codec/statsd-line.js'
import { StatsdCounts } from '../../src/codec/statsd-packet.js'
import { identity, readDatapoints, readPackets, summary } from '../support/statsd-reading.js'

type Counted = Partial<StatsdCounts>

describe('a row becomes datapoints', () => {
  test.each<[string, string, string[], Counted]>([
    ['name, value and type', 'hits:1|c', ['hits 1'], {}],
    ['a gauge', 'load:0.25|g', ['load 0.25'], {}],
    ['a timer', 'took:320|ms', ['took 320'], {}],
    ['a histogram', 'size:7|h', ['size 7'], {}],
    ['a distribution', 'size:7|d', ['size 7'], {}],
    ['a set of numbers', 'users:765|s', ['users 765'], {}],
    ['an unknown type is a value too', 'x:7|zz', ['x 7'], {}],
    ['a type of one unknown letter is a value too', 'x:7|Q', ['x 7'], {}],
    ['a row without a type is a value', 'x:7', ['x 7'], {}],
    ['an empty type is an unknown section', 'x:7|', ['x 7'], { unknownSections: 1 }],
    ['the name ends at the first colon', 'a:1|g|#u:http://x', ['a 1 u=http://x'], {}],
    ['a colon behind the pipe ends no name', 'a|#k:v', ['a 0 k=v'], { malformedAsZero: 1 }],
    ['blanks in a name pass through', 'a b/c:1|g', ['a b/c 1'], {}],
    ['an empty name is kept', ':1|c', [' 1'], {}],
    ['a name beginning with _ is a name', '_e:1|c', ['_e 1'], {}],
    ['a name beginning with _sc is a name', '_scale:1|g', ['_scale 1'], {}],
    ['_sc with a value is a name', '_sc:1|g', ['_sc 1'], {}],
    ['a negative value', 't:-5.5|g', ['t -5.5'], {}],
    ['a value with a plus', 't:+5|g', ['t 5'], {}],
    ['minus zero stays', 't:-0|g', ['t -0'], {}],
    ['an exponent', 't:1.5e3|g', ['t 1500'], {}],
    ['blanks around a value', 't: 12 |g', ['t 12'], {}],
    ['no digits before the point', 't:.5|g', ['t 0.5'], {}],
    ['no digits behind the point', 't:5.|g', ['t 5'], {}],
    ['a missing value is 0', 'hello:|c', ['hello 0'], { malformedAsZero: 1 }],
    ['a missing colon is 0', 'hello', ['hello 0'], { malformedAsZero: 1 }],
    ['a corrupt value is 0', 'hello:two|c', ['hello 0'], { malformedAsZero: 1 }],
    ['digits with a rest are corrupt', 'hello:12abc|c', ['hello 0'], { malformedAsZero: 1 }],
    ['a sign alone is corrupt', 'hello:-|c', ['hello 0'], { malformedAsZero: 1 }],
    ['a point alone is corrupt', 'hello:.|c', ['hello 0'], { malformedAsZero: 1 }],
    ['a blank alone is corrupt', 'hello: |c', ['hello 0'], { malformedAsZero: 1 }],
    ['what is not finite is corrupt', 'hello:1e400|c', ['hello 0'], { malformedAsZero: 1 }],
    ['NaN is corrupt', 'hello:NaN|g', ['hello 0'], { malformedAsZero: 1 }],
    ['several values are several datapoints', 'a:1:2:3|d', ['a 1', 'a 2', 'a 3'], {}],
    ['several values share tags', 'a:1:2|d|#k:v', ['a 1 k=v', 'a 2 k=v'], {}],
    ['each bad one of several values', 'a:1::x:4|d', ['a 1', 'a 0', 'a 0', 'a 4'], { malformedAsZero: 2 }],
    ['a bad first of several values', 'a:x:2|d', ['a 0', 'a 2'], { malformedAsZero: 1 }],
  ])('%s: %s', (_rule, row, expected, counted) => {
    const { lists, counts } = readPackets([row])
    expect(summary(lists)).toEqual(expected)
    expect(counts).toEqual(zeros({ rows: 1, received: expected.length, ...counted }))
  })
})

describe('a sample rate', () => {
  test.each<[string, string, string, Counted]>([
    ['scales a counter up', 'hits:2|c|@0.1', 'hits 20', {}],
    ['scales a row without a type up', 'hits:2|@0.5', 'hits 4', {}],
    ['may stand before the type', 'hits:2|@0.5|c', 'hits 4', {}],
    ['may stand behind the tags', 'hits:2|c|#k:v|@0.5', 'hits 4 k=v', {}],
    ['leaves a gauge alone', 'load:2|g|@0.1', 'load 2', {}],
    ['leaves a timer alone', 'took:2|ms|@0.1', 'took 2', {}],
    ['leaves an unknown type alone', 'took:2|zz|@0.1', 'took 2', {}],
    ['of 1 changes nothing', 'hits:2|c|@1', 'hits 2', {}],
    ['of 0 is ignored', 'hits:2|c|@0', 'hits 2', { badRates: 1 }],
    ['above 1 is ignored', 'hits:2|c|@1.5', 'hits 2', { badRates: 1 }],
    ['below 0 is ignored', 'hits:2|c|@-0.5', 'hits 2', { badRates: 1 }],
    ['that is no number is ignored', 'hits:2|c|@often', 'hits 2', { badRates: 1 }],
    ['that is empty is ignored', 'hits:2|c|@', 'hits 2', { badRates: 1 }],
    ['is ignored only where it is bad', 'hits:2|c|@0.5|@x', 'hits 4', { badRates: 1 }],
    ['cannot scale a corrupt value', 'hits:x|c|@0.5', 'hits 0', { malformedAsZero: 1 }],
  ])('%s: %s', (_rule, row, expected, counted) => {
    const { lists, counts } = readPackets([row])
    expect(summary(lists)).toEqual([expected])
    expect(counts).toEqual(zeros({ rows: 1, received: 1, ...counted }))
  })

  test.each([
    'load:2|g|@0.1',
    'took:2|ms|@0.1',
    'x:2|zz|@0.1',
    'hits:2|c|@0.1',
  ])('scales every type where that is asked for: %s', (row) => {
    expect(summary(readPackets([row], { rules: { rateScaling: 'all' } }).lists)[0]).toMatch(/ 20$/)
  })
})

describe('tags', () => {
  test.each<[string, string, string, Counted]>([
    ['are split at commas', 'a:1|g|#k:v,k2:v2', 'a 1 k=v k2=v2', {}],
    ['may stand before the type', 'a:1|#k:v|g', 'a 1 k=v', {}],
    ['without a colon have the value ""', 'a:1|g|#k,k2', 'a 1 k= k2=', {}],
    ['with an empty key are kept', 'a:1|g|#:v', 'a 1 =v', {}],
    ['without key and value are none', 'a:1|g|#,:,k:v,', 'a 1 k=v', {}],
    ['may be none at all', 'a:1|g|#', 'a 1', {}],
    ['are split at their first colon only', 'a:1|g|#url:http://x:80', 'a 1 url=http://x:80', {}],
    ['that repeat stay', 'a:1|g|#k:1,k:2,k:1', 'a 1 k=1 k=2 k=1', {}],
    ['in several sections are all taken', 'a:1|g|#k:1|@1|#k2:2|#k3', 'a 1 k=1 k2=2 k3=', {}],
    ['may hold any UTF-8', 'a:1|g|#ort:Köln', 'a 1 ort=Köln', {}],
    ['named like our own stay where the container is unknown', 'a:1|g|#framework_id:x', 'a 1 framework_id=x', {}],
  ])('%s: %s', (_rule, row, expected, counted) => {
    const { lists, counts } = readPackets([row])
    expect(summary(lists)).toEqual([expected])
    expect(counts).toEqual(zeros({ rows: 1, received: 1, ...counted }))
  })

  test('of a known container stand in front, and a sender cannot speak for another', () => {
    const row = 'a:1|g|#k:v,framework_id:x,container_id:y,executor_id'
    const { lists, counts } = readPackets([row, row], { owner: identity })
    expect(lists).toHaveLength(1)
    expect(lists[0]!.topic).toBe('fw')
    expect(summary(lists)[0]).toBe('a 1 framework_id=fw executor_id=ex container_id=c1 k=v')
    expect(counts).toEqual(zeros({ rows: 2, received: 2, reservedTags: 6 }))
  })

  test('that are all left out make an untagged row', () => {
    const { lists } = readPackets(['a:1|g|#container_id:y\nb:2|g'], { owner: identity })
    expect(lists).toHaveLength(1)
    expect(lists[0]!.datapoints.count).toBe(2)
  })
})

describe('other sections', () => {
  test.each<[string, string, number]>([
    ['the container of DogStatsD 1.2', 'a:1|g|c:83c0a99c0a54c0c187f461c7980e9b57f3f6a8b0c918c8d93df19a9de6f3fe1d', 1],
    ['the origin of DogStatsD 1.5', 'a:1|g|e:it-false,cn-nginx', 1],
    ['the cardinality of DogStatsD 1.6', 'a:1|g|card:low', 1],
    ['a container where a type would be', 'a:1|c:abc', 1],
    ['what nobody knows yet', 'a:1|g|zz|%%|\u00e9', 3],
    ['empty ones', 'a:1|g|||', 3],
    ['a time that is none', 'a:1|g|Tnow', 1],
  ])('are counted and skipped, never the row: %s', (_what, row, unknownSections) => {
    const { lists, counts } = readPackets([row])
    expect(summary(lists)).toEqual(['a 1'])
    expect(counts).toEqual(zeros({ rows: 1, received: 1, unknownSections }))
  })

  test('|T sets the time of its own row only', () => {
    const { lists } = readPackets(['a:1|g\nb:1|g|T1656581400\nc:1|g'], { timeMs: 1_700_000_000_123 })
    expect(readDatapoints(lists[0]!.datapoints).map(({ timeMs }) => timeMs)).toEqual([
      1_700_000_000_123, 1_656_581_400_000, 1_700_000_000_123,
    ])
  })

  test.each(['_e{5,4}:title|text|#k:v', '_e{0,0}:|', '_sc|name|0|#k:v|m:ok'])('%s is no metric', (row) => {
    const { lists, counts } = readPackets([`${row}\na:1|g`])
    expect(summary(lists)).toEqual(['a 1'])
    expect(counts).toEqual(zeros({ rows: 2, received: 2, notAMetric: 1 }))
  })
})

describe('a packet', () => {
  test.each<[string, string, string[]]>([
    ['is split at \\n', 'a:1|c\nb:2|c', ['a', 'b']],
    ['may end in \\n', 'a:1|c\nb:2|c\n', ['a', 'b']],
    ['has no empty rows', '\n\na:1|c\n\n\nb:2|c\n\n', ['a', 'b']],
    ['may have \\r\\n', 'a:1|c\r\n\r\nb|#k:v\r\nc:3\r\nd\r\n_sc|x|0\r\ne:5|c|@0.5\r', ['a', 'b', 'c', 'd', 'e']],
    ['may have any number of \\r', '\r\r\na:1|c\r\r\n', ['a']],
    ['may be empty', '', []],
  ])('%s: %j', (_rule, packet, names) => {
    const { lists, rows } = readPackets([packet])
    expect(summary(lists).map((point) => point.split(' ')[0])).toEqual(expect.arrayContaining(names))
    expect(summary(lists)).toHaveLength(names.length)
    expect(rows.join()).not.toMatch(/[\r\n]/)
  })

  test('with \\r\\n has neither in values, rates and tags', () => {
    const { lists, counts } = readPackets(['a:1\r\nb:2|c|@0.5\r\nc:3|c|#k:v\r\nd:4|c|#k:v\r\n'])
    expect(summary(lists)).toEqual(['a 1', 'b 4', 'c 3 k=v', 'd 4 k=v'])
    expect(counts).toEqual(zeros({ rows: 4, received: 4 }))
  })

  test('tells every row as it came, without its line end', () => {
    expect(readPackets(['a:x|c|@9\r\n_e{1,1}:t|x\n\nb|||\n']).rows).toEqual(['a:x|c|@9', '_e{1,1}:t|x', 'b|||'])
  })

  test('of 65,507 bytes is read to its end', () => {
    const rows = Math.floor(65_507 / 8)
    const { counts, lists } = readPackets(['abcd:1|c\n'.repeat(rows).slice(0, 65_507)])
    expect(counts.received).toBe(lists[0]!.datapoints.count)
    expect(counts.received).toBeGreaterThan(7000)
  })
})

describe('limits', () => {
  test('a name may have 1,024 bytes, and no more', () => {
    const { lists, counts } = readPackets([`${'n'.repeat(1024)}:1|c\n${'n'.repeat(1025)}:1:2|c`])
    expect(lists[0]!.datapoints.count).toBe(1)
    expect(counts).toEqual(zeros({ rows: 2, received: 3, tooLarge: 2 }))
  })

  test('tags may have 8,192 bytes, and no more', () => {
    const half = `#k:${'v'.repeat(4094)}`
    const { lists, counts } = readPackets([
      `a:1|c|#k:${'v'.repeat(8190)}\na:1|c|#k:${'v'.repeat(8191)}\na:1|c|${half}|${half}`,
    ])
    expect(lists).toHaveLength(1)
    expect(counts).toEqual(zeros({ rows: 3, received: 3, tooLarge: 2 }))
  })

  test('malformed values can be dropped', () => {
    const { lists, counts } = readPackets(['a:x|c\nb\nc:1:y|c\nd:4|c'], { rules: { malformed: 'drop' } })
    expect(summary(lists)).toEqual(['c 1', 'd 4'])
    expect(counts).toEqual(zeros({ rows: 4, received: 5, malformed: 3 }))
  })
})

describe('bytes that are no UTF-8', () => {
  test('become U+FFFD in a name', () => {
    const { lists, counts } = readPackets([Buffer.from('caf\xe9:1|c', 'latin1'), Buffer.from('café:1|c')])
    expect(summary(lists)).toEqual(['caf\ufffd 1', 'café 1'])
    expect(counts).toEqual(zeros({ rows: 2, received: 2, invalidUtf8: 1 }))
  })

  test('become U+FFFD in a tag, counted with every row', () => {
    const row = Buffer.from('a:1|c|#k:\xff', 'latin1')
    const { lists, counts } = readPackets([row, row])
    expect(summary(lists)).toEqual(['a 1 k=\ufffd', 'a 1 k=\ufffd'])
    expect(counts).toEqual(zeros({ rows: 2, received: 2, invalidUtf8: 2 }))
  })
})

describe('changes of gauges', () => {
  const rows = 'g:10|g\ng:+5|g\ng:-3|g\nother:-2|g\ng:+1|g|#k:v\ng:-1|c\ng:-1|g'

  test('are values unless they are to be added up', () => {
    expect(valuesOf(readPackets([rows]).lists)).toEqual([10, 5, -3, -2, -1, -1, 1])
  })

  test('add to the last value of the gauge with these tags', () => {
    expect(valuesOf(readPackets([rows], { gaugeDeltas: true }).lists)).toEqual([10, 15, 12, -2, -1, 11, 1])
  })

  function valuesOf(lists: Parameters<typeof summary>[0]): number[] {
    return lists.flatMap(({ datapoints }) => readDatapoints(datapoints).map(({ value }) => value))
  }
})

test.each([
  'a:1|c',
  'a',
  'a:1:2:3|c|#k:v:w',
  '_e{1,1}:t|x:y\n_sc|n|0\n_sc:1:2',
  '\r\n\r\r\n\na:1:\r\n',
  `${'n'.repeat(2000)}:1:2|c`,
])('the quick count is what reading counts: %j', (packet) => {
  expect(countPacketDatapoints(Buffer.from(packet))).toBe(readPackets([packet]).counts.received)
})

function zeros(counted: Counted): StatsdCounts {
  return Object.assign(new StatsdCounts(), counted)
}
