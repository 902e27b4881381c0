import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { messageOf, StatsError } from '../platform/errors.js'

/** Which parts of a JSON value are wanted: all of it, some fields of an object, or so much of each item of a list. */
export type Shape =
  | 'all'
  | { readonly fields: Readonly<Record<string, Shape>> }
  /** `having`: only items whose field has one of these values. */
  | { readonly each: Shape; readonly having?: { readonly field: string; readonly oneOf: readonly string[] } }

/** From this size on a reply is parsed in a thread of its own: 1 MiB takes about 10 ms, 50 MiB half a second. */
const inlineLimitBytes = 1024 * 1024

/**
 * Parses a reply and keeps what `shape` wants; what has another type than wanted is kept as an empty value or a plain
 * one of the type it has, for a schema to refuse.
 *
 * A big reply is parsed in a worker thread, so that nothing else waits for it; only what is wanted comes back.
 * `bytes` is then handed over and is empty afterwards.
 *
 * Rejects with `DS_AGENT_REPLY` where it is not JSON.
 */
export async function parseReply(
  bytes: Uint8Array<ArrayBuffer>,
  shape: Shape,
  { inlineBytes = inlineLimitBytes, signal }: { inlineBytes?: number; signal?: AbortSignal } = {},
): Promise<unknown> {
  if (bytes.length > inlineBytes) return join(await parseInWorker(bytes, shape, signal))
  try {
    return prune(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()), shape)
  } catch (cause) {
    throw notJson(messageOf(cause))
  }
}

/** What is kept, as JSON: of a list in pieces that are lists themselves, else as one. */
interface Kept {
  readonly isList: boolean
  readonly pieces: readonly Uint8Array[]
}

/** Piece by piece, with other work in between. */
async function join({ isList, pieces }: Kept): Promise<unknown> {
  const values: unknown[] = []
  for (const piece of pieces) {
    await setImmediate()
    values.push(JSON.parse(Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString()))
  }
  return isList ? values.flat() : values[0]
}

function parseInWorker(bytes: Uint8Array<ArrayBuffer>, shape: Shape, signal?: AbortSignal): Promise<Kept> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(workerSource, {
      eval: true,
      execArgv: [],
      workerData: { bytes, shape },
      transferList: [bytes.buffer],
    })
    const stop = () => {
      reject(notJson('given up, because the program ends'))
      void worker.terminate()
    }
    signal?.addEventListener('abort', stop, { once: true })
    worker.once('message', (message: Kept | { fault: string }) => {
      if ('fault' in message) reject(notJson(message.fault))
      else resolve(message)
    })
    worker.once('error', (cause) => reject(notJson(messageOf(cause))))
    worker.once('exit', () => {
      signal?.removeEventListener('abort', stop)
      reject(notJson('the thread that parsed it ended without a result'))
    })
    if (signal?.aborted) stop()
  })
}

function notJson(why: string): StatsError {
  return new StatsError('DS_AGENT_REPLY', `The Mesos agent's reply is not the JSON that was expected: ${why}.`)
}

/**
 * The wanted parts of `value`. It is also run from its own source text in the worker, so it must not use anything
 * outside itself, and coverage tools must leave it alone.
 */
/* istanbul ignore next */
export function prune(value: unknown, shape: Shape): unknown {
  if (shape === 'all' || typeof value !== 'object' || value === null) return value
  if ('each' in shape) {
    if (!Array.isArray(value)) return {}
    const { each, having } = shape
    const items = having
      ? value.filter((item) => having.oneOf.includes((item as Record<string, string> | null)?.[having.field] ?? ''))
      : value
    return items.map((item) => prune(item, each))
  }
  if (Array.isArray(value)) return []
  const kept: Record<string, unknown> = {}
  for (const field of Object.keys(shape.fields)) {
    const found = (value as Record<string, unknown>)[field]
    if (found !== undefined) kept[field] = prune(found, shape.fields[field] as Shape)
  }
  return kept
}

// What is kept comes back as JSON, which the receiving thread reads several times faster than an object tree; in
// pieces, between which it can do other work; and as bytes of their own, which are handed over without being copied.
//
// A text rather than a file beside this one: it is found and understood alike whether this module is run as TypeScript
// by a test, compiled from dist/, or bundled.
const workerSource = `
  const { parentPort, workerData } = require('node:worker_threads')
  const prune = ${prune}
  const pieceLength = 256 * 1024

  function piecesOf(list) {
    const pieces = []
    let items = []
    let length = 0
    for (const item of list) {
      const json = JSON.stringify(item)
      items.push(json)
      length += json.length
      if (length > pieceLength) {
        pieces.push(asBytes('[' + items.join() + ']'))
        items = []
        length = 0
      }
    }
    return [...pieces, asBytes('[' + items.join() + ']')]
  }

  function asBytes(json) {
    return new TextEncoder().encode(json)
  }

  try {
    const { bytes, shape } = workerData
    const kept = prune(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()), shape)
    const isList = Array.isArray(kept)
    const pieces = isList ? piecesOf(kept) : [asBytes(JSON.stringify(kept))]
    parentPort.postMessage({ isList, pieces }, pieces.map(piece => piece.buffer))
  } catch (cause) {
    parentPort.postMessage({ fault: cause instanceof Error ? cause.message : String(cause) })
  }
`
