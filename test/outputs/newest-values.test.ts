import { createNewestValues, type LeftOut, type NewestValuesOptions } from '../../src/outputs/newest-values.js'
import { parseExposition } from '../support/exposition.js'
import { createFakeClock } from '../support/fake-clock.js'
import { listWith } from '../support/partner.js'

const minuteMs = 60_000

function create(options: Partial<NewestValuesOptions> = {}) {
  const clock = createFakeClock()
  const leftOut: Partial<Record<LeftOut, number>> = {}
  const collisions: string[] = []
  const values = createNewestValues({
    clock,
    expiryMs: 5 * minuteMs,
    seriesLimit: 100,
    onLeftOut(reason, datapoints) {
      leftOut[reason] = (leftOut[reason] ?? 0) + datapoints
    },
    onCollision: (name) => void collisions.push(name),
    ...options,
  })
  const page = () => [...values.render()].join('')
  const shown = () =>
    parseExposition(page()).map(({ name, labels, value }) =>
      [name, ...Object.entries(labels).map((label) => label.join('='))].concat(String(value)).join(' '),
    )
  return { clock, values, leftOut, collisions, page, shown }
}

test('a page has every series once, those of a metric together', () => {
  const { values, shown } = create()
  values.push([
    listWith({ c: '1' }, [
      ['cpu', 1],
      ['mem', 10],
    ]),
    listWith({ c: '2' }, [
      ['cpu', 2],
      ['mem', 20],
    ]),
    listWith({}, [['cpu', 3]]),
  ])
  expect(shown()).toEqual(['cpu c=1 1', 'cpu c=2 2', 'cpu 3', 'mem c=1 10', 'mem c=2 20'])
  expect(values.series).toBe(5)
})

test('the head says which name it was', () => {
  const { values, page } = create()
  values.push([listWith({}, [['dcos.metrics.agent.uptime', 1]])])
  expect(page()).toBe(
    [
      '# HELP dcos_metrics_agent_uptime Newest value of dcos.metrics.agent.uptime',
      '# TYPE dcos_metrics_agent_uptime gauge',
      'dcos_metrics_agent_uptime 1',
      '',
    ].join('\n'),
  )
})

describe('the newest value', () => {
  test.each<[rule: string, points: [value: number, offsetMs: number][], newest: number]>([
    [
      'is the one measured last',
      [
        [1, -3000],
        [2, -1000],
        [3, -2000],
      ],
      2,
    ],
    [
      'of two of the same time it is the one that came last',
      [
        [1, -1000],
        [2, -1000],
      ],
      2,
    ],
    [
      'is not one that came with a time in the future, once others come',
      [
        [1, 86_400_000],
        [2, 0],
      ],
      2,
    ],
    ['may be any number', [[Number.NaN, 0]], Number.NaN],
  ])('%s', (_rule, points, newest) => {
    const { clock, values, shown } = create()
    for (const [value, offsetMs] of points) values.push([listWith({}, [['a', value, clock.nowMs() + offsetMs]])])
    expect(shown()).toEqual([`a ${newest}`])
  })

  test('comes through after a sender had its clock ahead', async () => {
    const { clock, values, shown } = create()
    values.push([listWith({}, [['a', 1, clock.nowMs() + 3_600_000]])])
    await clock.advance(1000)
    values.push([listWith({}, [['a', 2, clock.nowMs()]])])
    expect(shown()).toEqual(['a 2'])
  })
})

describe('a series', () => {
  test('is the same with its tags in another order, and in another array', () => {
    const { values, shown } = create()
    values.push([listWith({ a: '1', b: '2' }, [['x', 1]])])
    values.push([listWith({ b: '2', a: '1' }, [['x', 2]])])
    expect(shown()).toEqual(['x a=1 b=2 2'])
  })

  test('is no longer shown once it has had no value for the expiry, and no longer kept after a sweep', async () => {
    const { clock, values, page, shown } = create()
    values.push([listWith({}, [['old', 1]]), listWith({}, [['young', 1]])])
    await clock.advance(minuteMs)
    values.push([listWith({}, [['young', 2]])])
    await clock.advance(4 * minuteMs - 1)
    expect(shown()).toEqual(['old 1', 'young 2'])
    await clock.advance(1)
    expect(shown()).toEqual(['young 2'])
    expect(values.series).toBe(2)
    values.sweep()
    expect(values.series).toBe(1)
    await clock.advance(minuteMs)
    values.sweep()
    expect([values.series, page()]).toEqual([0, ''])
  })

  test('lives on with late values, which are not newer', async () => {
    const { clock, values, shown } = create()
    const startMs = clock.nowMs()
    values.push([listWith({}, [['a', 1, startMs]])])
    for (let n = 0; n < 3; n += 1) {
      await clock.advance(4 * minuteMs)
      values.push([listWith({}, [['a', 99, startMs - 1]])])
      values.sweep()
    }
    expect(shown()).toEqual(['a 1'])
  })

  test('comes back after it had expired, as one, from whichever array its tags come', async () => {
    const { clock, values, shown } = create()
    const [one, other] = [listWith({ t: '1' }, [['a', 1]]), listWith({ t: '1' }, [['a', 2]])]
    values.push([one, other])
    await clock.advance(5 * minuteMs)
    values.sweep()
    values.push([other])
    values.push([one])
    expect(shown()).toEqual(['a t=1 1'])
    expect(values.series).toBe(1)
  })
})

test('a page that is read slowly has every series once, whatever goes and comes meanwhile', async () => {
  const { clock, values } = create({ seriesLimit: 10_000 })
  const names = Array.from({ length: 5000 }, (_, n) => `metric.${n}.${'x'.repeat(50)}`)
  const points = (value: number) => [
    listWith(
      { t: '1' },
      names.map((name) => [name, value] as const),
    ),
  ]
  values.push(points(1))
  const pieces: string[] = []
  for (const piece of values.render()) {
    pieces.push(piece)
    // All of it expires, is forgotten, and comes again.
    await clock.advance(5 * minuteMs)
    values.sweep()
    values.push(points(2))
  }
  expect(pieces.length).toBeGreaterThan(3)
  expect(parseExposition(pieces.join('')).map(({ name }) => name)).toEqual(
    names.map((name) => name.replaceAll('.', '_')),
  )
})

describe('bounds', () => {
  test('series over the limit are left out and counted, those that are there go on', () => {
    const { values, leftOut, shown } = create({ seriesLimit: 2 })
    values.push([
      listWith({}, [
        ['a', 1],
        ['b', 1],
        ['c', 1],
      ]),
      listWith({ t: '1' }, [['a', 1]]),
    ])
    values.push([
      listWith({}, [
        ['a', 2],
        ['c', 2],
      ]),
    ])
    expect(shown()).toEqual(['a 2', 'b 1'])
    expect(leftOut).toEqual({ series_limit: 3 })
  })

  test('room comes from what has expired', async () => {
    const { clock, values, shown } = create({ seriesLimit: 1 })
    values.push([listWith({}, [['a', 1]])])
    await clock.advance(5 * minuteMs)
    values.sweep()
    values.push([listWith({}, [['b', 1]])])
    expect(shown()).toEqual(['b 1'])
  })

  test('no name and no tags take more than a series may', () => {
    const { values, leftOut, shown } = create()
    values.push([
      listWith({}, [
        ['x'.repeat(1025), 1],
        ['x'.repeat(1024), 2],
      ]),
      listWith({ t: 'y'.repeat(8192) }, [
        ['a', 1],
        ['b', 1],
      ]),
    ])
    expect(shown()).toEqual([`${'x'.repeat(1024)} 2`])
    expect(leftOut).toEqual({ too_long: 3 })
  })

  test('what cannot be read is counted', () => {
    const { values, leftOut, shown } = create()
    const list = listWith({}, [['a', 1]])
    values.push([{ ...list, datapoints: { ...list.datapoints, count: 5 } }])
    expect(shown()).toEqual(['a 1'])
    expect(leftOut).toEqual({ undecodable: 4 })
  })
})

describe('names that are the same once they are legal', () => {
  test('stay apart by the label original_name, the first without it', () => {
    const { values, collisions, page, shown } = create()
    values.push([
      listWith({ t: '1' }, [
        ['a.b', 1],
        ['a_b', 2],
        ['a-b', 3],
      ]),
      listWith({}, [['a_b', 4]]),
    ])
    expect(shown()).toEqual([
      'a_b t=1 1',
      'a_b t=1 original_name=a_b 2',
      'a_b original_name=a_b 4',
      'a_b t=1 original_name=a-b 3',
    ])
    expect(collisions).toEqual(['a_b', 'a-b'])
    expect(page()).toContain('# HELP a_b Newest value of a.b\n')
  })

  test('keep what they have when the first one has expired and comes back', async () => {
    const { clock, values, shown } = create()
    values.push([
      listWith({}, [
        ['a.b', 1],
        ['a_b', 2],
      ]),
    ])
    await clock.advance(4 * minuteMs)
    values.push([listWith({}, [['a_b', 3]])])
    await clock.advance(minuteMs)
    values.sweep()
    expect(shown()).toEqual(['a_b original_name=a_b 3'])
    values.push([
      listWith({}, [
        ['a-b', 4],
        ['a.b', 5],
      ]),
    ])
    expect(shown()).toEqual(['a_b original_name=a_b 3', 'a_b 4', 'a_b original_name=a.b 5'])
  })
})
