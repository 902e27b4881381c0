import { instanceLine, numberedStatsdLine, type SentBytes, sampleStatsdLines } from '../inputs/sample-statsd.js'
import type { emitStatsdOptions } from '../options/emit.js'
import type { Parsed } from '../options/option.js'
import { createStatsdSender, type StatsdSender } from '../outputs/statsd-udp.js'
import { type Clock, systemClock } from '../platform/clock.js'
import type { HostPort } from '../platform/hosts.js'
import type { Log } from '../telemetry/log.js'
import type { CommandContext } from './command.js'
import { logFormatOf, openLog } from './daemon.js'
import { pacedCount, startProgress } from './emit-load.js'
import { announceContainer, dismissContainer } from './isolator-client.js'

type Options = Parsed<typeof emitStatsdOptions>

const ROUND_MS = 1000
const PACE_MS = 10
const REPORT_MS = 10_000
/** Packets that may wait for the kernel: more would only grow the process. */
const PACKETS_AT_ONCE = 64
/** Containers announced at the same time. */
const ANNOUNCED_AT_ONCE = 16

interface Emission {
  readonly options: Options
  /** One for each container. */
  readonly senders: readonly StatsdSender[]
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  sentLines: number
}

export async function run(options: Options, context: CommandContext): Promise<void> {
  const log = await openLog('emit statsd', options, context)
  const clock = systemClock
  const containerIds = Array.from({ length: options.containers }, (_, i) => `emit-${process.pid}-${i + 1}`)
  const targets = options.containers > 1 ? await announceAll(options, containerIds) : [targetOf(options)]
  // Lines are packed here, so that --lines-per-packet is exact: each `send` is a datagram.
  const senders = targets.map((target) => createStatsdSender({ ...target, limitBytes: 0, log, clock }))
  const emission: Emission = { options, senders, clock, log, signal: context.signal, sentLines: 0 }
  await Promise.all(senders.map((sender) => sender.ready()))
  log.info({ containers: targets.length, ...targets[0] }, 'sending StatsD')
  const stopReport = reportBytes(emission)
  const stopProgress =
    logFormatOf(options, context) === 'pretty'
      ? startProgress({
          clock,
          stderr: context.stderr,
          unit: 'lines',
          count: options.count,
          sent: () => emission.sentLines,
        })
      : () => {}
  const startMs = clock.monotonicMs()
  try {
    if (options.rate === undefined && options.count === undefined) await sendSamples(emission)
    else await sendNumbered(emission)
    await flushAll(emission)
  } finally {
    stopProgress()
    stopReport()
    tellTotal(emission, (clock.monotonicMs() - startMs) / 1000)
    await Promise.all(senders.map((sender) => sender.close()))
    if (options.containers > 1) await eachOf(containerIds, (id) => dismissContainer(options.isolatorEndpoint, id))
  }
}

function targetOf({ statsdUdpHost, statsdUdpPort }: Options): HostPort {
  // The rules between the options have seen to both.
  return { host: statsdUdpHost ?? '', port: statsdUdpPort ?? 0 }
}

async function announceAll({ isolatorEndpoint }: Options, containerIds: readonly string[]): Promise<HostPort[]> {
  const targets = new Map<string, HostPort>()
  await eachOf(containerIds, async (id) => void targets.set(id, await announceContainer(isolatorEndpoint, id)))
  return containerIds.map((id) => targets.get(id) as HostPort)
}

async function eachOf(ids: readonly string[], act: (id: string) => Promise<void>): Promise<void> {
  const left = [...ids]
  const worker = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) await act(id)
  }
  await Promise.all(Array.from({ length: ANNOUNCED_AT_ONCE }, worker))
}

/** The reference emitter's sixteen lines each second, or without a pause, for each container. */
async function sendSamples(emission: Emission): Promise<void> {
  const { options, senders, clock, signal } = emission
  const startMs = clock.nowMs()
  for (const sender of senders) send(emission, sender, [instanceLine])
  for (let loop = 1; !signal.aborted; loop++) {
    for (const sender of senders) sendRound(emission, sender, loop, startMs)
    await flushAll(emission)
    if (!options.flood) await clock.sleep(ROUND_MS, signal)
  }
}

function sendRound(emission: Emission, sender: StatsdSender, loop: number, startMs: number): void {
  const { options, clock } = emission
  const before = { ...sender.counts }
  const sent: SentBytes = { success: 0, failed: 0 }
  let packet: string[] = []
  for (const line of sampleStatsdLines({ clock, startMs, pid: process.pid, loop, sent })) {
    packet.push(line)
    if (packet.length < options.linesPerPacket) continue
    send(emission, sender, packet)
    packet = []
    sent.success = sender.counts.sentBytes - before.sentBytes
    sent.failed = sender.counts.failedBytes - before.failedBytes
  }
  if (packet.length > 0) send(emission, sender, packet)
}

/** Numbered lines at --rate, or as fast as the kernel takes them, packet by packet to one container after the other. */
async function sendNumbered(emission: Emission): Promise<void> {
  const { options, senders, clock, signal } = emission
  const { linesPerPacket, count = Number.POSITIVE_INFINITY } = options
  const rate = options.flood ? undefined : options.rate
  const startMs = clock.monotonicMs()
  let next = 1
  let turn = 0
  while (next <= count && !signal.aborted) {
    const due = Math.min(count, pacedCount(rate, clock.monotonicMs() - startMs))
    for (let packets = 0; packets < PACKETS_AT_ONCE && next <= due; packets++) {
      const last = Math.min(next + linesPerPacket - 1, due)
      const packet: string[] = []
      for (; next <= last; next++) packet.push(numberedStatsdLine(next))
      send(emission, senders[turn++ % senders.length] as StatsdSender, packet)
    }
    await flushAll(emission)
    if (next > due && next <= count) await clock.sleep(PACE_MS, signal)
  }
}

function send(emission: Emission, sender: StatsdSender, packet: string[]): void {
  const { options, log } = emission
  const text = packet.join('\n')
  if (options.debug) log.info({ bytes: text.length, text }, 'send')
  sender.send(text)
  emission.sentLines += packet.length
}

async function flushAll({ senders }: Emission): Promise<void> {
  await Promise.all(senders.map((sender) => sender.flush()))
}

function totalsOf({ senders }: Emission) {
  const totals = { packets: 0, bytes: 0, failedPackets: 0, failedBytes: 0 }
  for (const { counts } of senders) {
    totals.packets += counts.sentDatagrams
    totals.bytes += counts.sentBytes
    totals.failedPackets += counts.failedRows
    totals.failedBytes += counts.failedBytes
  }
  return totals
}

function reportBytes(emission: Emission): () => void {
  let last = totalsOf(emission)
  return emission.clock.every(REPORT_MS, () => {
    const now = totalsOf(emission)
    const success = now.bytes - last.bytes
    const failed = now.failedBytes - last.failedBytes
    last = now
    const perSecond = Math.round((success + failed) / (REPORT_MS / 1000))
    emission.log.info(`Bytes sent: ${success} success, ${failed} failed, ${success + failed} total (${perSecond} B/s)`)
  })
}

function tellTotal(emission: Emission, seconds: number): void {
  const { sentLines: lines, log } = emission
  const { packets, bytes, failedPackets } = totalsOf(emission)
  const linesPerSecond = Math.round(lines / seconds)
  log.info({ lines, packets, bytes, failedPackets, seconds: Number(seconds.toFixed(3)), linesPerSecond }, 'done')
}
