import { randomBytes } from 'node:crypto'
import { defaultOcfLimits, encodeOcfHeader, syncMarkerBytes } from '../codec/avro-ocf.js'
import { countDatapoints } from '../model/metric-list.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import { type CollectorConnection, connectToCollector } from './collector-connection.js'
import { createBlockRoom, encodeBlocks } from './ocf-blocks.js'
import type { Sink, WriteResult } from './sink.js'

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
  let room = createBlockRoom()
  let current: CollectorConnection | undefined

  return {
    name: 'collector',

    async open() {},

    async write(lists, signal): Promise<WriteResult> {
      room.empty()
      const { blocks, drops } = encodeBlocks(lists, syncMarker, blockLimitBytes, room.take)
      try {
        if (blocks.length > 0) await send(blocks, signal)
      } catch (cause) {
        current?.giveUp()
        // Nobody knows how long the kernel still looks at what was given to it.
        room = createBlockRoom()
        return { status: 'retry', cause: cause instanceof Error ? cause : new Error(messageOf(cause)) }
      }
      const droppedDatapoints = drops.reduce((sum, { datapoints }) => sum + datapoints, 0)
      const datapoints = countDatapoints(lists) - droppedDatapoints
      return drops.length === 0 ? { status: 'sent', datapoints } : { status: 'sent', datapoints, dropped: drops }
    },

    async close() {
      await current?.close()
    },
  }

  async function send(blocks: readonly Buffer[], signal: AbortSignal): Promise<void> {
    if (current?.usable) await letArrivalsBeSeen()
    if (current?.usable) await current.send(blocks, signal)
    else {
      current = await open(signal)
      await current.send([header, ...blocks], signal)
    }
    counters.add(
      'proxy.collector_sent_bytes',
      blocks.reduce((sum, block) => sum + block.length, 0),
    )
  }

  async function open(signal: AbortSignal): Promise<CollectorConnection> {
    try {
      const onLost = (reason: string) => {
        counters.add('proxy.collector_connections_lost')
        log.warn({ host, port, cause: reason }, 'the connection to the collector was lost')
      }
      const opened = await connectToCollector({ host, port, connectTimeoutMs, writeTimeoutMs, signal, gone, onLost })
      counters.add('proxy.collector_connects')
      log.info({ host, port }, 'connected to the collector')
      return opened
    } catch (cause) {
      counters.add('proxy.collector_connect_failures')
      throw cause
    }
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

function collectorAway(address: string, why: string, addressOptions: string, cause: unknown): StatsError {
  const message = `The collector at ${address} cannot be used: ${why}. Check ${addressOptions}.`
  return new StatsError('DS_COLLECTOR_AWAY', message, { cause })
}
