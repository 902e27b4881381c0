import { StatsdChunk } from '../codec/statsd-chunk.js'
import { createGaugeMemory, type GaugeMemory } from '../codec/statsd-gauges.js'
import { type PacketContext, StatsdCounts, StatsdPacketReader, type StatsdRules } from '../codec/statsd-packet.js'
import { SectionMemory, StatsdSender } from '../codec/statsd-sender.js'
import type { ContainerIdentity } from '../model/agent-state.js'
import { countDatapoints, type MetricList } from '../model/metric-list.js'
import type { Cell, Counters } from '../telemetry/counters.js'
import type { Ledger } from '../telemetry/ledger.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { Emit } from './source.js'
import type { EndpointState } from './statsd-state.js'

/** What came in at one endpoint so far, in datapoints. */
export interface EndpointCounts {
  datapoints: number
  droppedDatapoints: number
}

/** How many datapoints may wait for the pipeline to start. */
const earlyLimit = 100_000

export interface IntakeOptions {
  readonly rules: StatsdRules
  readonly gaugeDeltas: boolean
  /** Datapoints that make a chunk; undefined: every packet is one. */
  readonly chunkSizeDatapoints: number | undefined
  readonly telemetry: Telemetry
}

/**
 * What all sockets share: the chunk that their datapoints go to, and its way into the pipeline. UDP does not wait:
 * what the pipeline has no room for, the pipeline drops and counts.
 */
export class StatsdIntake {
  readonly #chunk: StatsdChunk
  readonly #counts = new StatsdCounts()
  readonly #reader: StatsdPacketReader
  readonly #memory = new SectionMemory()
  readonly #chunkPerPacket: boolean
  readonly #gaugeDeltas: boolean
  readonly #ledger: Ledger
  readonly #cells: OddityCells
  /** Whose packet is being read. */
  #counted: EndpointCounts = { datapoints: 0, droppedDatapoints: 0 }
  #emit: Emit | undefined
  /** Chunks from before the pipeline started, such as those of endpoints that a restart opened again. */
  readonly #early: MetricList[][] = []
  #earlyDatapoints = 0

  constructor({ rules, gaugeDeltas, chunkSizeDatapoints, telemetry }: IntakeOptions) {
    this.#chunkPerPacket = chunkSizeDatapoints === undefined
    this.#gaugeDeltas = gaugeDeltas
    this.#chunk = new StatsdChunk({
      limit: chunkSizeDatapoints ?? Number.POSITIVE_INFINITY,
      onFull: () => this.flush(),
    })
    this.#reader = new StatsdPacketReader(this.#chunk, this.#counts, rules)
    this.#ledger = telemetry.ledger
    this.#cells = oddityCells(telemetry.counters)
    telemetry.ledger.addHolder(() => this.#chunk.count + this.#earlyDatapoints)
  }

  createSender(identity: ContainerIdentity | undefined): StatsdSender {
    return new StatsdSender(identity, this.#memory)
  }

  /**
   * What a container's gauges are remembered in; undefined where changes are values.
   *
   * @param remembered by the process before this one
   */
  createGauges(remembered?: EndpointState['gauges']): GaugeMemory | undefined {
    return this.#gaugeDeltas ? createGaugeMemory(remembered) : undefined
  }

  /** Reads a packet that was received at `timeMs` into the chunk; its datapoints are in the ledger and in `counted` then. */
  take(packet: Buffer, timeMs: number, context: PacketContext, counted: EndpointCounts): void {
    this.#counted = counted
    this.#reader.read(packet, timeMs, context)
    this.#account()
    if (this.#chunkPerPacket) this.flush()
  }

  /** From now on chunks leave. */
  start(emit: Emit): void {
    this.#emit = emit
    for (const lists of this.#early.splice(0)) {
      this.#earlyDatapoints -= countDatapoints(lists)
      this.#send(lists, emit)
    }
  }

  /** Takes back lists that it emitted and that nobody looks at any more. */
  release(lists: readonly MetricList[]): void {
    this.#chunk.release(lists)
  }

  /** Sends the chunk on as it is. */
  flush(): void {
    if (this.#chunk.count === 0) return
    const lists = this.#chunk.take()
    // The pipeline may look at the ledger, and this may be in the middle of a packet.
    this.#account()
    if (this.#emit === undefined) this.#keepEarly(lists)
    else this.#send(lists, this.#emit)
  }

  #send(lists: MetricList[], emit: Emit): void {
    // Never waited for; why the pipeline failed, it tells itself.
    emit(lists).catch(() => {})
  }

  #keepEarly(lists: MetricList[]): void {
    const datapoints = countDatapoints(lists)
    if (this.#earlyDatapoints + datapoints > earlyLimit) {
      this.#ledger.drop('queue_full', datapoints)
      return
    }
    this.#early.push(lists)
    this.#earlyDatapoints += datapoints
  }

  /** Moves what the reader counted into the ledger and the counters. */
  #account(): void {
    const counts = this.#counts
    this.#ledger.received += counts.received
    this.#counted.datapoints += counts.received
    this.#cells.rows.value += counts.rows
    counts.received = 0
    counts.rows = 0
    if (counts.odd) this.#accountOddities()
  }

  #accountOddities(): void {
    const counts = this.#counts
    this.#counted.droppedDatapoints += counts.malformed + counts.notAMetric + counts.tooLarge
    this.#ledger.drop('malformed', counts.malformed)
    this.#ledger.drop('not_a_metric', counts.notAMetric)
    this.#ledger.drop('too_large', counts.tooLarge)
    this.#cells.malformedAsZero.value += counts.malformedAsZero
    this.#cells.badRates.value += counts.badRates
    this.#cells.unknownSections.value += counts.unknownSections
    this.#cells.reservedTags.value += counts.reservedTags
    this.#cells.invalidUtf8.value += counts.invalidUtf8
    counts.clearOddities()
  }
}

type OddityCells = ReturnType<typeof oddityCells>

function oddityCells(counters: Counters) {
  return {
    rows: counters.cell('proxy.lines'),
    malformedAsZero: counters.cell('proxy.malformed_as_zero'),
    badRates: counters.cell('proxy.bad_rate'),
    unknownSections: counters.cell('proxy.unknown_section'),
    reservedTags: counters.cell('proxy.reserved_tag'),
    invalidUtf8: counters.cell('proxy.invalid_utf8'),
  } satisfies Record<string, Cell>
}
