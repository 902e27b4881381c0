import { type AgentState, unknownAgentState } from '../model/agent-state.js'
import type { Cancel, Clock } from '../platform/clock.js'
import { messageOf, StatsError } from '../platform/errors.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { AgentEndpoint, AgentQuery } from './agent-address.js'
import { createEndpointTroubles } from './endpoint-troubles.js'
import { parseReply } from './parse-reply.js'
import {
  type ContainersReply,
  containersShape,
  readContainersReply,
  readSnapshotReply,
  readStateReply,
  type SkippedParts,
  type StateReply,
  stateShape,
} from './replies.js'
import { buildAgentState } from './state.js'

/** The metrics that one poll brought; what the agent did not answer is missing. */
export interface AgentMetrics {
  readonly snapshot?: Readonly<Record<string, unknown>>
  /** When the snapshot came, in milliseconds since 1970; the agent does not say. */
  readonly snapshotTimeMs?: number
  readonly containers?: ContainersReply
}

/** Asks the local Mesos agent again and again, and keeps what it said last. */
export interface AgentPoller {
  /** What the last good replies say; the same object until the next ones. */
  state(): AgentState
  /**
   * Asks /state and /containers now, for a container that has just appeared. Resolves when a question that was put
   * after this call has been answered, or has failed. Calls that come together share one question, and two
   * questions are at least `refreshGapMs` apart.
   */
  refresh(): Promise<void>
  /** Calls back after each poll or refresh with a good /state, also where nothing changed; the returned function ends that. */
  onState(callback: (state: AgentState) => void): Cancel
  /** Calls back after each poll that brought metrics; a refresh brings none. */
  onMetrics(callback: (metrics: AgentMetrics) => void): Cancel
  /**
   * Polls until `signal` is aborted; call it once. Rejects only where no later poll can succeed (a StatsError with
   * an exit code: the credential, the agent's address).
   */
  run(signal: AbortSignal): Promise<void>
}

export interface AgentPollerOptions extends Pick<Telemetry, 'log' | 'counters'> {
  readonly query: AgentQuery
  readonly clock: Clock
  readonly pollPeriodMs: number
  readonly refreshGapMs?: number
  /** False where the agent's own metrics are not wanted: /metrics/snapshot is then not asked. */
  readonly snapshot?: boolean
  /** Told whether the agent answers, for /ready. */
  readonly readiness?: { ready(part: 'agent'): void; waiting(part: 'agent', reason: string): void }
}

/**
 * Each poll asks /state, /metrics/snapshot and /containers, in this order; polls never overlap. Each of the three
 * fails on its own: logged once until it changes, counted, asked again at the next poll, the older answer stays.
 */
export function createAgentPoller(options: AgentPollerOptions): AgentPoller {
  return new Poller(options)
}

type PollKind = 'poll' | 'refresh'

class Poller implements AgentPoller {
  readonly #options: AgentPollerOptions
  readonly #troubles
  readonly #stateCallbacks = new Set<(state: AgentState) => void>()
  readonly #metricsCallbacks = new Set<(metrics: AgentMetrics) => void>()
  #state: AgentState = unknownAgentState
  #stateReply: StateReply | undefined
  #containersReply: ContainersReply | undefined
  /** Who waits for the next question. */
  #waiting: (() => void)[] = []
  #wake: () => void = () => {}
  #ended = false

  constructor(options: AgentPollerOptions) {
    this.#options = options
    this.#troubles = createEndpointTroubles(options)
  }

  state(): AgentState {
    return this.#state
  }

  onState(callback: (state: AgentState) => void): Cancel {
    this.#stateCallbacks.add(callback)
    return () => this.#stateCallbacks.delete(callback)
  }

  onMetrics(callback: (metrics: AgentMetrics) => void): Cancel {
    this.#metricsCallbacks.add(callback)
    return () => this.#metricsCallbacks.delete(callback)
  }

  refresh(): Promise<void> {
    if (this.#ended) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#wake()
    })
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, pollPeriodMs, refreshGapMs = 250, readiness } = this.#options
    readiness?.waiting('agent', 'the Mesos agent has not answered yet')
    let pollDueMs = clock.monotonicMs()
    let refreshDueMs = pollDueMs
    try {
      while (!signal.aborted) {
        const nowMs = clock.monotonicMs()
        if (nowMs >= pollDueMs) {
          await this.#ask('poll', signal)
          pollDueMs = nextDueMs(pollDueMs, pollPeriodMs, clock.monotonicMs())
          refreshDueMs = nowMs + refreshGapMs
        } else if (this.#waiting.length > 0 && nowMs >= refreshDueMs) {
          await this.#ask('refresh', signal)
          refreshDueMs = nowMs + refreshGapMs
        } else {
          const dueMs = this.#waiting.length > 0 ? Math.min(pollDueMs, refreshDueMs) : pollDueMs
          await this.#sleepUntilWoken(dueMs - nowMs, signal)
        }
      }
    } finally {
      this.#ended = true
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
  }

  async #sleepUntilWoken(delayMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    const wake = () => woken.abort()
    this.#wake = wake
    signal.addEventListener('abort', wake, { once: true })
    if (!signal.aborted) await this.#options.clock.sleep(delayMs, woken.signal)
    signal.removeEventListener('abort', wake)
    this.#wake = () => {}
  }

  async #ask(kind: PollKind, signal: AbortSignal): Promise<void> {
    const answered = this.#waiting.splice(0)
    try {
      await this.#askAll(kind, signal)
    } finally {
      for (const resolve of answered) resolve()
    }
  }

  async #askAll(kind: PollKind, signal: AbortSignal): Promise<void> {
    const { snapshot: wantsSnapshot = true, clock } = this.#options
    const state = await this.#askFor('state', signal, async (bytes) =>
      readStateReply(await parseReply(bytes, stateShape, { signal })),
    )
    if (state !== undefined) this.#update({ state })
    const snapshot =
      kind === 'poll' && wantsSnapshot
        ? await this.#askFor('snapshot', signal, async (bytes) =>
            readSnapshotReply(await parseReply(bytes, 'all', { signal })),
          )
        : undefined
    const snapshotTimeMs = clock.nowMs()
    const containers = await this.#askFor('containers', signal, async (bytes) =>
      readContainersReply(await parseReply(bytes, containersShape, { signal })),
    )
    if (containers !== undefined) this.#update({ containers })
    if (state !== undefined) for (const callback of this.#stateCallbacks) callback(this.#state)
    if (kind === 'refresh' || (snapshot === undefined && containers === undefined)) return
    const metrics = { ...(snapshot && { snapshot, snapshotTimeMs }), ...(containers && { containers }) }
    for (const callback of this.#metricsCallbacks) callback(metrics)
  }

  /** One question; undefined where it brought nothing that can be used. */
  async #askFor<T extends object>(
    endpoint: AgentEndpoint,
    signal: AbortSignal,
    read: (bytes: Uint8Array<ArrayBuffer>) => Promise<T>,
  ): Promise<T | undefined> {
    if (signal.aborted) return undefined
    const { query, counters } = this.#options
    counters.add('collector.agent_poll.queries')
    try {
      const reply = await read(await query(endpoint, signal))
      this.#countSkipped(endpoint, (reply as { skipped?: SkippedParts }).skipped ?? {})
      this.#troubles.answered(endpoint)
      return reply
    } catch (cause) {
      if (signal.aborted) return undefined
      this.#fail(endpoint, cause)
      return undefined
    }
  }

  #fail(endpoint: AgentEndpoint, cause: unknown): void {
    const { counters, readiness } = this.#options
    const bad = !(cause instanceof StatsError) || cause.code === 'DS_AGENT_REPLY'
    counters.add(bad ? 'collector.agent_poll.query_bad_data' : 'collector.agent_poll.query_failures')
    if (endpoint === 'state') readiness?.waiting('agent', messageOf(cause))
    if (cause instanceof StatsError && cause.exitCode !== undefined) throw cause
    this.#troubles.failed(endpoint, cause)
  }

  #countSkipped(endpoint: AgentEndpoint, skipped: SkippedParts): void {
    for (const [kind, count] of Object.entries(skipped)) {
      this.#options.counters.add('collector.agent_poll.parts_skipped', count, kind)
    }
    this.#troubles.skipped(endpoint, skipped)
  }

  #update({ state, containers }: { state?: StateReply; containers?: ContainersReply }): void {
    if (state !== undefined) this.#options.readiness?.ready('agent')
    this.#stateReply = state ?? this.#stateReply
    this.#containersReply = containers ?? this.#containersReply
    this.#state = buildAgentState(this.#stateReply, this.#containersReply)
  }
}

/** The next full period after `nowMs`: polls that a slow agent has made impossible are left out, not made up for. */
function nextDueMs(dueMs: number, periodMs: number, nowMs: number): number {
  return dueMs + periodMs * Math.max(1, Math.ceil((nowMs - dueMs) / periodMs))
}
