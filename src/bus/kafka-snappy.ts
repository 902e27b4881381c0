import { compress, uncompress } from 'snappy'

/**
 * Snappy as Kafka's producers write it. Java clients (snappy-java, "xerial") wrap raw snappy blocks in a stream:
 *
 *     82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version, int32 | oldest compatible version, int32 | { length, int32 | block }*
 *
 * all big-endian; a second header may stand where a block's length is expected. librdkafka and others write one bare
 * block instead. Both are read here; one bare block is written, which every client reads.
 *
 * @see org.xerial.snappy.SnappyOutputStream, SnappyInputStream and SnappyCodec
 */
export const kafkaSnappyCodec = {
  compress: (encoder: { readonly buffer: Buffer }): Promise<Buffer> => compress(encoder.buffer),
  decompress: (bytes: Buffer): Promise<Buffer> =>
    hasXerialHeader(bytes, 0) ? uncompressXerial(bytes) : inflate(bytes),
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const xerialHeaderBytes = 16

/** Far above any batch that Kafka takes; a length that is a lie must not be allocated. */
export const maxInflatedBytes = 256 * 1024 * 1024

function hasXerialHeader(bytes: Buffer, at: number): boolean {
  return bytes.length >= at + xerialHeaderBytes && bytes.compare(xerialMagic, 0, 8, at, at + 8) === 0
}

async function uncompressXerial(bytes: Buffer): Promise<Buffer> {
  const blocks: Buffer[] = []
  let at = xerialHeaderBytes
  while (at < bytes.length) {
    if (hasXerialHeader(bytes, at)) {
      at += xerialHeaderBytes
      continue
    }
    const end = blockEnd(bytes, at)
    blocks.push(await inflate(bytes.subarray(at + 4, end)))
    at = end
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks)
}

function blockEnd(bytes: Buffer, at: number): number {
  const length = bytes.length >= at + 4 ? bytes.readInt32BE(at) : -1
  if (length >= 0 && at + 4 + length <= bytes.length) return at + 4 + length
  throw new Error(`snappy: a block of ${length} bytes does not fit into the ${bytes.length - at} bytes that are left`)
}

async function inflate(block: Buffer): Promise<Buffer> {
  const length = inflatedLength(block)
  if (length > maxInflatedBytes) throw new Error(`snappy: a block of ${length} bytes, more than ${maxInflatedBytes}`)
  return (await uncompress(block, { asBuffer: true })) as Buffer
}

// A block begins with the length of its content as a varint.
function inflatedLength(block: Buffer): number {
  let length = 0
  for (let at = 0; at < 5 && at < block.length; at++) {
    length += (block[at]! & 0x7f) * 2 ** (7 * at)
    if (block[at]! < 0x80) break
  }
  return length
}
