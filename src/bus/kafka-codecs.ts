import { promisify } from 'node:util'
import zlib from 'node:zlib'
import kj from 'kafkajs'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import type { KafkaCompression } from './kafka-options.js'
import { kafkaSnappyCodec, maxInflatedBytes } from './kafka-snappy.js'

const gzip = promisify(zlib.gzip)
const gunzip = promisify(zlib.gunzip)

const types = {
  none: kj.CompressionTypes.None,
  gzip: kj.CompressionTypes.GZIP,
  snappy: kj.CompressionTypes.Snappy,
  lz4: kj.CompressionTypes.LZ4,
  zstd: kj.CompressionTypes.ZSTD,
} as const

/** What kafkajs calls an error that ends its consumer at once; others it repeats for ever, and the same bytes stay the same. */
export const unreadableName = 'KafkaJSNotImplemented'

/**
 * Registers every codec that can be had, for the whole process, because kafkajs asks for a codec while it decodes:
 * what is missing by then ends the consumer.
 */
export function registerKafkaCodecs(): void {
  offer('gzip', {
    compress: ({ buffer }) => gzip(buffer),
    decompress: (bytes) => gunzip(bytes, { maxOutputLength: maxInflatedBytes }),
  })
  offer('snappy', kafkaSnappyCodec)
  if (zstdCodec !== undefined) offer('zstd', zstdCodec)
  else refuse('zstd', 'run this on Node 22.15 or later, or let its producer use snappy or gzip')
  refuse('lz4', 'let its producer use snappy, gzip or zstd')
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

type ZstdSync = (bytes: Buffer, options?: zlib.ZlibOptions) => Buffer
const zstdCodec = findZstd()

// node:zlib has zstd from 22.15 and 23.8 on; the types of Node 20 do not know it.
function findZstd() {
  const { zstdCompressSync, zstdDecompressSync } = zlib as unknown as Record<string, ZstdSync>
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined
  return {
    compress: async (encoder: { readonly buffer: Buffer }) => zstdCompressSync(encoder.buffer),
    decompress: async (bytes: Buffer) => zstdDecompressSync(bytes, { maxOutputLength: maxInflatedBytes }),
  }
}

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

function offer(name: Exclude<keyof typeof types, 'none'>, { compress, decompress }: Codec): void {
  const codec: Codec = {
    compress,
    decompress: (bytes) =>
      decompress(bytes).catch((cause: unknown) => {
        throw unreadable(`a batch compressed with ${name} cannot be unpacked: ${messageOf(cause)}`)
      }),
  }
  kj.CompressionCodecs[types[name]] = () => codec
}

function refuse(name: Exclude<keyof typeof types, 'none'>, advice: string): void {
  kj.CompressionCodecs[types[name]] = () => {
    throw unreadable(`a message is compressed with ${name}, which cannot be read here; ${advice}`)
  }
}

function unreadable(message: string): Error {
  return Object.assign(new Error(message), { name: unreadableName, retriable: false })
}
