import type { LiveArrow, LiveHistory, LiveNode, LiveQuery, LiveRow, LiveState } from '../model/live.js'
import type { Cancel, Clock } from '../platform/clock.js'
import type { Ledger } from './ledger.js'
import { ContainerRates, type ContainerReading, type LiveNames } from './live-containers.js'
import { HopRates } from './live-hops.js'
import { type ContainerRow, frameworkRows, selectRows } from './live-tables.js'
import { TotalRate } from './rate.js'
import type { Readiness } from './readiness.js'

/** Looks at the lists that pass a hop, while it is told to. */
export interface StreamFigures {
  start(): void
  stop(): void
  /** Brings its rates up to date, `seconds` after the last time. */
  tick(seconds: number): void
  containers(): Iterable<ContainerRow>
  names(): Iterable<LiveRow>
}

export interface LiveOptions {
  readonly role: string
  readonly version: string
  readonly clock: Clock
  /** May grow. */
  readonly ledgers: readonly Ledger[]
  readonly readiness: Readiness
}

interface Arrow {
  readonly from: string
  readonly to: string
  readonly total: () => number
  readonly unless: string | undefined
  readonly rate: TotalRate
}

const tickMs = 1000
/** Whoever asks again with other words does not have to start from nothing. */
const ticksKept = 10
const nameless: LiveNames = { framework: () => undefined, application: () => undefined }

/**
 * What goes on in this process right now, for the live page and `top`: a picture of the flow, the hops' rates and their last
 * minutes, and, only while somebody watches, containers, frameworks and metric names. The parts tell it what they have; it asks
 * them once a second.
 */
export class Live {
  readonly #options: LiveOptions
  readonly #startedAtMs: number
  readonly #nodes = new Map<string, LiveNode>()
  readonly #arrows: Arrow[] = []
  readonly #hopRates = new HopRates()
  readonly #containerRates = new ContainerRates()
  readonly #streams: { readonly figures: StreamFigures; readonly priority: number }[] = []
  readonly #watchers = new Set<() => void>()
  #readContainers: (() => Iterable<ContainerReading>) | undefined
  #names = nameless
  #watched: StreamFigures | undefined
  #ticksLeft = 0
  #lastTickMs: number
  #lastDetailsMs = 0

  constructor(options: LiveOptions) {
    this.#options = options
    this.#startedAtMs = options.clock.nowMs()
    this.#lastTickMs = options.clock.monotonicMs()
  }

  /** Adds a part to the picture. One that has a hop counts more than one that another part only knows of. */
  addNode(node: LiveNode): void {
    if (node.hop === undefined && this.#nodes.has(node.id)) return
    this.#nodes.set(node.id, { ...this.#nodes.get(node.id), ...node })
  }

  /**
   * @param total datapoints that have gone this way so far
   * @param unless a hop that, where this process has it, makes the arrow needless
   */
  addArrow(from: string, to: string, total: () => number, unless?: string): void {
    this.#arrows.push({ from, to, total, unless, rate: new TotalRate() })
  }

  /** Where containers have endpoints of their own, their own counts are shown. */
  readContainersFrom(read: () => Iterable<ContainerReading>): void {
    this.#readContainers = read
  }

  /** @param priority of several streams in a process the highest is looked at */
  addStream(figures: StreamFigures, priority: number): void {
    this.#streams.push({ figures, priority })
    this.#streams.sort((a, b) => b.priority - a.priority)
  }

  nameBy(names: LiveNames): void {
    this.#names = names
  }

  /** Begins to follow the hops; the returned function ends it. */
  start(): Cancel {
    this.#tick()
    return this.#options.clock.every(tickMs, () => this.#tick())
  }

  get watchers(): number {
    return this.#watchers.size
  }

  /** @param onTick called each second; while there is one, containers and names are followed */
  watch(onTick: () => void): Cancel {
    this.#watchers.add(onTick)
    if (this.#ticksLeft === 0) {
      this.#ticksLeft = ticksKept
      this.#followDetails()
    }
    return () => this.#watchers.delete(onTick)
  }

  state(query: LiveQuery): LiveState {
    const { role, version, clock, ledgers, readiness } = this.#options
    const containers = [...this.#containerRows()]
    const arrows = this.#shownArrows()
    const ends = new Set(arrows.flatMap(({ from, to }) => [from, to]))
    return {
      atMs: clock.nowMs(),
      startedAtMs: this.#startedAtMs,
      role,
      version,
      ...readiness.snapshot(),
      hops: this.#hopRates.hops(ledgers),
      nodes: [...this.#nodes.values()].filter(({ id }) => ends.has(id)),
      arrows,
      containers: selectRows(containers.map(withoutFrameworkId), query),
      frameworks: selectRows(frameworkRows(containers), query),
      names: selectRows(this.#watched?.names() ?? [], query),
    }
  }

  history(): LiveHistory {
    return this.#hopRates.history(this.#options.clock, tickMs)
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs()
    // After a first tick at once no time has passed, and nothing can be divided by it.
    const seconds = Math.max(0.001, (nowMs - this.#lastTickMs) / 1000)
    this.#lastTickMs = nowMs
    this.#hopRates.take(this.#options.ledgers, seconds)
    for (const { rate, total } of this.#arrows) rate.take(total(), seconds)
    this.#followWatchers()
    for (const onTick of this.#watchers) onTick()
  }

  #followWatchers(): void {
    if (this.#watchers.size > 0) this.#ticksLeft = ticksKept
    else if (this.#ticksLeft > 0) this.#ticksLeft--
    if (this.#ticksLeft > 0) this.#followDetails()
    else if (this.#lastDetailsMs > 0) this.#forgetDetails()
  }

  #followDetails(): void {
    const nowMs = this.#options.clock.monotonicMs()
    const seconds = Math.max(0.001, (nowMs - this.#lastDetailsMs) / 1000)
    this.#lastDetailsMs = nowMs
    const stream = this.#streams[0]?.figures
    if (stream !== this.#watched) {
      this.#watched?.stop()
      stream?.start()
      this.#watched = stream
    } else this.#watched?.tick(seconds)
    if (this.#readContainers) this.#containerRates.take(this.#readContainers(), seconds)
  }

  #forgetDetails(): void {
    this.#watched?.stop()
    this.#watched = undefined
    this.#lastDetailsMs = 0
    this.#containerRates.clear()
  }

  #shownArrows(): LiveArrow[] {
    const shown = this.#arrows.filter(
      ({ unless }) => unless === undefined || this.#nodes.get(unless)?.hop === undefined,
    )
    return shown.map(({ from, to, total, rate }) => ({ from, to, rate: rate.perSecond, total: total() }))
  }

  #containerRows(): Iterable<ContainerRow> {
    if (this.#readContainers) return this.#containerRates.rows(this.#names)
    return this.#watched?.containers() ?? []
  }
}

function withoutFrameworkId({ frameworkId: _id, ...row }: ContainerRow): LiveRow {
  return row
}
