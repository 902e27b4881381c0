import zlib from 'node:zlib'
import kj from 'kafkajs'
import { ExitCode, StatsError } from '../platform/errors.js'
import type { KafkaCompression } from './kafka-options.js'
import { kafkaSnappyCodec } from './kafka-snappy.js'

const types = {
  none: kj.CompressionTypes.None,
  gzip: kj.CompressionTypes.GZIP,
  snappy: kj.CompressionTypes.Snappy,
  lz4: kj.CompressionTypes.LZ4,
  zstd: kj.CompressionTypes.ZSTD,
} as const

/** `CodecMissing` is what an error is called that kafkajs must not repeat; see `kafka-errors.ts`. */
export const codecMissingName = 'KafkaJSNotImplemented'

/**
 * Registers every codec that can be had, for the whole process, because kafkajs asks for a codec while it decodes:
 * what is missing by then ends the consumer.
 */
export function registerKafkaCodecs(): void {
  kj.CompressionCodecs[types.snappy] = () => kafkaSnappyCodec
  kj.CompressionCodecs[types.zstd] = zstdCodec ? () => zstdCodec : () => fail('zstd', 'Node 22.15 and later have it')
  kj.CompressionCodecs[types.lz4] = () => fail('lz4', 'let its producer use snappy, gzip or zstd')
}

/**
 * The codec's number in kafkajs.
 *
 * @throws StatsError DS_BUS_CODEC with exit code 78 where this Node has no such codec
 */
export function requireCompression(compression: KafkaCompression): number {
  if (compression === 'lz4' || (compression === 'zstd' && zstdCodec === undefined)) {
    const have = zstdCodec === undefined ? 'snappy, gzip or none' : 'snappy, gzip, zstd or none'
    const message = `Kafka: ${compression} cannot be written here; give --kafka-compression ${have}.`
    throw new StatsError('DS_BUS_CODEC', message, { exitCode: ExitCode.config })
  }
  return types[compression]
}

const zstdCodec = findZstd()

// node:zlib has zstd from 22.15 and 23.8 on; the types of Node 20 do not know it.
function findZstd() {
  const { zstdCompressSync, zstdDecompressSync } = zlib as unknown as Record<string, (bytes: Buffer) => Buffer>
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined
  return {
    compress: async (encoder: { readonly buffer: Buffer }) => zstdCompressSync(encoder.buffer),
    decompress: async (bytes: Buffer) => zstdDecompressSync(bytes),
  }
}

function fail(codec: string, advice: string): never {
  const error = new Error(`a message is compressed with ${codec}, which cannot be read here; ${advice}`)
  throw Object.assign(error, { name: codecMissingName, retriable: false })
}
