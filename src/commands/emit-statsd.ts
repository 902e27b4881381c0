import { setImmediate as nextTurn } from 'node:timers/promises'
import { instanceLine, numberedStatsdLine, type SentBytes, sampleStatsdLines } from '../inputs/sample-statsd.js'
import type { emitStatsdOptions } from '../options/emit.js'
import type { Parsed } from '../options/option.js'
import { type Clock, systemClock } from '../platform/clock.js'
import type { HostPort } from '../platform/hosts.js'
import type { Log } from '../telemetry/log.js'
import type { CommandContext } from './command.js'
import { logFormatOf, openLog } from './daemon.js'
import { pacedCount, startProgress } from './emit-load.js'
import { sharedLog } from './emit-log.js'
import { type EmitTarget, openEmitTarget } from './emit-target.js'
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
  readonly targets: readonly EmitTarget[]
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  sentLines: number
}

export async function run(options: Options, context: CommandContext): Promise<void> {
  const log = await openLog('emit statsd', options, context)
  const clock = systemClock
  const containerIds = Array.from({ length: options.containers }, (_, i) => `emit-${process.pid}-${i + 1}`)
  const addresses = options.containers > 1 ? await announceAll(options, containerIds) : [addressOf(options)]
  const shared = sharedLog(log, clock)
  const targets = await Promise.all(addresses.map((address) => openEmitTarget({ ...address, clock, log: shared })))
  const emission: Emission = { options, targets, clock, log, signal: context.signal, sentLines: 0 }
  log.info({ containers: targets.length, ...addresses[0] }, 'sending StatsD')
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
    await Promise.all(targets.map((target) => target.close()))
    if (options.containers > 1) await eachOf(containerIds, (id) => dismissContainer(options.isolatorEndpoint, id))
  }
}

function addressOf({ statsdUdpHost, statsdUdpPort }: Options): HostPort {
  // The rules between the options have seen to both.
  return { host: statsdUdpHost ?? '', port: statsdUdpPort ?? 0 }
}

async function announceAll({ isolatorEndpoint }: Options, containerIds: readonly string[]): Promise<HostPort[]> {
  const addresses = new Map<string, HostPort>()
  await eachOf(containerIds, async (id) => void addresses.set(id, await announceContainer(isolatorEndpoint, id)))
  return containerIds.map((id) => addresses.get(id) as HostPort)
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
  const { options, targets, clock, signal } = emission
  const startMs = clock.nowMs()
  for (const target of targets) send(emission, target, [instanceLine])
  for (let loop = 1; !signal.aborted; loop++) {
    for (const target of targets) sendRound(emission, target, loop, startMs)
    await flushAll(emission)
    if (!options.flood) await clock.sleep(ROUND_MS, signal)
  }
}

function sendRound(emission: Emission, target: EmitTarget, loop: number, startMs: number): void {
  const { options, clock } = emission
  const before = { ...target.counts }
  const sent: SentBytes = { success: 0, failed: 0 }
  let packet: string[] = []
  for (const line of sampleStatsdLines({ clock, startMs, pid: process.pid, loop, sent })) {
    packet.push(line)
    if (packet.length < options.linesPerPacket) continue
    send(emission, target, packet)
    packet = []
    sent.success = target.counts.sentBytes - before.sentBytes
    sent.failed = target.counts.failedBytes - before.failedBytes
  }
  if (packet.length > 0) send(emission, target, packet)
}

/** Numbered lines at --rate, or as fast as the kernel takes them, packet by packet to one container after the other. */
async function sendNumbered(emission: Emission): Promise<void> {
  const { options, targets, clock, signal } = emission
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
      send(emission, targets[turn++ % targets.length] as EmitTarget, packet)
    }
    await flushAll(emission)
    if (next > due && next <= count) await clock.sleep(PACE_MS, signal)
  }
}

function send(emission: Emission, target: EmitTarget, packet: string[]): void {
  const { options, log } = emission
  const text = packet.join('\n')
  if (options.debug) log.info({ bytes: text.length, text }, 'send')
  target.send(text)
  emission.sentLines += packet.length
}

async function flushAll({ targets }: Emission): Promise<void> {
  await Promise.all(targets.map((target) => target.flushed()))
  // The kernel takes most packets at once; signals and timers must have their turn all the same.
  await nextTurn()
}

function totalsOf({ targets }: Emission) {
  const totals = { packets: 0, bytes: 0, failedPackets: 0, failedBytes: 0 }
  for (const { counts } of targets) {
    totals.packets += counts.sentPackets
    totals.bytes += counts.sentBytes
    totals.failedPackets += counts.failedPackets
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
