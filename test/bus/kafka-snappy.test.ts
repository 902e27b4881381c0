import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { uncompress } from 'snappy'
import { kafkaSnappyCodec } from '../../src/bus/kafka-snappy.js'

// Written by snappy-java 1.1.10.7, as Kafka's own producer does.
const fixtures = fileURLToPath(new URL('../fixtures/kafka-snappy', import.meta.url))
const xerialHeader = Buffer.from('82534e41505059000000000100000001', 'hex')

test.each(readdirSync(fixtures))('snappy of a Java client: %s', async (name) => {
  const input = await readFile(`${fixtures}/${name}/input.snappy`)
  const expected = await readFile(`${fixtures}/${name}/expected.txt`)
  expect((await kafkaSnappyCodec.decompress(input)).equals(expected)).toBe(true)
})

test('what is written is one bare block, which comes back', async () => {
  const text = Buffer.from('dcos.metrics.cpu 0.25\n'.repeat(1_000))
  const bytes = await kafkaSnappyCodec.compress({ buffer: text })
  expect(await uncompress(bytes)).toEqual(text)
  expect((await kafkaSnappyCodec.decompress(bytes)).equals(text)).toBe(true)
})

test.each([
  ['a block that is cut off', Buffer.concat([xerialHeader, Buffer.from([0, 0, 0, 9, 1, 2])]), /block of 9 bytes/],
  [
    'a block with a negative length',
    Buffer.concat([xerialHeader, Buffer.from([255, 255, 255, 255])]),
    /block of -1 bytes/,
  ],
  ['half a length', Buffer.concat([xerialHeader, Buffer.from([0, 0])]), /does not fit/],
  ['bytes that are no snappy', Buffer.from('hello, world'), /./],
  ['nothing at all', Buffer.alloc(0), /./],
  [
    'a block that claims to hold 4 GB',
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
    /block of 4294967295 bytes, more than/,
  ],
])('%s is an error, not a crash', async (_what, bytes, expected) => {
  await expect(kafkaSnappyCodec.decompress(bytes)).rejects.toThrow(expected)
})
