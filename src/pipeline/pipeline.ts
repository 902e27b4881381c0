import type { Emit, Source } from '../inputs/source.js'
import { countDatapoints } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import type { Ledger } from '../telemetry/ledger.js'
import type { Log } from '../telemetry/log.js'
import type { Delivery } from './deliver.js'
import { chainStages, type Stage } from './stage.js'

export interface PipelineParts {
  readonly from: readonly Source[]
  /** Done to lists as they arrive. What must be as new as possible belongs into a delivery. */
  readonly through?: readonly Stage[]
  /** One delivery shares the sources' ledger; several have one each, and `ledger` is the sources'. */
  readonly to: readonly Delivery[]
  readonly ledger: Ledger
}

export interface PipelineOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Log
  /** From the end of the sources to the end of all sinks. */
  readonly shutdownTimeoutMs: number
  /** Called when every sink is open and every source has been started. */
  readonly onStarted?: () => void
}

/**
 * Runs sources into sinks: sinks open first, sources start last; when `signal` is aborted or all sources have ended, sources
 * stop, batches are flushed, sinks drain within `shutdownTimeoutMs` and close. Resolves then.
 * Rejects, after the same way down, with the error of the source or sink that cannot go on.
 */
export async function runPipeline(parts: PipelineParts, options: PipelineOptions): Promise<void> {
  const stop = new AbortController()
  const stopSources = () => stop.abort()
  options.signal.addEventListener('abort', stopSources, { once: true })
  if (options.signal.aborted) stop.abort()
  let failure: { cause: unknown } | undefined
  const fail = (cause: unknown) => {
    failure ??= { cause }
    stop.abort()
  }

  try {
    await openAll(parts.to, stop.signal)
    for (const delivery of parts.to) delivery.ended.catch(fail)
    const running = Promise.all(parts.from.map((source) => source.run(emitInto(parts), stop.signal).catch(fail)))
    options.onStarted?.()
    await Promise.race([running, aborted(stop.signal)])
    await shutDown(parts, running, options)
  } catch (cause) {
    fail(cause)
  } finally {
    options.signal.removeEventListener('abort', stopSources)
    await closeAll(parts.to, options.log)
  }
  if (failure !== undefined) throw failure.cause
}

async function openAll(deliveries: readonly Delivery[], signal: AbortSignal): Promise<void> {
  for (const delivery of deliveries) await delivery.open(signal)
}

/** With several sinks, each has its own ledger: the sources' ledger then counts what has been answered for by all. */
function emitInto({ through = [], to, ledger }: PipelineParts): Emit {
  const stage = chainStages(through)
  const only = to.length === 1 ? to[0] : undefined
  if (only !== undefined) return (lists) => only.push(stage(lists))
  let heldDatapoints = 0
  ledger.addHolder(() => heldDatapoints)
  return async (incoming) => {
    const lists = stage(incoming)
    const datapoints = countDatapoints(lists)
    heldDatapoints += datapoints
    for (const delivery of to) delivery.ledger.received += datapoints
    await Promise.all(to.map((delivery) => delivery.push(lists)))
    heldDatapoints -= datapoints
    ledger.forwarded += datapoints
  }
}

async function shutDown(parts: PipelineParts, running: Promise<unknown>, options: PipelineOptions): Promise<void> {
  const deadline = new AbortController()
  const cancel = options.clock.after(options.shutdownTimeoutMs, () => deadline.abort())
  // The sources may need the sinks to answer before they can end, so the sinks go on writing meanwhile.
  await Promise.race([running, aborted(deadline.signal)])
  await Promise.all(parts.to.map((delivery) => delivery.drain(deadline.signal)))
  cancel()
}

async function closeAll(deliveries: readonly Delivery[], log: Log): Promise<void> {
  for (const delivery of deliveries) {
    await delivery.close().catch((cause) => log.warn({ sink: delivery.name, cause: messageOf(cause) }, 'close failed'))
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
