import { constants, createInflateRaw, type InflateRaw, inflateRawSync } from 'node:zlib'

/** What `inflateRawSync` itself uses of a stream. Node keeps `_processChunk` for those who build on it, as npm does (minizlib). */
type Inflater = InflateRaw & {
  _handle: { close(): void } | null
  /** Where it writes to, from `_outOffset` on; once that is full, into new memory of `_chunkSize`. */
  _outBuffer: Buffer
  _outOffset: number
  _chunkSize: number
  _processChunk(packed: Uint8Array, flush: number): Buffer
}

interface Kept {
  readonly inflater: Inflater
  readonly handle: { close(): void }
  readonly close: () => void
  readonly limitBytes: number
}

/**
 * Memory in which results lie one behind the other. To inflate into it costs a tenth less than memory for each block of 5 kB. A
 * result that is kept for long keeps all of it, so it is for blocks that came together.
 */
export interface InflateRoom {
  bytes: Buffer
  used: number
}

/** What is larger has memory of its own. */
const largestRoomBytes = 64 * 1024
const smallestRoomBytes = 4096

let kept: Kept | undefined

/**
 * Inflates raw deflate data as a whole, as `inflateRawSync` does. One stream is kept for all small results: to make one costs
 * more than to inflate a block of 5 kB (13 us in all; 5 us with a stream that is kept).
 *
 * @param expectedBytes about how much it will be, such as the size of what came before it; a wrong guess costs only time
 * @param room where the result is put, if there is room
 * @param wantedBytes about how much it will be together with what comes after it into the same room
 * @returns a buffer that nobody writes to any more
 * @throws ERR_BUFFER_TOO_LARGE beyond `limitBytes`, with about as much in memory; else zlib's error, such as Z_DATA_ERROR
 */
export function inflateRaw(
  packed: Uint8Array,
  limitBytes: number,
  expectedBytes = 0,
  room = newRoom(),
  wantedBytes = expectedBytes,
): Buffer {
  if (expectedBytes <= largestRoomBytes) {
    if (kept?.limitBytes !== limitBytes) kept = newInflater(limitBytes)
    if (kept !== undefined) {
      makeRoom(room, expectedBytes, wantedBytes)
      return inflateInto(kept, packed, room)
    }
  }
  const chunkSize = Math.min(Math.max(expectedBytes * 1.25, 4096), 1024 * 1024) | 0
  return inflateRawSync(packed, { maxOutputLength: limitBytes, chunkSize })
}

export function newRoom(): InflateRoom {
  return { bytes: none, used: 0 }
}

const none = Buffer.alloc(0)

/** An eighth more than is expected, since blocks differ. */
function makeRoom(room: InflateRoom, expectedBytes: number, wantedBytes: number): void {
  if (room.used < room.bytes.length && room.used + expectedBytes <= room.bytes.length) return
  const size = Math.min(Math.max(wantedBytes * 1.125, smallestRoomBytes), largestRoomBytes)
  room.bytes = Buffer.allocUnsafeSlow(size | 0)
  room.used = 0
}

/** Undefined where Node no longer has what is needed. */
function newInflater(limitBytes: number): Kept | undefined {
  const inflater = createInflateRaw({ chunkSize: constants.Z_MIN_CHUNK, maxOutputLength: limitBytes }) as Inflater
  const handle = inflater._handle
  if (typeof inflater._processChunk !== 'function' || typeof handle?.close !== 'function') return undefined
  if (inflater._chunkSize !== constants.Z_MIN_CHUNK || inflater._outOffset !== 0) return undefined
  const close = handle.close.bind(handle)
  // `_processChunk` closes what it has used.
  handle.close = () => {}
  return { inflater, handle, close, limitBytes }
}

function inflateInto({ inflater, handle, close }: Kept, packed: Uint8Array, room: InflateRoom): Buffer {
  inflater._outBuffer = room.bytes
  inflater._outOffset = room.used
  inflater._chunkSize = room.bytes.length
  try {
    inflater.reset()
    const inflated = inflater._processChunk(packed, constants.Z_FINISH)
    inflater._handle = handle
    inflater.removeAllListeners('error')
    // What did not fit has been put together elsewhere.
    if (inflated.buffer === room.bytes.buffer) room.used += inflated.length
    return inflated
  } catch (error) {
    // After an error a stream is of no use.
    kept = undefined
    close()
    throw error
  }
}
