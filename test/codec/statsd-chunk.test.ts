import { unpackLists } from '../../src/codec/list-packs.js'
import { StatsdChunk } from '../../src/codec/statsd-chunk.js'
import { defaultStatsdRules, StatsdCounts, StatsdPacketReader } from '../../src/codec/statsd-packet.js'
import { SectionMemory, StatsdSender } from '../../src/codec/statsd-sender.js'
import type { ContainerIdentity } from '../../src/model/agent-state.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { identity, readDatapoints, summary } from '../support/statsd-reading.js'

function createChunk({ limit = 100, memory = new SectionMemory() } = {}) {
  const taken: MetricList[][] = []
  const chunk = new StatsdChunk({ limit, onFull: () => taken.push(chunk.take()) })
  const reader = new StatsdPacketReader(chunk, new StatsdCounts(), defaultStatsdRules)
  return {
    chunk,
    take: () => unpackLists(chunk.take()),
    taken,
    sender: (owner?: ContainerIdentity) => new StatsdSender(owner, memory),
    read: (sender: StatsdSender, packet: string, timeMs = 1000) =>
      reader.read(Buffer.from(packet), timeMs, { sender, gauges: undefined, onRow: undefined }),
  }
}

test('datapoints with the same tag section share a list, untagged ones another, which comes first', () => {
  const { chunk, take, read, sender } = createChunk()
  read(sender(identity), 'a:1|c|#k:v\nb:2|c\nc:3|c|#k:w\nd:4|c|#k:v\ne:5|c\nf:6|c|#k:w')
  const lists = take()
  expect(
    lists.map(({ datapoints }) =>
      readDatapoints(datapoints)
        .map(({ name }) => name)
        .join(''),
    ),
  ).toEqual(['be', 'ad', 'cf'])
  expect(lists.map(({ topic }) => topic)).toEqual(['fw', 'fw', 'fw'])
  expect(lists[0]!.tags.map(({ key }) => key)).toEqual(['framework_id', 'executor_id', 'container_id'])
  expect(chunk.count).toBe(0)
  expect(chunk.take()).toEqual([])
})

test('lists are ordered by container, whoever spoke first; unknown ones come first', () => {
  const { chunk, read, sender } = createChunk()
  const [c2, c1, nobody] = [sender({ ...identity, containerId: 'c2' }), sender(identity), sender()]
  read(c2, 'c2a:1|c|#k:v')
  read(c1, 'c1a:1|c|#k:v')
  read(nobody, 'n:1|c')
  read(c2, 'c2b:1|c')
  read(c1, 'c1b:1|c')
  expect(summary(chunk.take()).map((point) => point.split(' ')[0])).toEqual(['n', 'c1b', 'c1a', 'c2b', 'c2a'])
})

test('a chunk is full at its limit exactly, also within a packet and within a row', () => {
  const { chunk, taken, read, sender } = createChunk({ limit: 3 })
  read(sender(), 'a:1|c\nb:1:2:3:4|d\nc:1|c')
  expect(taken.map((lists) => summary(lists))).toEqual([
    ['a 1', 'b 1', 'b 2'],
    ['b 3', 'b 4', 'c 1'],
  ])
  expect(chunk.count).toBe(0)
})

test('the tags of a section are the same array in every chunk', () => {
  const { take, read, sender } = createChunk()
  const c1 = sender(identity)
  const tagsOfChunks = [1, 2, 3].map(() => {
    read(c1, 'a:1|c|#k:v\nb:1|c|#k:w\nc:1|c')
    return take().map(({ tags }) => tags)
  })
  for (const position of [0, 1, 2]) {
    expect(tagsOfChunks[1]![position]).toBe(tagsOfChunks[0]![position])
    expect(tagsOfChunks[2]![position]).toBe(tagsOfChunks[0]![position])
  }
})

test('the bytes of a chunk stay as they are while the next one is written', () => {
  const { chunk, read, sender } = createChunk()
  const c1 = sender(identity)
  read(c1, 'first:1|c|#k:v')
  const first = chunk.take()
  read(c1, 'second:2|c|#k:v')
  chunk.take()
  expect(summary(first)[0]).toMatch(/^first 1 /)
})

test('a list grows as far as its datapoints need, with names of every length', () => {
  const { take, read, sender } = createChunk({ limit: Number.POSITIVE_INFINITY })
  const lengths = [0, 1, 63, 64, 127, 128, 1023, 1024]
  const c1 = sender()
  for (let round = 0; round < 50; round++) read(c1, lengths.map((length) => `${'n'.repeat(length)}:1|c`).join('\n'))
  const points = readDatapoints(take()[0]!.datapoints)
  expect(points.map(({ name }) => name.length)).toEqual(Array.from({ length: 50 }, () => lengths).flat())
})

test.each([
  ['plain lines', ':1|c'],
  ['other lines', ':1:1|c'],
])('%s: a chunk may be larger than what it is written in at first', (_what, rest) => {
  const { take, read, sender } = createChunk({ limit: Number.POSITIVE_INFINITY })
  const [c1, c2] = [sender(identity), sender({ ...identity, containerId: 'c2' })]
  const names: string[] = []
  for (let step = 0; step < 3000; step++) {
    names.push(`${step}.${'n'.repeat(500)}`)
    read(step % 3 === 0 ? c2 : c1, `${names[step]}${rest}|#k:${step % 2}\nshort:1|c`)
  }
  const lists = take()
  const namesOf = lists.map(({ datapoints }) => [...new Set(readDatapoints(datapoints).map(({ name }) => name))])
  const expected = (mod3: (rest: number) => boolean, mod2: number) =>
    names.filter((_, step) => mod3(step % 3) && step % 2 === mod2)
  const ofC1 = (each: number) => each !== 0
  const ofC2 = (each: number) => each === 0
  expect(namesOf[0]).toEqual(['short'])
  // In the order in which they were first used.
  expect(namesOf.slice(1, 3)).toEqual([expected(ofC1, 1), expected(ofC1, 0)])
  expect(namesOf[3]).toEqual(['short'])
  expect(namesOf.slice(4)).toEqual([expected(ofC2, 0), expected(ofC2, 1)])
  expect(lists.map(({ datapoints }) => datapoints.count)).toEqual(
    [2000, 1000, 1000, 1000, 500, 500].map((count, at) => (at % 3 === 0 || rest === ':1|c' ? count : 2 * count)),
  )
})

test('more lists in turn than it has room to note', () => {
  const { chunk, take, read, sender } = createChunk({ limit: Number.POSITIVE_INFINITY })
  const senders = Array.from({ length: 40 }, (_, i) => sender({ ...identity, containerId: String(i + 10) }))
  for (let step = 0; step < 20_000; step++) read(senders[step % 40]!, `n${step}:1|c`)
  const lists = take()
  expect(lists).toHaveLength(40)
  for (const [owner, { datapoints }] of lists.entries()) {
    expect(readDatapoints(datapoints).map(({ name }) => name)).toEqual(
      Array.from({ length: 500 }, (_, turn) => `n${turn * 40 + owner}`),
    )
  }
  read(senders[0]!, 'after:1|c')
  expect(summary(chunk.take())).toEqual([expect.stringMatching(/^after 1 /)])
})

test.each([0, 63, 64, 1_700_000_000_123, 8_640_000_000_000_000])('the time %d is kept', (timeMs) => {
  const { take, read, sender } = createChunk()
  read(sender(), 'a:1|c', timeMs)
  expect(readDatapoints(take()[0]!.datapoints)[0]!.timeMs).toBe(timeMs)
})

test('sections that follow each other in any order are told apart', () => {
  const { chunk, take, read, sender } = createChunk()
  const c1 = sender()
  const keys = ['k', 'kk', 'k:v', 'k:v2', 'k:v,l', 'k:', '']
  let randomState = 1
  for (let round = 0; round < 2000; round++) {
    randomState = (randomState * 48_271) % 2_147_483_647
    const key = keys[randomState % keys.length]!
    read(c1, `${key.replaceAll(':', '=')}:1|c|#${key}`)
    if (chunk.count === 0) continue
  }
  for (const list of take()) {
    const tagText = list.tags.map(({ key, value }) => (value === '' ? key : `${key}=${value}`)).join(',')
    for (const { name } of readDatapoints(list.datapoints)) expect(name.replace(/=$/, '')).toBe(tagText)
  }
})

test('an explosion of tag values is forgotten, not kept, and nothing is mixed up', () => {
  const memory = new SectionMemory(10)
  const { taken, chunk, read, sender } = createChunk({ memory, limit: 7 })
  const [c1, c2] = [sender(identity), sender({ ...identity, containerId: 'c2' })]
  for (let id = 0; id < 1000; id++) {
    read(id % 3 === 0 ? c2 : c1, `n${id % 17}:${id}|c|#id:${id % 17}\nn:${id}|g|#fixed:1`)
  }
  taken.push(chunk.take())
  const points = taken.flatMap(summary)
  expect(points).toHaveLength(2000)
  for (const point of points) expect(point).toMatch(/^(n(\d+) .* id=\2|n \d+ .* fixed=1)$/)
})

test('lists that were given back are written over by later ones; those that were not stay as they are', () => {
  const { chunk, read, sender } = createChunk()
  const speaker = sender(identity)
  const kept: string[][] = []
  const keptLists: MetricList[][] = []
  for (let step = 0; step < 3000; step++) {
    read(speaker, `name.of.a.metric.${step}:${step}|c\nother.${step}:1|c|#k:v`)
    const lists = chunk.take()
    if (step % 100 !== 0) chunk.release(lists)
    else {
      keptLists.push(lists)
      kept.push(summary(lists))
    }
  }
  expect(keptLists.map((lists) => summary(lists))).toEqual(kept)
  expect(kept[7]!.map((point) => point.split(' ')[0])).toEqual(['name.of.a.metric.700', 'other.700'])
})
