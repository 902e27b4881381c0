import { StatsError } from '../platform/errors.js'
import { headerSchemaJson, planReading, type ReadingPlan } from './avro-schema.js'
import { longSize, writeLong } from './varint.js'

/** How the bytes of a block are packed. */
export type OcfCodec = 'null' | 'deflate'

/** What a container file says of itself before its first block. */
export interface OcfHeader {
  readonly codec: OcfCodec
  readonly plan: ReadingPlan
  /** Sixteen bytes that stand behind every block. */
  readonly syncMarker: Uint8Array
  /** How many bytes the header takes. */
  readonly byteLength: number
}

export const syncMarkerBytes = 16

const magic = Buffer.from('Obj\x01', 'latin1')

const encodedMaps: Record<OcfCodec, Buffer> = { null: encodeMap('null'), deflate: encodeMap('deflate') }

/**
 * The header of a container file of `dcos.metrics.MetricList`. The codec is always written out, for readers that
 * do not know that a missing one means null.
 *
 * @param syncMarker sixteen bytes; those of the blocks that follow have to be the same
 * @see Avro 1.11 specification, "Object Container Files"
 */
export function encodeOcfHeader(syncMarker: Uint8Array, codec: OcfCodec = 'null'): Buffer {
  const header = Buffer.allocUnsafe(ocfHeaderLength(codec))
  writeOcfHeader(header, 0, syncMarker, codec)
  return header
}

/** How many bytes `writeOcfHeader` takes. */
export function ocfHeaderLength(codec: OcfCodec): number {
  return encodedMaps[codec].length + syncMarkerBytes
}

/** Writes what `encodeOcfHeader` gives at `pos`; the caller has made room. */
export function writeOcfHeader(bytes: Uint8Array, pos: number, syncMarker: Uint8Array, codec: OcfCodec): void {
  bytes.set(encodedMaps[codec], pos)
  bytes.set(syncMarker, pos + encodedMaps[codec].length)
}

function encodeMap(codec: OcfCodec): Buffer {
  const parts = [magic, encodeLong(2)]
  for (const text of ['avro.codec', codec, 'avro.schema', headerSchemaJson]) {
    parts.push(encodeLong(Buffer.byteLength(text)), Buffer.from(text))
  }
  return Buffer.concat([...parts, encodeLong(0)])
}

function encodeLong(n: number): Buffer {
  const bytes = Buffer.alloc(longSize(n))
  writeLong(bytes, 0, n)
  return bytes
}

/**
 * Reads a header that arrives in pieces. It goes on where it stopped, so that a header that comes byte by byte
 * costs no more than one that comes at once.
 */
export class OcfHeaderParser {
  readonly #limitBytes: number
  readonly #entries = new Map<string, Buffer>()
  #pos = 0
  #entriesLeft = 0
  #stage: 'magic' | 'block' | 'entries' | 'sync' = 'magic'

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  /**
   * @param bytes everything that has come so far, from the stream's first byte on
   * @returns undefined while there is more to come
   * @throws StatsError where this is no header that we can read
   */
  parse(bytes: Uint8Array): OcfHeader | undefined {
    while (this.#stage !== 'sync') if (!this.#step(bytes)) return this.#waitForMore(bytes)
    const byteLength = this.#pos + syncMarkerBytes
    if (byteLength > this.#limitBytes) throw headerTooLong(this.#limitBytes)
    if (bytes.length < byteLength) return undefined
    return { ...this.#meaning(), syncMarker: bytes.slice(this.#pos, byteLength), byteLength }
  }

  /** Why these bytes, the whole of a stream that has ended, are no header. */
  static describeEnd(bytes: Uint8Array): StatsError {
    if (bytes.length === 0) return new StatsError('DS_AVRO_TRUNCATED', 'There is nothing: not even an Avro header.')
    if (!startsLikeMagic(bytes)) return notAvro(bytes)
    return new StatsError('DS_AVRO_TRUNCATED', `The stream ends inside its Avro header, after ${bytes.length} bytes.`)
  }

  #waitForMore(bytes: Uint8Array): undefined {
    if (bytes.length > this.#limitBytes) throw headerTooLong(this.#limitBytes)
  }

  /** Takes one item; false where it has not come yet. */
  #step(bytes: Uint8Array): boolean {
    switch (this.#stage) {
      case 'magic':
        return this.#readMagic(bytes)
      case 'block':
        return this.#readBlockCount(bytes)
      default:
        return this.#readEntry(bytes)
    }
  }

  #readMagic(bytes: Uint8Array): boolean {
    if (bytes.length < magic.length) return false
    if (!startsLikeMagic(bytes)) throw notAvro(bytes)
    this.#pos = magic.length
    this.#stage = 'block'
    return true
  }

  #readBlockCount(bytes: Uint8Array): boolean {
    const count = readLongAt(bytes, this.#pos)
    if (count === undefined) return false
    const size = count.value < 0 ? readLongAt(bytes, count.next) : count
    if (size === undefined) return false
    this.#pos = size.next
    this.#entriesLeft = Math.abs(count.value)
    this.#stage = this.#entriesLeft === 0 ? 'sync' : 'entries'
    return true
  }

  #readEntry(bytes: Uint8Array): boolean {
    const key = this.#readItem(bytes, this.#pos)
    const value = key === undefined ? undefined : this.#readItem(bytes, key.end)
    if (key === undefined || value === undefined) return false
    this.#entries.set(textOf(bytes, key), Buffer.from(bytes.subarray(value.start, value.end)))
    this.#pos = value.end
    this.#entriesLeft--
    if (this.#entriesLeft === 0) this.#stage = 'block'
    return true
  }

  #readItem(bytes: Uint8Array, pos: number): { start: number; end: number } | undefined {
    const length = readLongAt(bytes, pos)
    if (length === undefined) return undefined
    if (length.value < 0) throw new StatsError('DS_AVRO_HEADER', 'The Avro header holds a negative length.')
    const end = length.next + length.value
    if (end > this.#limitBytes) throw headerTooLong(this.#limitBytes)
    return end > bytes.length ? undefined : { start: length.next, end }
  }

  #meaning(): Pick<OcfHeader, 'codec' | 'plan'> {
    const codec = this.#entries.get('avro.codec')?.toString() ?? 'null'
    if (codec !== 'null' && codec !== 'deflate') {
      throw new StatsError(
        'DS_AVRO_CODEC',
        `The sender's codec "${shorten(codec)}" is not known here: use null or deflate.`,
      )
    }
    const schema = this.#entries.get('avro.schema')
    if (schema === undefined) throw new StatsError('DS_AVRO_HEADER', 'The Avro header has no avro.schema.')
    return { codec, plan: planReading(schema.toString()) }
  }
}

function readLongAt(bytes: Uint8Array, pos: number): { value: number; next: number } | undefined {
  let zigzag = 0
  let scale = 1
  for (let at = pos; at < pos + 10; at++) {
    const byte = bytes[at]
    if (byte === undefined) return undefined
    zigzag += (byte & 0x7f) * scale
    scale *= 0x80
    if (byte < 0x80) return { value: bytes[pos]! & 1 ? -(zigzag + 1) / 2 : zigzag / 2, next: at + 1 }
  }
  throw new StatsError('DS_AVRO_HEADER', 'The Avro header holds a number of more than 64 bits.')
}

function startsLikeMagic(bytes: Uint8Array): boolean {
  return magic.subarray(0, bytes.length).every((byte, at) => bytes[at] === byte)
}

/** What others send to a port by mistake, told by its first bytes. */
function notAvro(bytes: Uint8Array): StatsError {
  const start = Buffer.from(bytes.subarray(0, 32)).toString('latin1')
  const what = describeStart(start)
  return new StatsError('DS_AVRO_NOT_A_CONTAINER', `This is no Avro object container file: ${what}.`)
}

function describeStart(start: string): string {
  if (start.startsWith('\x16\x03')) return 'it begins like a TLS handshake, and only plain TCP is spoken here'
  if (/^(GET|PUT|POST|HEAD|DELETE|OPTIONS|CONNECT|PATCH|PRI)( |$)/.test(start)) return 'it begins like an HTTP request'
  if (/^[ -~\r\n\t]+$/.test(start)) return `it begins with the text ${JSON.stringify(start)}`
  const hex = Buffer.from(start.slice(0, 8), 'latin1')
    .toString('hex')
    .replace(/..(?=.)/g, '$& ')
  return `it begins with the bytes ${hex} and not with 4f 62 6a 01`
}

function headerTooLong(limitBytes: number): StatsError {
  return new StatsError('DS_AVRO_TOO_LARGE', `The Avro header takes more than ${limitBytes} bytes.`)
}

function textOf(bytes: Uint8Array, { start, end }: { start: number; end: number }): string {
  return Buffer.from(bytes.subarray(start, end)).toString()
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text
}
