import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { StatsdChunk } from '../../src/codec/statsd-chunk.js'
import { defaultStatsdRules, StatsdCounts, StatsdPacketReader } from '../../src/codec/statsd-packet.js'
import { SectionMemory, StatsdSender } from '../../src/codec/statsd-sender.js'
import { ListPack } from '../../src/model/list-pack.js'
import type { MetricList, Tag } from '../../src/model/metric-list.js'
import { createStreamWatch } from '../../src/pipeline/stream-watch.js'
import { seededRandom } from '../../src/platform/random.js'
import { createFakeClock } from '../support/fake-clock.js'
import { identity } from '../support/statsd-reading.js'

const c1: readonly Tag[] = [
  { key: 'framework_id', value: 'fw1' },
  { key: 'executor_id', value: 'ex1' },
  { key: 'container_id', value: 'c1' },
]

function list(names: readonly string[], tags: readonly Tag[] = c1, topic = 'fw1'): MetricList {
  const points = names.map((name) => ({ name, timeMs: 1_700_000_000_000, value: 1 }))
  return { topic, tags, datapoints: encodeDatapoints(points) }
}

function setUp() {
  const clock = createFakeClock()
  const watch = createStreamWatch({ clock, random: seededRandom(3) })
  return { clock, watch, rows: () => ({ containers: [...watch.containers()], names: [...watch.names()] }) }
}

test('while nobody looks lists go through as they are and nothing is kept', () => {
  const { watch, rows } = setUp()
  const lists = [list(['a'])]
  expect(watch.stage(lists)).toBe(lists)
  expect(rows()).toEqual({ containers: [], names: [] })
})

test('containers by their tags, names by what is in the lists, both a second', () => {
  const { clock, watch, rows } = setUp()
  watch.start()
  const sent = list(['web.requests', 'web.requests', 'web.sessions'])
  watch.stage([sent, list(['mem'], [], 'agent')])
  watch.tick(1)
  const { containers, names } = rows()
  expect(containers).toEqual([
    {
      id: 'c1',
      name: 'ex1',
      framework: 'fw1',
      frameworkId: 'fw1',
      rate: 3,
      byteRate: sent.datapoints.bytes.length,
      lastMs: clock.nowMs(),
    },
    expect.objectContaining({ id: '(topic agent)', frameworkId: '', rate: 1 }),
  ])
  expect(names.map(({ id, rate }) => [id, rate])).toEqual([
    ['web.requests', 2],
    ['web.sessions', 1],
    ['mem', 1],
  ])
  const bytesOfNames = names.slice(0, 2).reduce((sum, { byteRate }) => sum + byteRate, 0)
  expect(bytesOfNames).toBe(sent.datapoints.bytes.length)
})

test('lists that travel as a pack are seen as well', () => {
  const { watch, rows } = setUp()
  watch.start()
  const chunk = new StatsdChunk({ limit: Number.POSITIVE_INFINITY, onFull() {} })
  const reader = new StatsdPacketReader(chunk, new StatsdCounts(), defaultStatsdRules)
  const sender = new StatsdSender(identity, new SectionMemory())
  reader.read(Buffer.from('a:1|c\na:2|c\nb:1|c|#k:v'), 1000, { sender, gauges: undefined, onRow: undefined })
  const lists = chunk.take()
  expect(lists[0]).toBeInstanceOf(ListPack)
  expect(watch.stage(lists)).toBe(lists)
  watch.tick(1)
  const { containers, names } = rows()
  expect(containers.map(({ id, rate }) => [id, rate])).toEqual([['c1', 3]])
  expect(names.map(({ id, rate }) => [id, rate])).toEqual([
    ['a', 2],
    ['b', 1],
  ])
})

test('names of the collector and the agent are those of the tags', () => {
  const { watch, rows } = setUp()
  watch.start()
  const tags = [...c1, { key: 'framework_name', value: 'marathon' }, { key: 'application_name', value: 'shop/web' }]
  watch.stage([list(['a'], tags)])
  expect(rows().containers).toEqual([expect.objectContaining({ framework: 'marathon', name: 'shop/web' })])
})

test('of a flood only some names are read, and their figures stand for all of it (seed 3)', () => {
  const { watch, rows } = setUp()
  watch.start()
  const flood = list([...new Array(75).fill('often'), ...new Array(25).fill('seldom')])
  for (let second = 0; second < 20; second++) {
    for (let i = 0; i < 1000; i++) watch.stage([flood])
    watch.tick(1)
  }
  const [often, seldom] = rows().names
  expect(often?.rate).toBeCloseTo(75_000, 0)
  expect(seldom?.rate).toBeCloseTo(25_000, 0)
  expect(rows().containers[0]?.rate).toBeCloseTo(100_000, 0)
})

test('names that are made up without end cost neither memory nor those that matter', () => {
  const { watch, rows } = setUp()
  watch.start()
  let made = 0
  for (let second = 0; second < 5; second++) {
    for (let i = 0; i < 100; i++) {
      watch.stage([list(['busy', 'busy', 'busy', ...Array.from({ length: 50 }, () => `made.up.${made++}`)])])
    }
    watch.tick(1)
  }
  const { names } = rows()
  expect(names.length).toBeLessThanOrEqual(1000)
  expect(names.find(({ id }) => id === 'busy')?.rate).toBeCloseTo(300, 0)
})

test('when nobody looks any more everything is forgotten', () => {
  const { watch, rows } = setUp()
  watch.start()
  watch.stage([list(['a'])])
  watch.stop()
  watch.stage([list(['b'])])
  expect(rows()).toEqual({ containers: [], names: [] })
})
