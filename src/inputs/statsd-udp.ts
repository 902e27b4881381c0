import { platform } from 'node:os'
import { defaultStatsdRules, type StatsdRules } from '../codec/statsd-packet.js'
import type { BoundSocket, OpenSocket, Owner } from '../containers/endpoint.js'
import type { MetricList } from '../model/metric-list.js'
import type { Cancel, Clock } from '../platform/clock.js'
import { StatsError } from '../platform/errors.js'
import type { HostPort } from '../platform/hosts.js'
import { procAddress } from '../platform/proc-net.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { Emit, Source } from './source.js'
import { type EndpointFigures, type EndpointOptions, type OnLine, StatsdEndpoint } from './statsd-endpoint.js'
import { StatsdIntake } from './statsd-intake.js'
import { createKernelDropCounter, type DropCounted, type KernelDropCounter } from './statsd-kernel-drops.js'
import { Lull } from './statsd-lull.js'
import { bindUdpSockets, drain, type UdpSocket } from './statsd-sockets.js'
import type { EndpointState, InheritedEndpoints } from './statsd-state.js'

const kernelDropPeriodMs = 10_000
/** Bytes that all endpoints together hold back for containers without a name, and each. */
const holdLimitBytes = 32 * 1024 * 1024
const holdLimitBytesEach = 2 * 1024 * 1024

export interface StatsdUdpOptions {
  /** Addresses that every endpoint is bound at, on one port; a container is told the first one. */
  readonly hosts: readonly string[]
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly rules?: Partial<StatsdRules>
  /** Whether `+5` and `-5` change a gauge. */
  readonly gaugeDeltas?: boolean
  /** Whether datapoints are gathered; false: each packet leaves by itself. */
  readonly chunking?: boolean
  readonly chunkSizeDatapoints?: number
  readonly chunkTimeoutMs?: number
  /** What a container may send in a period. */
  readonly limitKbytes?: number
  readonly limitPeriodMs?: number
  /** How long datapoints of a container without a name wait for it. */
  readonly unknownHoldMs?: number
  /** 0 keeps the kernel's default. */
  readonly receiveBufferKbytes?: number
  readonly onLine?: OnLine
  /** For how long the process may sleep at most while packets gather, see `Lull`; absent where others live in it: never. */
  readonly lullMs?: number
  /** What the process before this one left. */
  readonly inherited?: InheritedEndpoints
  /** Linux' lists of UDP sockets. */
  readonly procNetUdpPaths?: readonly string[]
}

/**
 * StatsD over UDP, a socket for each container. `open` is what the containers' part binds endpoints with, before `run` too;
 * `run` sends chunks on until its signal is aborted, then reads out all sockets, sends the last chunk, and closes them.
 */
export function createStatsdUdp(options: StatsdUdpOptions): StatsdUdpSource {
  return new StatsdUdp(options)
}

export interface StatsdUdpSource extends Source {
  readonly open: OpenSocket
  /** Takes back emitted lists that nobody looks at any more; their memory is used again. Who cannot tell, does not call it. */
  readonly release: (lists: readonly MetricList[]) => void
  /** Where sockets are bound. */
  addresses(): HostPort[]
  /** What each endpoint that is open has counted; `key` is the same for an endpoint at each call. */
  figures(): Iterable<EndpointFigures & { readonly key: object }>
  /**
   * Closes all sockets without reading them out, for the process that has them too and goes on reading: it is to know
   * what this returns. `open` fails from now on.
   */
  handOver(): Promise<EndpointState[]>
}

/** An endpoint and its sockets, one for each address. */
interface OpenEndpoint {
  readonly endpoint: StatsdEndpoint
  readonly sockets: readonly UdpSocket[]
  readonly counted: DropCounted
  closed?: Promise<void>
}

class StatsdUdp implements StatsdUdpSource {
  readonly name = 'statsd-udp'
  readonly #options: StatsdUdpOptions
  readonly #intake: StatsdIntake
  readonly #endpointOptions: EndpointOptions
  readonly #kernelDrops: KernelDropCounter
  readonly #lull: Lull
  readonly #open = new Set<OpenEndpoint>()
  readonly #opening = new Set<Promise<unknown>>()
  #stopping = false
  #hintedAtBuffer = false

  constructor(options: StatsdUdpOptions) {
    this.#options = options
    this.#intake = createIntake(options)
    this.#endpointOptions = endpointOptions(options, this.#intake)
    this.#lull = new Lull(options.lullMs ?? 0, options.clock)
    this.#kernelDrops = createKernelDropCounter(options.telemetry.counters, options.procNetUdpPaths)
  }

  readonly open: OpenSocket = async (request) => {
    if (this.#stopping)
      throw new StatsError('DS_STOPPING', 'The process is ending: no StatsD socket is opened any more.')
    const opening = this.#openEndpoint(request)
    this.#opening.add(opening)
    try {
      return await opening
    } finally {
      this.#opening.delete(opening)
    }
  }

  readonly release = (lists: readonly MetricList[]) => this.#intake.release(lists)

  addresses(): HostPort[] {
    return [...this.#open].flatMap(({ sockets }) => sockets.map(({ host, port }) => ({ host, port })))
  }

  *figures(): Generator<EndpointFigures & { readonly key: object }> {
    for (const { endpoint } of this.#open) yield { key: endpoint, ...endpoint.figures() }
  }

  async handOver(): Promise<EndpointState[]> {
    this.#stop()
    await Promise.allSettled(this.#opening)
    await this.#kernelDrops.count()
    return Promise.all([...this.#open].filter(({ closed }) => closed === undefined).map((open) => this.#leave(open)))
  }

  async #leave(open: OpenEndpoint): Promise<EndpointState> {
    const { host, port } = open.sockets[0]!
    const kernelDrops = this.#kernelDrops.counted(open.counted)
    open.closed = Promise.all(open.sockets.map((socket) => socket.close())).then(() => this.#forget(open))
    // A socket that is being closed is not read any more: nothing can change after this.
    const state = { host, port, kernelDrops, ...open.endpoint.handOver() }
    await open.closed
    return state
  }

  async run(emit: Emit, signal: AbortSignal): Promise<void> {
    this.#intake.start(emit)
    const timers = this.#startTimers()
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    this.#stop()
    for (const cancel of timers) cancel()
    await Promise.allSettled(this.#opening)
    await Promise.all([...this.#open].map((open) => this.#close(open)))
    this.#intake.flush()
  }

  #stop(): void {
    this.#stopping = true
    this.#lull.forbid()
  }

  #startTimers(): readonly Cancel[] {
    const { clock, chunking = true, chunkTimeoutMs = 10_000 } = this.#options
    const timers = [clock.every(kernelDropPeriodMs, () => void this.#kernelDrops.count())]
    if (chunking) timers.push(clock.every(chunkTimeoutMs, () => this.#intake.flush()))
    return timers
  }

  async #openEndpoint({ port, owner }: { port: number; owner: Owner }): Promise<BoundSocket> {
    const { hosts, inherited } = this.#options
    const state = inherited?.takeState(hosts[0]!, port)
    const endpoint = new StatsdEndpoint(this.#endpointOptions, owner, state)
    try {
      const sockets = await bindUdpSockets({
        hosts,
        port,
        inherit: inherited?.takeUdpSocket,
        receiveBufferBytes: this.#askedBufferBytes,
        onPacket: (packet) => endpoint.receive(packet),
        lull: this.#lull,
        onKeptPacket: (packet, timeMs) => endpoint.receive(packet, timeMs),
        log: this.#options.telemetry.log,
      })
      return this.#keep(endpoint, sockets, state?.kernelDrops)
    } catch (cause) {
      endpoint.end()
      throw cause
    }
  }

  #keep(
    endpoint: StatsdEndpoint,
    sockets: readonly UdpSocket[],
    countedDrops: EndpointState['kernelDrops'] | undefined,
  ): BoundSocket {
    const addresses = sockets.map(({ host, port }) => procAddress(host, port))
    const counted = {
      addresses,
      get label() {
        return endpoint.label
      },
    }
    const open = { endpoint, sockets, counted }
    this.#open.add(open)
    this.#kernelDrops.add(counted, countedDrops)
    for (const { receiveBufferBytes } of sockets) this.#lull.addSocket(receiveBufferBytes)
    this.#hintAtBuffer(sockets)
    const { host, port } = sockets[0]!
    return { host, port, setOwner: (owner) => endpoint.setOwner(owner), close: () => this.#close(open) }
  }

  /** The kernel may cap the buffer without a word, and a small one loses packets while the process is busy. */
  #hintAtBuffer(sockets: readonly UdpSocket[]): void {
    const asked = this.#askedBufferBytes
    const given = Math.min(...sockets.map(({ receiveBufferBytes }) => receiveBufferBytes))
    if (this.#hintedAtBuffer || given >= asked) return
    this.#hintedAtBuffer = true
    const fields = { askedKbytes: asked / 1024, givenKbytes: given / 1024 }
    this.#options.telemetry.log.warn(fields, `the kernel capped the receive buffer: ${bufferHint(asked)}`)
  }

  get #askedBufferBytes(): number {
    return (this.#options.receiveBufferKbytes ?? 4096) * 1024
  }

  #close(open: OpenEndpoint): Promise<void> {
    open.closed ??= this.#drainAndClose(open)
    return open.closed
  }

  async #drainAndClose(open: OpenEndpoint): Promise<void> {
    const { endpoint, sockets } = open
    await this.#kernelDrops.count()
    // A turn of the event loop is not to take long.
    this.#lull.forbid()
    await drain(() => endpoint.packets)
    this.#lull.allow()
    await Promise.all(sockets.map((socket) => socket.close()))
    this.#forget(open)
    endpoint.end()
    this.#intake.flush()
  }

  #forget(open: OpenEndpoint): void {
    this.#open.delete(open)
    this.#kernelDrops.remove(open.counted)
    for (const { receiveBufferBytes } of open.sockets) this.#lull.removeSocket(receiveBufferBytes)
  }
}

function createIntake({
  telemetry,
  rules,
  gaugeDeltas,
  chunking,
  chunkSizeDatapoints,
}: StatsdUdpOptions): StatsdIntake {
  return new StatsdIntake({
    rules: { ...defaultStatsdRules, ...rules },
    gaugeDeltas: gaugeDeltas ?? false,
    chunkSizeDatapoints: chunking === false ? undefined : (chunkSizeDatapoints ?? 100),
    telemetry,
  })
}

function endpointOptions(options: StatsdUdpOptions, intake: StatsdIntake): EndpointOptions {
  return {
    intake,
    clock: options.clock,
    telemetry: options.telemetry,
    limitBytes: (options.limitKbytes ?? 10_240) * 1024,
    limitPeriodMs: options.limitPeriodMs ?? 60_000,
    unknownHoldMs: options.unknownHoldMs ?? 2_000,
    holdLimitBytes: holdLimitBytesEach,
    holdBudget: { limitBytes: holdLimitBytes, usedBytes: 0 },
    onLine: options.onLine,
  }
}

function bufferHint(askedBytes: number): string {
  const setting = platform() === 'linux' ? 'net.core.rmem_max' : 'kern.ipc.maxsockbuf'
  return `raise it with "sysctl -w ${setting}=${askedBytes}", or lower --receive-buffer-kbytes`
}
