import fc from 'fast-check'
import { createInfluxNames } from '../../src/codec/influx-line.js'
import { LineBuffer } from '../../src/codec/line-buffer.js'
import type { Datapoint } from '../../src/model/metric-list.js'
import { type CollisionRule, InfluxPointMaker } from '../../src/outputs/influx-points.js'
import type { InfluxPoints } from '../../src/outputs/influx-write-points.js'
import { listOf, point } from '../support/sink-contract.js'

const at = 1_700_000_000_000

function makerWith(rule: CollisionRule): InfluxPointMaker {
  return new InfluxPointMaker(createInfluxNames('m'), rule)
}

function linesOf(points: InfluxPoints): string[] {
  return rendered(
    points,
    Array.from({ length: points.count }, (_, number) => number),
  ).lines
}

function rendered(points: InfluxPoints, numbers: number[]): { lines: string[]; precision: 'ms' | 'ns' } {
  const lines = new LineBuffer()
  const precision = points.render(Uint32Array.from(numbers), lines)
  return { lines: lines.finish().toString().split('\n').slice(0, -1), precision }
}

/** Each inner array is a write that is settled. */
function written(rule: CollisionRule, ...writes: Datapoint[][]): string[][] {
  const maker = makerWith(rule)
  return writes.map((points) => {
    const lines = linesOf(maker.collect([listOf(points)]))
    maker.settle()
    return lines
  })
}

const twice = [point('a', 1, at), point('a', 2, at)]

test.each<[CollisionRule, string[]]>([
  ['last', [`m a=2 ${at}`]],
  ['sum', [`m a=3 ${at}`]],
  ['spread', [`m a=1 ${at}000000`, `m a=2 ${at}000001`]],
])('two datapoints of one series in a millisecond, within a write: %s', (rule, lines) => {
  expect(written(rule, twice)).toEqual([lines])
})

test.each<[CollisionRule, string[][]]>([
  ['last', [[`m a=1 ${at}`], [`m a=2 ${at}`]]],
  ['sum', [[`m a=1 ${at}`], [`m a=3 ${at}`]]],
  ['spread', [[`m a=1 ${at}`], [`m a=2 ${at}000001`]]],
])('two datapoints of one series in a millisecond, in two writes: %s', (rule, lines) => {
  expect(written(rule, [point('a', 1, at)], [point('a', 2, at)])).toEqual(lines)
})

test('spread goes on where the write before ended', () => {
  expect(written('spread', twice, twice)[1]).toEqual([`m a=1 ${at}000002`, `m a=2 ${at}000003`])
})

test.each<[CollisionRule, Partial<InfluxPoints>]>([
  ['last', { count: 1, collisions: 1, replaced: 1 }],
  ['sum', { count: 1, collisions: 1, replaced: 0 }],
  ['spread', { count: 2, collisions: 1, replaced: 0 }],
])('collisions are counted: %s', (rule, counts) => {
  expect(makerWith(rule).collect([listOf(twice)])).toMatchObject(counts)
})

test('a sum stands for all of its datapoints', () => {
  const points = makerWith('sum').collect([listOf([...twice, point('a', 4, at), point('b', 1, at)])])
  expect([points.weightOf(0), points.weightOf(1)]).toEqual([3, 1])
})

test.each<[string, Datapoint[], number]>([
  ['the same name at another time', [point('a', 1, at), point('a', 2, at + 1)], 0],
  ['another name at the same time', [point('a', 1, at), point('b', 2, at)], 0],
  ['a time that comes late', [point('a', 1, at), point('a', 2, at + 1), point('a', 3, at)], 1],
  ['times in any order', [5, 3, 4, 1, 2, 3, 5, 1].map((ms) => point('a', 1, at + ms)), 3],
])('what collides: %s', (_rule, points, collisions) => {
  expect(makerWith('last').collect([listOf(points)]).collisions).toBe(collisions)
})

test('other tags are another series; the same tags in another order are the same', () => {
  const tag = (key: string, value: string) => ({ key, value })
  const lists = [
    listOf([point('a', 1, at)], { tags: [tag('x', '1'), tag('y', '2')] }),
    listOf([point('a', 2, at)], { tags: [tag('x', '1')] }),
    listOf([point('a', 3, at)], { tags: [tag('y', '2'), tag('x', '1')] }),
  ]
  const points = makerWith('spread').collect(lists)
  expect(points.collisions).toBe(1)
  expect(linesOf(points)[2]).toBe(`m,x=1,y=2 a=3 ${at}000001`)
})

test('a write that comes again makes the same points and does not collide with itself', () => {
  const maker = makerWith('spread')
  maker.collect([listOf([point('a', 0, at)])])
  maker.settle()
  const first = linesOf(maker.collect([listOf(twice)]))
  const again = maker.collect([listOf(twice)])
  expect(linesOf(again)).toEqual(first)
  expect(again.collisions).toBe(2)
})

test('of a series that was not in the write before, its newest time is remembered, an older one is not', () => {
  const points = [point('a', 1, at), point('a', 1, at + 1)]
  const lines = written('spread', points, [point('b', 1, at)], [point('a', 2, at), point('a', 2, at + 1)])
  expect(lines[2]).toEqual([`m a=2 ${at}000000`, `m a=2 ${at + 1}000001`])
})

describe('a process that goes on where another one was killed', () => {
  // Many datapoints in each millisecond; the cut goes through the third one.
  const points = Array.from({ length: 60 }, (_, n) => point('a', n, at + Math.floor(n / 10)))
  const before = points.slice(0, 25)

  test.each([
    ['behind what was written', 25],
    ['with some of it again', 17],
    ['with all of it again', 0],
  ])('%s: every value is in InfluxDB', (_how, from) => {
    const stored = storedBy(
      written('spread', before.slice(0, 12), before.slice(12)),
      written('spread', points.slice(from)),
    )
    expect(new Set(stored.values())).toEqual(new Set(points.map(({ value }) => value)))
    // Only its first millisecond may be there twice.
    expect(stored.size).toBeLessThanOrEqual(points.length + 10)
  })

  test('that is killed before its write is settled does the same again', () => {
    const again = written('spread', points.slice(17))
    const stored = storedBy(written('spread', before), again, again)
    expect(stored).toEqual(storedBy(written('spread', before), again))
  })

  /** What InfluxDB has then, by time. */
  function storedBy(...processes: string[][][]): Map<string, number> {
    const rows = processes.flat(2).map((line) => /=(\d+) (\d+)$/.exec(line) ?? [])
    return new Map(rows.map(([, value, time]) => [String(time).padEnd(19, '0'), Number(value)]))
  }

  test('writes a series that is not crowded at its own times', () => {
    expect(written('spread', [...twice, point('a', 3, at + 1)])[0]?.map((line) => line.split(' ')[2])).toEqual([
      `${at}000000`,
      `${at}000001`,
      `${at + 1}000000`,
    ])
  })
})

test('nanoseconds only in requests that need them', () => {
  const points = makerWith('spread').collect([listOf([point('a', 1, at), ...twice])])
  expect(rendered(points, [0])).toEqual({ lines: [`m a=1 ${at}`], precision: 'ms' })
  expect(rendered(points, [1, 2]).precision).toBe('ns')
})

test('a sum beyond all numbers is not finite, and the datapoints before it stay', () => {
  const points = makerWith('sum').collect([listOf([point('a', 1.7e308, at), point('a', 1.7e308, at)])])
  expect(points.notFinite).toBe(1)
  expect(linesOf(points)).toEqual([`m a=1.7e+308 ${at}`])
})

test('a write of more points than usual, and a small one behind it', () => {
  const points = Array.from({ length: 40_000 }, (_, n) => point(`n${n % 500}`, n, at + n))
  const [large, small] = written('spread', points, [point('n499', 1, at + 39_999), point('n0', 2, at)])
  expect(large).toEqual(points.map(({ name, value, timeMs }) => `m ${name}=${value} ${timeMs}`))
  expect(small).toEqual([`m n499=1 ${at + 39_999}000001`, `m n0=2 ${at}000001`])
})

const seed = 2111

describe(`any datapoints, written in any order and number (seed ${seed})`, () => {
  // Each write shares some milliseconds with the one before, as the end of a batch does with the beginning of the next one.
  const writes = fc
    .array(fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'c'), later: fc.nat(9) }), { maxLength: 30 }), {
      minLength: 1,
      maxLength: 6,
    })
    .map((all) => {
      let value = 0
      return all.map((points, write) => points.map(({ name, later }) => point(name, ++value, at + write * 5 + later)))
    })

  test('spread: InfluxDB has each of them', () => {
    check((points) => {
      const stored = storedBy('spread', points)
      expect([...stored.values()].sort((a, b) => a - b)).toEqual(points.flat().map(({ value }) => value))
    })
  })

  test('last: InfluxDB has the newest value of each series and time', () => {
    check((points) => {
      const newest = new Map(points.flat().map(({ name, timeMs, value }) => [`${name} ${timeMs}`, value]))
      expect(storedBy('last', points)).toEqual(newest)
    })
  })

  test('sum: InfluxDB has the sum of each series and time', () => {
    check((points) => {
      const sums = new Map<string, number>()
      for (const { name, timeMs, value } of points.flat()) {
        const key = `${name} ${timeMs}`
        sums.set(key, (sums.get(key) ?? 0) + value)
      }
      expect(storedBy('sum', points)).toEqual(sums)
    })
  })

  function check(property: (points: Datapoint[][]) => void): void {
    fc.assert(fc.property(writes, property), { seed, numRuns: 300 })
  }

  /** What InfluxDB has then, by series and time. */
  function storedBy(rule: CollisionRule, points: Datapoint[][]): Map<string, number> {
    const rows = written(rule, ...points).flat()
    return new Map(
      rows.map((line) => /^m (.)=(\d+) (\d+)$/.exec(line)).map((row) => [`${row?.[1]} ${row?.[3]}`, Number(row?.[2])]),
    )
  }
})
