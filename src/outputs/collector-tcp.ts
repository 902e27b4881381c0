import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { defaultOcfLimits, encodeOcfHeader, syncMarkerBytes } from '../codec/avro-ocf.js'
import { countDatapoints } from '../model/metric-list.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import { endGently } from './end-gently.js'
import { encodeBlocks } from './ocf-blocks.js'
import type { Sink, WriteResult } from './sink.js'

// A dead peer's host is noticed by the kernel after this silence and nine probes.
const keepAliveAfterMs = 30_000

/**
 * Sends lists to a collector as one Avro container file over TCP that never ends: its header at each connect, then a
 * block for each write. A write connects where there is no connection; it never repeats anything by itself.
 *
 * `sent` means that the kernel has taken the whole block. More cannot be known: the collector answers nothing. What the
 * kernel still holds when the collector's process or host dies is lost and was counted as forwarded. To keep that small, a
 * connection that the peer has ended is noticed before the next write, and a block that was not taken whole comes
 * again on the next connection (the collector throws away the part that it has).
 *
 * @param addressOptions the options that said where it is, for messages
 * @param connectTimeoutMs how long one attempt to connect may take
 * @param writeTimeoutMs how long a collector may take nothing at all before its connection is given up
 * @param blockLimitBytes what a reader takes in one block; more lists become several blocks
 */
export function createCollectorTcp({
  host,
  port,
  addressOptions = '--output-collector-ip and --output-collector-port',
  log,
  counters,
  connectTimeoutMs = 10_000,
  writeTimeoutMs = 30_000,
  blockLimitBytes = defaultOcfLimits.blockBytes,
}: {
  host: string
  port: number
  addressOptions?: string
  log: Log
  counters: Counters
  connectTimeoutMs?: number
  writeTimeoutMs?: number
  blockLimitBytes?: number
}): Sink {
  const syncMarker = randomBytes(syncMarkerBytes)
  const header = encodeOcfHeader(syncMarker)
  const gone = (why: string, cause?: unknown) => collectorAway(`${host}:${port}`, why, addressOptions, cause)
  let current: Socket | undefined

  return {
    name: 'collector',

    async open() {},

    async write(lists, signal): Promise<WriteResult> {
      const { blocks, drops } = encodeBlocks(lists, syncMarker, blockLimitBytes)
      try {
        if (blocks.length > 0) await send(await connection(signal), blocks, signal)
      } catch (cause) {
        giveUp()
        return { status: 'retry', cause: cause instanceof Error ? cause : new Error(messageOf(cause)) }
      }
      const droppedDatapoints = drops.reduce((sum, { datapoints }) => sum + datapoints, 0)
      const datapoints = countDatapoints(lists) - droppedDatapoints
      return drops.length === 0 ? { status: 'sent', datapoints } : { status: 'sent', datapoints, dropped: drops }
    },

    async close() {
      const socket = current
      current = undefined
      if (socket !== undefined) await endGently(socket)
    },
  }

  function giveUp(): void {
    const socket = current
    current = undefined
    socket?.destroy()
  }

  async function connection(signal: AbortSignal): Promise<Socket> {
    if (current !== undefined) await letArrivalsBeSeen()
    if (current !== undefined) return current
    try {
      current = await openSocket({ host, port, timeoutMs: connectTimeoutMs, signal, gone })
    } catch (cause) {
      counters.add('proxy.collector_connect_failures')
      throw cause
    }
    counters.add('proxy.collector_connects')
    log.info({ host, port }, 'connected to the collector')
    watch(current)
    current.write(header)
    return current
  }

  /** Reads, because only so the peer's end is seen; the collector sends nothing that would matter. */
  function watch(socket: Socket): void {
    const lose = (reason: string) => {
      socket.destroy()
      if (current !== socket) return
      current = undefined
      counters.add('proxy.collector_connections_lost')
      log.warn({ host, port, cause: reason }, 'the connection to the collector was lost')
    }
    socket.resume()
    socket.on('error', (cause) => lose(messageOf(cause)))
    socket.once('end', () => lose('the collector closed the connection'))
    socket.once('close', () => lose('the connection was closed'))
  }

  /** Resolves once the kernel has taken every byte. */
  function send(socket: Socket, blocks: readonly Buffer[], signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) => settle(() => reject(cause))
      const onClose = () => fail(gone('the connection broke while a block was being sent'))
      const onAbort = () => fail(gone('the process is ending'))
      // Node starts this timer again whenever the kernel has taken some of the bytes.
      const onTimeout = () => fail(gone(`the collector took nothing for ${writeTimeoutMs} ms`))
      const settle = (finish: () => void) => {
        socket.setTimeout(0)
        socket.off('timeout', onTimeout).off('error', fail).off('close', onClose)
        signal.removeEventListener('abort', onAbort)
        finish()
      }
      if (signal.aborted) return onAbort()
      socket.setTimeout(writeTimeoutMs)
      socket.once('timeout', onTimeout).once('error', fail).once('close', onClose)
      signal.addEventListener('abort', onAbort, { once: true })
      const lengthBytes = blocks.reduce((sum, block) => sum + block.length, 0)
      socket.cork()
      for (const block of blocks.slice(0, -1)) socket.write(block)
      socket.write(blocks.at(-1)!, (cause) => {
        if (cause) return fail(cause)
        counters.add('proxy.collector_sent_bytes', lengthBytes)
        settle(resolve)
      })
      socket.uncork()
    })
  }
}

/**
 * The end that a peer has sent lies in the kernel until the event loop looks: after two turns it has looked once
 * for certain, wherever in its turn it was. Only then is it known whether a write can still reach somebody.
 */
async function letArrivalsBeSeen(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
}

function openSocket({
  host,
  port,
  timeoutMs,
  signal,
  gone,
}: {
  host: string
  port: number
  timeoutMs: number
  signal: AbortSignal
  gone: (why: string, cause?: unknown) => StatsError
}): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveAfterMs })
    const fail = (cause: unknown) => {
      end()
      // A late error of a socket that was given up must not be an unhandled one.
      socket.on('error', () => {}).destroy()
      reject(cause instanceof StatsError ? cause : gone(messageOf(cause), cause))
    }
    const onAbort = () => fail(gone('the process is ending'))
    const timer = setTimeout(() => fail(gone(`no answer within ${timeoutMs} ms`)), timeoutMs)
    const end = () => {
      clearTimeout(timer)
      socket.off('error', fail)
      signal.removeEventListener('abort', onAbort)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      end()
      resolve(socket)
    })
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}

function collectorAway(address: string, why: string, addressOptions: string, cause: unknown): StatsError {
  const message = `The collector at ${address} cannot be used: ${why}. Check ${addressOptions}.`
  return new StatsError('DS_COLLECTOR_AWAY', message, { cause })
}
