import fc from 'fast-check'
import { countPacketDatapoints } from '../../src/codec/statsd-line.js'
import { countDatapoints } from '../../src/model/metric-list.js'
import { identity, readDatapoints, readPackets } from '../support/statsd-reading.js'

const seed = 8125

/** Rows built from pieces that mean something, so that random packets reach every branch. */
const piece = fc.constantFrom(
  'name',
  'a.b',
  ':',
  '::',
  '|',
  '||',
  '|c',
  '|g',
  '|ms',
  '|zz',
  '|@0.5',
  '|@',
  '|@9',
  '|#',
  '|#k:v',
  '|#k',
  '|#,:,x:',
  '|#container_id:x',
  '|T1656581400',
  '|T',
  '|c:abc',
  '|card:low',
  '\n',
  '\n',
  '\r\n',
  '\r',
  '1',
  '-2.5',
  '+3',
  '1e3',
  '1e400',
  'x',
  ' ',
  '_e{1,1}:a|b',
  '_sc|a|0',
  'ü',
  '\ufffd',
)
const meaningful = fc.array(piece, { maxLength: 40 }).map((pieces) => Buffer.from(pieces.join('')))
const arbitrary = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
const packets = fc.array(fc.oneof(meaningful, arbitrary), { minLength: 1, maxLength: 6 })
const options = fc.record({
  rules: fc.record({
    malformed: fc.constantFrom('zero', 'drop'),
    rateScaling: fc.constantFrom('counters', 'all'),
    nameLimitBytes: fc.constantFrom(3, 1024),
    tagLimitBytes: fc.constantFrom(4, 8192),
  }),
  owner: fc.constantFrom(undefined, identity),
  gaugeDeltas: fc.boolean(),
})

test(`any bytes: no exception, every datapoint accounted for, every list readable (seed ${seed})`, () => {
  fc.assert(
    fc.property(packets, options, (bytes, { owner, ...others }) => {
      const { lists, counts } = readPackets(bytes, owner ? { ...others, owner } : others)
      const read = lists.flatMap(({ datapoints }) => readDatapoints(datapoints))
      expect(read).toHaveLength(countDatapoints(lists))
      expect(counts.received).toBe(read.length + counts.malformed + counts.notAMetric + counts.tooLarge)
      expect(counts.received).toBe(bytes.reduce((sum, packet) => sum + countPacketDatapoints(packet), 0))
      for (const { value } of read) expect(value).not.toBeNaN()
    }),
    { seed, numRuns: 8_000 },
  )
})

test(`rows that are read sixteen bytes at a time become what they do one by one (seed ${seed})`, () => {
  fc.assert(
    fc.property(packets, options, (bytes, { owner, ...others }) => {
      const settings = owner ? { ...others, owner } : others
      const { lists, counts } = readPackets(bytes, { ...settings, rowByRow: false })
      const oneByOne = readPackets(bytes, settings)
      expect(lists).toEqual(oneByOne.lists)
      expect(counts).toEqual(oneByOne.counts)
    }),
    { seed, numRuns: 8_000 },
  )
})

test(`how rows are packed into packets changes nothing (seed ${seed})`, () => {
  fc.assert(
    fc.property(packets, (bytes) => {
      const together = readPackets([Buffer.concat(bytes.flatMap((packet) => [packet, Buffer.from('\n')]))])
      const apart = readPackets(bytes)
      expect(together.lists).toEqual(apart.lists)
      expect(together.counts).toEqual(apart.counts)
      expect(together.rows).toEqual(apart.rows)
    }),
    { seed, numRuns: 2_000 },
  )
})
