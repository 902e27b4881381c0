import { instanceLine, numberedStatsdLine, type SentBytes, sampleStatsdLines } from '../inputs/sample-statsd.js'
import type { emitStatsdOptions } from '../options/emit.js'
import type { Parsed } from '../options/option.js'
import { createStatsdSender, type StatsdSender } from '../outputs/statsd-udp.js'
import { type Clock, systemClock } from '../platform/clock.js'
import type { Log } from '../telemetry/log.js'
import type { CommandContext } from './command.js'
import { openLog } from './daemon.js'

type Options = Parsed<typeof emitStatsdOptions>

const ROUND_MS = 1000
const PACE_MS = 10
const REPORT_MS = 10_000
/** Packets that may wait for the kernel: more would only grow the process. */
const PACKETS_AT_ONCE = 64

interface Emission {
  readonly options: Options
  readonly sender: StatsdSender
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  sentLines: number
}

export async function run(options: Options, context: CommandContext): Promise<void> {
  const log = await openLog('emit statsd', options, context)
  const clock = systemClock
  const { statsdUdpHost: host, statsdUdpPort: port } = options
  // Lines are packed here, so that --lines-per-packet is exact: each `send` is a datagram.
  const sender = createStatsdSender({ host, port, limitBytes: 0, log, clock })
  const emission: Emission = { options, sender, clock, log, signal: context.signal, sentLines: 0 }
  await sender.ready()
  log.info({ host, port }, 'sending StatsD')
  const stopReport = reportBytes(sender, clock, log)
  const startMs = clock.monotonicMs()
  try {
    if (options.rate === undefined && options.count === undefined) await sendSamples(emission)
    else await sendNumbered(emission)
    await sender.flush()
  } finally {
    stopReport()
    tellTotal(emission, (clock.monotonicMs() - startMs) / 1000)
    await sender.close()
  }
}

/** The reference emitter's sixteen lines each second, or without a pause. */
async function sendSamples(emission: Emission): Promise<void> {
  const { options, sender, clock, signal } = emission
  const startMs = clock.nowMs()
  send(emission, [instanceLine])
  for (let loop = 1; !signal.aborted; loop++) {
    const before = { ...sender.counts }
    const sent: SentBytes = { success: 0, failed: 0 }
    let packet: string[] = []
    for (const line of sampleStatsdLines({ clock, startMs, pid: process.pid, loop, sent })) {
      packet.push(line)
      if (packet.length < options.linesPerPacket) continue
      send(emission, packet)
      packet = []
      sent.success = sender.counts.sentBytes - before.sentBytes
      sent.failed = sender.counts.failedBytes - before.failedBytes
    }
    if (packet.length > 0) send(emission, packet)
    await sender.flush()
    if (!options.flood) await clock.sleep(ROUND_MS, signal)
  }
}

/** Numbered lines at --rate, or as fast as the kernel takes them. */
async function sendNumbered(emission: Emission): Promise<void> {
  const { options, sender, clock, signal } = emission
  const { rate, linesPerPacket, count = Number.POSITIVE_INFINITY } = options
  const startMs = clock.monotonicMs()
  let next = 1
  while (next <= count && !signal.aborted) {
    const due =
      rate === undefined || options.flood ? count : Math.min(count, dueBy(rate, clock.monotonicMs() - startMs))
    for (let packets = 0; packets < PACKETS_AT_ONCE && next <= due; packets++) {
      const last = Math.min(next + linesPerPacket - 1, due)
      const packet: string[] = []
      for (; next <= last; next++) packet.push(numberedStatsdLine(next))
      send(emission, packet)
    }
    await sender.flush()
    if (next > due && next <= count) await clock.sleep(PACE_MS, signal)
  }
}

function dueBy(rate: number, elapsedMs: number): number {
  return 1 + Math.floor((rate * elapsedMs) / 1000)
}

function send(emission: Emission, packet: string[]): void {
  const { sender, options, log } = emission
  const text = packet.join('\n')
  if (options.debug) log.info({ bytes: text.length, text }, 'send')
  sender.send(text)
  emission.sentLines += packet.length
}

function reportBytes(sender: StatsdSender, clock: Clock, log: Log): () => void {
  let last = { ...sender.counts }
  return clock.every(REPORT_MS, () => {
    const success = sender.counts.sentBytes - last.sentBytes
    const failed = sender.counts.failedBytes - last.failedBytes
    last = { ...sender.counts }
    const perSecond = Math.round((success + failed) / (REPORT_MS / 1000))
    log.info(`Bytes sent: ${success} success, ${failed} failed, ${success + failed} total (${perSecond} B/s)`)
  })
}

function tellTotal({ sender, sentLines, log }: Emission, seconds: number): void {
  const { sentDatagrams, sentBytes, failedRows } = sender.counts
  const linesPerSecond = Math.round(sentLines / seconds)
  log.info(
    { lines: sentLines, packets: sentDatagrams, bytes: sentBytes, failedPackets: failedRows, seconds, linesPerSecond },
    'done',
  )
}
