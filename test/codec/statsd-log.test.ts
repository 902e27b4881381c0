import { KeptRoom } from '../../src/codec/kept-bytes.js'
import { unpackLists } from '../../src/codec/list-packs.js'
import { DatapointLog } from '../../src/codec/statsd-log.js'
import { layout, StatsdMemory } from '../../src/codec/statsd-memory.js'
import { OpenList } from '../../src/codec/statsd-open-list.js'
import { Slabs } from '../../src/codec/statsd-slabs.js'
import { ListPack } from '../../src/model/list-pack.js'
import { readDatapoints } from '../support/statsd-reading.js'

function openList(id: string): OpenList {
  return new OpenList('topic', [{ key: 'id', value: id.repeat(50) }])
}

/** Writes one datapoint of each list, named after it. @returns whether they came as a pack, and what each list holds */
function takeOneOfEach(log: DatapointLog, lists: readonly OpenList[], slabs: Slabs) {
  for (const list of lists) {
    const name = new DataView(new ArrayBuffer(8))
    name.setUint8(0, list.tags[0]!.value.charCodeAt(0))
    log.write(list, name, 0, 1, 1)
  }
  const taken = log.take(lists, slabs)
  const read = unpackLists(taken).map(({ tags, datapoints }) => [
    tags[0]!.value[0],
    readDatapoints(datapoints)[0]!.name,
  ])
  return { isPack: taken[0] instanceof ListPack, read }
}

test('where what stands in front of lists has no room they are taken one by one; some time later it has', () => {
  const log = new DatapointLog(new StatsdMemory(), new KeptRoom(layout.heads.at, 200, 3))
  const slabs = new Slabs()
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(openList) as [OpenList, OpenList, OpenList, OpenList]
  log.time.set(1000)
  const packs = [[a, b], [c], [d], [d], [a, b, d], [a, b, d]].map((lists) => {
    const { isPack, read } = takeOneOfEach(log, lists, slabs)
    // However they come, each has what was written to it.
    expect(read).toEqual(lists.map(({ tags }) => [tags[0]!.value[0], tags[0]!.value[0]]))
    return isPack
  })
  expect(packs).toEqual([true, true, false, false, false, true])
})
