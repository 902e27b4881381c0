import { createBatcher } from '../../src/pipeline/batch.js'
import { createFakeClock } from '../support/fake-clock.js'
import { listOf } from '../support/scripted-sink.js'

function record(limits: Parameters<typeof createBatcher>[0]['limits'], keyOf?: (list: { topic: string }) => string) {
  const clock = createFakeClock()
  const left: string[] = []
  const joined: string[] = []
  const batcher = createBatcher<string>({
    limits,
    clock,
    ...(keyOf && { keyOf }),
    join: (owner) => joined.push(owner),
    leave: ({ key, lists, datapoints, owners }, trigger) =>
      left.push(`${key}:${lists.length} lists, ${datapoints} datapoints of ${[...owners].join('+')} by ${trigger}`),
  })
  return { clock, left, joined, batcher }
}

describe('createBatcher', () => {
  test('without limits every add leaves at once', () => {
    const { left, batcher } = record({})
    batcher.add([listOf(1), listOf(2)], 'a')
    expect(left).toEqual([':2 lists, 3 datapoints of a by drain'])
  })

  test.each([
    ['lists', { lists: 2 }, ':2 lists, 6 datapoints of a+b by lists'],
    ['datapoints', { datapoints: 5 }, ':2 lists, 6 datapoints of a+b by datapoints'],
    ['bytes', { bytes: 180 }, ':2 lists, 6 datapoints of a+b by bytes'],
  ])('a batch leaves when it has enough %s', (_what, limits, expected) => {
    const { left, batcher } = record(limits)
    batcher.add([listOf(3)], 'a')
    expect(left).toEqual([])
    batcher.add([listOf(3)], 'b')
    expect(left).toEqual([expected])
    expect(batcher.heldDatapoints()).toBe(0)
  })

  test('a batch leaves when its oldest list has waited long enough, however often lists are added', async () => {
    const { clock, left, batcher } = record({ datapoints: 100, ageMs: 1000 })
    batcher.add([listOf(1)], 'a')
    await clock.advance(900)
    batcher.add([listOf(1)], 'b')
    expect(batcher.heldDatapoints()).toBe(2)
    await clock.advance(100)
    expect(left).toEqual([':2 lists, 2 datapoints of a+b by age'])
    await clock.advance(5000)
    expect(left).toHaveLength(1)
  })

  test('lists of different keys never share a batch, and an owner joins each batch once', () => {
    const { left, joined, batcher } = record({ lists: 2 }, (list) => list.topic)
    batcher.add([listOf(1, 'x'), listOf(1, 'y'), listOf(1, 'x'), listOf(1, 'x')], 'a')
    expect(left).toEqual(['x:2 lists, 2 datapoints of a by lists'])
    batcher.flush()
    expect(left.slice(1).sort()).toEqual([
      'x:1 lists, 1 datapoints of a by drain',
      'y:1 lists, 1 datapoints of a by drain',
    ])
    expect(joined).toHaveLength(3)
  })
})
