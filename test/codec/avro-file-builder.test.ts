import { ContainerFileBuilder } from '../../src/codec/avro-file-builder.js'
import { decodeContainerFile, encodeHead } from '../../src/codec/avro-ocf.js'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { seededRandom } from '../../src/platform/random.js'
import { toPlain } from '../support/avro-streams.js'

function listOf(count: number, name = 'metric'): MetricList {
  const points = Array.from({ length: count }, (_, at) => ({
    name: `${name}.${at}`,
    timeMs: 1_700_000_000_000,
    value: at,
  }))
  return { topic: 'topic', tags: [{ key: 'container_id', value: name }], datapoints: encodeDatapoints(points) }
}

function listsOf(file: Uint8Array) {
  const { lists, fault } = decodeContainerFile(file)
  expect(fault).toBeUndefined()
  return lists.map(toPlain)
}

function build(lists: readonly MetricList[], options: ConstructorParameters<typeof ContainerFileBuilder>[0] = {}) {
  const builder = new ContainerFileBuilder(options)
  for (const list of lists) builder.add(encodeHead(list), list.datapoints)
  return builder
}

describe('a file that was made list by list', () => {
  test.each([
    ['without lists', []],
    ['with an empty list', [listOf(0)]],
    ['with one datapoint', [listOf(1)]],
    ['with lists of which counts and sizes take one to three bytes', [listOf(1), listOf(70), listOf(9000)]],
    ['with as many lists as take three bytes to count', Array.from({ length: 9000 }, () => listOf(1))],
  ])('%s has what was added, in its order', (_what, lists) => {
    const builder = build(lists)
    const file = builder.finish()
    expect(listsOf(file)).toEqual(lists.map(toPlain))
    expect(file.length).toBeLessThanOrEqual(builder.byteLength)
    expect([builder.lists, builder.datapoints]).toEqual([
      lists.length,
      lists.reduce((sum, { datapoints }) => sum + datapoints.count, 0),
    ])
  })

  test('grows beyond what was expected, and leaves the room in front of it alone', () => {
    const random = seededRandom(11)
    const lists = Array.from({ length: 200 }, (_, at) => listOf(Math.floor(random() * 40), `n${at}`))
    const file = build(lists, { headroom: 100, expectedBytes: 10 }).finish()
    expect(file.byteOffset).toBeGreaterThanOrEqual(100)
    Buffer.from(file.buffer, file.byteOffset - 100, 100).fill(0xff)
    expect(listsOf(file)).toEqual(lists.map(toPlain))
  })

  test('is no larger than its lists were said to be', () => {
    const lists = [listOf(3), listOf(100)]
    const most = lists.reduce((sum, list) => sum + ContainerFileBuilder.sizeOf(encodeHead(list), list.datapoints), 0)
    expect(build(lists).finish().length).toBeLessThanOrEqual(ContainerFileBuilder.emptyBytes + most)
  })

  test('gives its memory to the next one when it is released, not before', () => {
    const one = build([listOf(5, 'one')])
    const file = one.finish()
    const two = build([listOf(5, 'two')]).finish()
    expect(listsOf(file)).toEqual([toPlain(listOf(5, 'one'))])
    one.release()
    const three = build([listOf(5, 'three')]).finish()
    expect(three.buffer).toBe(file.buffer)
    expect(listsOf(two)).toEqual([toPlain(listOf(5, 'two'))])
  })
})
