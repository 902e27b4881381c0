import { createGraphiteLines, createGraphiteNames } from '../../src/codec/graphite-line.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { createPieceWriter } from '../../src/outputs/rendering.js'
import { listOf, point } from '../support/sink-contract.js'

const encode = createGraphiteLines(createGraphiteNames({ prefix: '', prefixIds: false, tags: false }))
const longName = 'n'.repeat(1000)

/** One line of about 1 KB each. */
function listsOf(count: number): MetricList[] {
  return Array.from({ length: count }, (_, at) => listOf([point(longName, at)]))
}

function valuesIn(pieces: readonly string[]): number[] {
  return pieces.flatMap((piece) =>
    piece
      .split('\n')
      .slice(0, -1)
      .map((line) => Number(line.split(' ')[1])),
  )
}

test('pieces hold whole lists, in order, and together all of them', async () => {
  const write = createPieceWriter<Error>(encode)
  for (const count of [1, 500, 3]) {
    const pieces: string[] = []
    const { counts, fault } = await write(listsOf(count), async (piece) => {
      pieces.push(piece.toString())
      return undefined
    })
    expect(fault).toBeUndefined()
    expect(counts.datapoints).toBe(count)
    expect(valuesIn(pieces)).toEqual(Array.from({ length: count }, (_, at) => at))
    expect(pieces.length).toBe(count === 500 ? 4 : 1)
  }
})

test.each<[string, MetricList[]]>([
  ['no lists', []],
  ['lists without datapoints', [listOf([]), listOf([])]],
  ['datapoints that have no line', [listOf([point('a', Number.NaN)])]],
])('%s: nothing is written', async (_what, lists) => {
  const { counts } = await createPieceWriter<Error>(encode)(lists, async () => {
    throw new Error('written')
  })
  expect(counts.datapoints).toBe(0)
})

test('a fault ends it, and the piece that failed stays what it was', async () => {
  const write = createPieceWriter<Error>(encode)
  const fault = new Error('gone')
  const pieces: Buffer[] = []
  const result = await write(listsOf(500), async (piece) => {
    pieces.push(piece)
    return pieces.length === 2 ? fault : undefined
  })
  expect(result.fault).toBe(fault)
  expect(pieces).toHaveLength(2)
  const failed = pieces[1]?.toString()
  await write(listsOf(500), async () => undefined)
  expect(pieces[1]?.toString()).toBe(failed)
})
