import zlib from 'node:zlib'
import kj from 'kafkajs'
import { registerKafkaCodecs, requireCompression } from '../../src/bus/kafka-codecs.js'
import { refusalOf } from '../../src/bus/kafka-errors.js'

const hasZstd = 'zstdCompressSync' in zlib

beforeAll(registerKafkaCodecs)

test.each(['gzip', 'snappy', ...(hasZstd ? (['zstd'] as const) : [])] as const)('%s there and back', async (name) => {
  const codec = kj.CompressionCodecs[requireCompression(name) as 1 | 2 | 3 | 4]()
  const text = Buffer.from('metric '.repeat(100))
  expect(await codec.decompress(await codec.compress({ buffer: text }))).toEqual(text)
})

test.each([
  'lz4',
  ...(hasZstd ? [] : (['zstd'] as const)),
] as const)('%s is refused at the start, naming the option', (name) => {
  expect(() => requireCompression(name)).toThrow(
    expect.objectContaining({
      code: 'DS_BUS_CODEC',
      exitCode: 78,
      message: expect.stringContaining('--kafka-compression'),
    }),
  )
})

test('a batch that cannot be unpacked ends the consumer instead of being fetched for ever', async () => {
  const codec = kj.CompressionCodecs[kj.CompressionTypes.Snappy]()
  const error = await codec.decompress(Buffer.from('no snappy')).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ name: 'KafkaJSNotImplemented', retriable: false })
  expect(refusalOf(error)).toMatchObject({ code: 'DS_BUS_CODEC', exitCode: 69 })
})

test('a message in a codec that is missing here tells its name and what to do', () => {
  expect(() => kj.CompressionCodecs[kj.CompressionTypes.LZ4]()).toThrow(/compressed with lz4.*let its producer use/)
})
