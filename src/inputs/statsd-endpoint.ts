import type { GaugeMemory } from '../codec/statsd-gauges.js'
import { countPacketDatapoints } from '../codec/statsd-line.js'
import type { PacketContext } from '../codec/statsd-packet.js'
import type { Owner } from '../containers/endpoint.js'
import type { Cancel, Clock } from '../platform/clock.js'
import { type ByteLimiter, createByteLimiter } from '../platform/limiter.js'
import type { Cell } from '../telemetry/counters.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import { type HoldBudget, PacketHold } from './statsd-hold.js'
import type { EndpointCounts, StatsdIntake } from './statsd-intake.js'
import type { EndpointState } from './statsd-state.js'

/** Is told every row that came in, without its line end: what the StatsD output sends on, byte for byte. */
export type OnLine = (owner: Owner, packet: Buffer, start: number, end: number) => void

/** What all endpoints are made with. */
export interface EndpointOptions {
  readonly intake: StatsdIntake
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** Bytes that an endpoint may receive in a period. */
  readonly limitBytes: number
  readonly limitPeriodMs: number
  readonly unknownHoldMs: number
  /** Bytes that an endpoint may hold back, and all together. */
  readonly holdLimitBytes: number
  readonly holdBudget: HoldBudget
  readonly onLine: OnLine | undefined
}

/** What an endpoint has counted since it was opened, and whose it is. */
export interface EndpointFigures extends EndpointCounts {
  /** The last container it was known to belong to. */
  readonly containerId: string
  /** Absent while the agent has not named the container. */
  readonly frameworkId?: string
  readonly executorId?: string
  readonly bytes: number
  /** When the last datagram came, in milliseconds since 1970; 0 where none came yet. */
  readonly lastMs: number
}

const nobody: Owner = { status: 'unknown' }

/**
 * One StatsD endpoint: whom its packets belong to, its limit, and what waits until the agent has named the container.
 * It knows no socket: packets are given to it.
 */
export class StatsdEndpoint {
  readonly #options: EndpointOptions
  readonly #limiter: ByteLimiter
  readonly #hold: PacketHold
  readonly #gauges: GaugeMemory | undefined
  readonly #cells: Record<'packets' | 'bytes' | 'throttledPackets' | 'throttledBytes', Cell>
  readonly #removeHolder: () => void
  #cancelPeriod: Cancel
  #periodStartMs: number
  #owner: Owner
  #context: PacketContext
  #packets = 0
  #bytes = 0
  #lastMs = 0
  readonly #counts: EndpointCounts = { datapoints: 0, droppedDatapoints: 0 }
  /** Under which its kernel drops are counted: the last container it was known to belong to. */
  label: string

  /** @param state what the process before this one knew of the same endpoint */
  constructor(options: EndpointOptions, owner: Owner, state?: EndpointState) {
    const { intake, clock, telemetry, limitBytes, limitPeriodMs, unknownHoldMs, holdLimitBytes, holdBudget } = options
    this.#options = options
    this.#limiter = createByteLimiter(limitBytes, state)
    this.#hold = new PacketHold({
      clock,
      holdMs: unknownHoldMs,
      limitBytes: holdLimitBytes,
      budget: holdBudget,
      release: (packet, timeMs) => this.#takeHeld(packet, timeMs),
    })
    this.#gauges = intake.createGauges(state?.gauges)
    this.#cells = endpointCells(telemetry)
    this.#owner = owner
    this.#context = this.#contextOf(owner)
    this.label = containerIdOf(owner) ?? 'unknown_container'
    this.#removeHolder = telemetry.ledger.addHolder(() => this.#hold.datapoints)
    const elapsedMs = Math.min(state?.elapsedMs ?? 0, limitPeriodMs)
    this.#periodStartMs = clock.monotonicMs() - elapsedMs
    this.#cancelPeriod = clock.after(limitPeriodMs - elapsedMs, () => this.#startPeriods())
    for (const { packet, timeMs } of state?.held ?? []) this.#accept(Buffer.from(packet, 'base64'), timeMs)
  }

  /** Datagrams that came in so far, throttled ones too. */
  get packets(): number {
    return this.#packets
  }

  figures(): EndpointFigures {
    const owner = this.#owner
    return {
      ...(owner.status === 'known' && owner.identity),
      containerId: this.label,
      bytes: this.#bytes,
      lastMs: this.#lastMs,
      ...this.#counts,
    }
  }

  /** One datagram, now or at `timeMs`. The limit is looked at before it is read, so a flood costs little. */
  receive(packet: Buffer, timeMs = this.#options.clock.nowMs()): void {
    this.#packets++
    this.#bytes += packet.length
    this.#lastMs = timeMs
    this.#cells.packets.value++
    this.#cells.bytes.value += packet.length
    if (this.#limiter.allow(packet.length)) this.#accept(packet, timeMs)
    else this.#throttle(packet)
  }

  /** Tells who speaks here from now on. What waited for the agent's word leaves under the new name. */
  setOwner(owner: Owner): void {
    if (isSameOwner(owner, this.#owner)) return
    // Who waited for another name than this one will not hear it any more.
    if (owner.status === 'pending') this.#hold.releaseAll()
    this.#owner = owner
    this.#context = this.#contextOf(owner)
    this.label = containerIdOf(owner) ?? this.label
    if (owner.status !== 'pending') this.#hold.releaseAll()
  }

  /** Gives back what waits, as nobody's where it has no name, and stops the periods. */
  end(): void {
    this.#hold.releaseAll()
    this.#cancelPeriod()
    this.#removeHolder()
  }

  /** Ends it so that another process goes on: what waits is no longer this one's, and comes with the rest. */
  handOver(): Omit<EndpointState, 'host' | 'port' | 'kernelDrops'> {
    const { receivedBytes, throttledBytes } = this.#limiter
    const held = this.#hold.takeAll()
    for (const { packet } of held) this.#options.telemetry.ledger.received -= countPacketDatapoints(packet)
    this.end()
    return {
      gauges: this.#gauges?.entries() ?? [],
      receivedBytes,
      throttledBytes,
      elapsedMs: this.#options.clock.monotonicMs() - this.#periodStartMs,
      held: held.map(({ packet, timeMs }) => ({ packet: packet.toString('base64'), timeMs })),
    }
  }

  #accept(packet: Buffer, timeMs: number): void {
    if (this.#owner.status !== 'pending' || this.#options.unknownHoldMs === 0) {
      this.#options.intake.take(packet, timeMs, this.#context, this.#counts)
      return
    }
    const datapoints = countPacketDatapoints(packet)
    this.#options.telemetry.ledger.received += datapoints
    this.#hold.add(packet, timeMs, datapoints)
  }

  /** Reading counts as received what was counted when the packet came. */
  #takeHeld(packet: Buffer, timeMs: number): void {
    this.#options.telemetry.ledger.received -= countPacketDatapoints(packet)
    this.#options.intake.take(packet, timeMs, this.#context, this.#counts)
  }

  #throttle(packet: Buffer): void {
    const { ledger } = this.#options.telemetry
    const datapoints = countPacketDatapoints(packet)
    ledger.received += datapoints
    ledger.drop('container_limit', datapoints)
    this.#counts.datapoints += datapoints
    this.#counts.droppedDatapoints += datapoints
    this.#cells.throttledPackets.value++
    this.#cells.throttledBytes.value += packet.length
  }

  #startPeriods(): void {
    const { clock, limitPeriodMs } = this.#options
    this.#cancelPeriod = clock.every(limitPeriodMs, () => this.#startPeriod())
    this.#startPeriod()
  }

  /** Tells of the past period on the container's own way, zeros too, and lets it send again. */
  #startPeriod(): void {
    const { clock, limitPeriodMs } = this.#options
    const seconds = limitPeriodMs / 1000
    const { receivedBytes, throttledBytes } = this.#limiter
    const rows = [
      `dcos.metrics.module.container_received_bytes_per_sec:${receivedBytes / seconds}|g`,
      `dcos.metrics.module.container_throttled_bytes_per_sec:${throttledBytes / seconds}|g`,
    ]
    this.#limiter.reset()
    this.#periodStartMs = clock.monotonicMs()
    this.#accept(Buffer.from(rows.join('\n')), clock.nowMs())
  }

  #contextOf(owner: Owner): PacketContext {
    const { intake, onLine } = this.#options
    const speaker = owner.status === 'known' ? owner : nobody
    return {
      sender: intake.createSender(owner.status === 'known' ? owner.identity : undefined),
      gauges: this.#gauges,
      onRow: onLine && ((packet, start, end) => onLine(speaker, packet, start, end)),
    }
  }
}

function endpointCells({ counters }: Telemetry) {
  return {
    packets: counters.cell('proxy.packets'),
    bytes: counters.cell('proxy.bytes'),
    throttledPackets: counters.cell('proxy.throttled_packets'),
    throttledBytes: counters.cell('proxy.throttled_bytes'),
  }
}

function containerIdOf(owner: Owner): string | undefined {
  if (owner.status === 'unknown') return undefined
  return owner.status === 'known' ? owner.identity.containerId : owner.containerId
}

function isSameOwner(one: Owner, other: Owner): boolean {
  if (one.status !== other.status) return false
  if (one.status !== 'known' || other.status !== 'known') return containerIdOf(one) === containerIdOf(other)
  const { frameworkId, executorId, containerId } = one.identity
  const { identity } = other
  return (
    frameworkId === identity.frameworkId && executorId === identity.executorId && containerId === identity.containerId
  )
}
