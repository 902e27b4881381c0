import { createSocket, type Socket } from 'node:dgram'
import { unpackLists } from '../../src/codec/list-packs.js'
import type { Owner } from '../../src/containers/endpoint.js'
import { createStatsdUdp, type StatsdUdpOptions } from '../../src/inputs/statsd-udp.js'
import { imbalance } from '../../src/model/ledger.js'
import { countDatapoints, type MetricList } from '../../src/model/metric-list.js'
import { systemClock } from '../../src/platform/clock.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { type Log, silentLog } from '../../src/telemetry/log.js'
import { summary } from './statsd-reading.js'

export function known(containerId: string): Owner {
  return { status: 'known', identity: { frameworkId: 'fw', executorId: 'ex', containerId } }
}

/** A running StatsD input on 127.0.0.1 whose chunks are kept; the test is its pipeline and counts what it takes. */
export function startStatsdUdp({ log = silentLog, ...options }: Partial<StatsdUdpOptions> & { log?: Log } = {}) {
  const ledger = new Ledger('statsd-proxy')
  const counters = new Counters()
  const chunks: MetricList[][] = []
  const stop = new AbortController()
  const faults: unknown[] = []
  const waiting: { enough: () => boolean; resolve: () => void }[] = []
  const source = createStatsdUdp({
    hosts: ['127.0.0.1'],
    clock: systemClock,
    limitKbytes: 1_000_000,
    ...options,
    telemetry: { ledger, counters, log },
  })
  const running = source.run(async (lists) => {
    chunks.push([...unpackLists(lists)])
    ledger.forwarded += countDatapoints(lists)
    if (imbalance(ledger.snapshot()) !== 0) faults.push(ledger.snapshot())
    for (const { enough, resolve } of waiting) if (enough()) resolve()
  }, stop.signal)

  return {
    source,
    ledger,
    counters,
    chunks,
    points: () => chunks.flatMap(summary),
    imbalance: () => imbalance(ledger.snapshot()),
    /** Resolves as soon as so many datapoints have left. */
    left(datapoints: number): Promise<void> {
      const enough = () => ledger.forwarded >= datapoints
      return enough() ? Promise.resolve() : new Promise((resolve) => waiting.push({ enough, resolve }))
    },
    async stop(): Promise<void> {
      stop.abort()
      await running
      if (faults.length > 0)
        throw new Error(`The ledger was out of balance as a chunk left: ${JSON.stringify(faults[0])}`)
    },
  }
}

/** Sends packets to a port and resolves when the kernel has them. */
export function createSender(family: 'udp4' | 'udp6' = 'udp4') {
  const socket: Socket = createSocket(family)
  const host = family === 'udp4' ? '127.0.0.1' : '::1'
  return {
    send: (port: number, packet: string | Buffer) =>
      new Promise<void>((resolve, reject) => {
        socket.send(packet, port, host, (cause) => (cause ? reject(cause) : resolve()))
      }),
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  }
}

/** Resolves when the ledger has so many datapoints; the event loop goes on meanwhile. */
export async function received({ ledger }: { ledger: Ledger }, datapoints: number): Promise<void> {
  const deadlineMs = Date.now() + 5_000
  while (ledger.received < datapoints) {
    if (Date.now() > deadlineMs) throw new Error(`Only ${ledger.received} of ${datapoints} datapoints came`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
