import { constants, createInflateRaw, type InflateRaw, inflateRawSync } from 'node:zlib'

/** What `inflateRawSync` itself uses of a stream. Node keeps `_processChunk` for those who build on it, as npm does (minizlib). */
type Inflater = InflateRaw & {
  _handle: { close(): void } | null
  _processChunk(packed: Uint8Array, flush: number): Buffer
}

interface Kept {
  readonly inflater: Inflater
  readonly handle: { close(): void }
  readonly close: () => void
  readonly limitBytes: number
}

/** What is larger pays for a stream of its own, with a buffer that fits. */
const keptBufferBytes = 64 * 1024

let kept: Kept | undefined

/**
 * Inflates raw deflate data as a whole, as `inflateRawSync` does. One stream is kept for all small results: to make one costs
 * more than to inflate a block of 5 kB (13 us in all; 5 us with a stream that is kept).
 *
 * @param expectedBytes about how much it will be, such as the size of what came before it; a wrong guess costs only time
 * @returns a buffer that nobody writes to any more
 * @throws ERR_BUFFER_TOO_LARGE beyond `limitBytes`, with about as much in memory; else zlib's error, such as Z_DATA_ERROR
 */
export function inflateRaw(packed: Uint8Array, limitBytes: number, expectedBytes = 0): Buffer {
  if (expectedBytes <= keptBufferBytes) {
    if (kept?.limitBytes !== limitBytes) kept = newInflater(limitBytes)
    if (kept !== undefined) return inflateWith(kept, packed)
  }
  const chunkSize = Math.min(Math.max(expectedBytes * 1.25, 4096), 1024 * 1024) | 0
  return inflateRawSync(packed, { maxOutputLength: limitBytes, chunkSize })
}

/** Undefined where Node no longer has what is needed. */
function newInflater(limitBytes: number): Kept | undefined {
  const inflater = createInflateRaw({ chunkSize: keptBufferBytes, maxOutputLength: limitBytes }) as Inflater
  const handle = inflater._handle
  if (typeof inflater._processChunk !== 'function' || typeof handle?.close !== 'function') return undefined
  const close = handle.close.bind(handle)
  // `_processChunk` closes what it has used.
  handle.close = () => {}
  return { inflater, handle, close, limitBytes }
}

function inflateWith({ inflater, handle, close }: Kept, packed: Uint8Array): Buffer {
  try {
    inflater.reset()
    const inflated = inflater._processChunk(packed, constants.Z_FINISH)
    inflater._handle = handle
    inflater.removeAllListeners('error')
    // What fits into the stream's own buffer is a view of it, and the next result will be written over it.
    return inflated.length <= keptBufferBytes ? Buffer.from(inflated) : inflated
  } catch (error) {
    // After an error a stream is of no use.
    kept = undefined
    close()
    throw error
  }
}
