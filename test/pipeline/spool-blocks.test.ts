import { defaultOcfLimits } from '../../src/codec/avro-ocf.js'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { decodeEntry, encodeParcel } from '../../src/pipeline/spool-blocks.js'
import { toPlain } from '../support/avro-streams.js'

const datapoints = encodeDatapoints([
  { name: 'a', timeMs: 1, value: 1 },
  { name: 'b', timeMs: 2, value: 2 },
])
const list: MetricList = { topic: 't', tags: [{ key: 'k', value: 'v' }], datapoints }

function parcelOf(lists: MetricList[]) {
  return { lists, datapoints: lists.length * 2, weight: 7 }
}

test('lists come back as they went, also more than a sender may put into a block', () => {
  const lists = [list, ...Array.from({ length: defaultOcfLimits.blockLists }, () => ({ ...list, topic: '', tags: [] }))]
  const entry = encodeParcel(parcelOf(lists))
  expect(entry).toMatchObject({ datapoints: lists.length * 2, weight: 7 })
  const read = decodeEntry(entry, entry.bytes)
  expect(read).toMatchObject({ missing: 0, cause: undefined })
  expect(read.lists).toHaveLength(lists.length)
  expect(read.lists.slice(0, 1).map(toPlain)).toEqual([toPlain(list)])
})

describe('an entry that is damaged tells what is missing, and why', () => {
  const { bytes } = encodeParcel(parcelOf([list, list]))
  const changed = Buffer.from(bytes)
  // The marker behind the block: the block itself is whole.
  changed[changed.length - 1]! ^= 1

  test.each<[what: string, bytes: Uint8Array | undefined, missing: number, cause: RegExp]>([
    ['not there', undefined, 4, /^./],
    ['no container file', Buffer.from('no container file'), 4, /^./],
    ['cut off', bytes.subarray(0, -20), 4, /ends inside/],
    ['with a wrong end', changed, 0, /wrong sync marker/],
  ])('%s', (_what, damaged, missing, cause) => {
    expect(decodeEntry({ datapoints: 4 }, damaged)).toMatchObject({ missing, cause: expect.stringMatching(cause) })
  })
})
