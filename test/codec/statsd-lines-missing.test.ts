import { readPackets, summary } from '../support/statsd-reading.js'

/** As with `node --jitless`: it is asked for when a chunk is made. */
Object.defineProperty(globalThis, 'WebAssembly', { value: undefined })

test('without WebAssembly every line is read by JavaScript', () => {
  const packets = ['a:1|c|#k:v\nb:2|c\nc:3|c|#k:w\nd:4|c|#k:v\ne:5|c|@0.5', 'f:6|g|#k:w']
  const { lists, counts } = readPackets(packets, { rowByRow: false })
  expect(summary(lists)).toEqual(['b 2', 'e 10', 'a 1 k=v', 'd 4 k=v', 'c 3 k=w', 'f 6 k=w'])
  expect(counts).toMatchObject({ rows: 6, received: 6 })
})
