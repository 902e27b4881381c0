import type { Source } from '../../src/inputs/source.js'
import { createDelivery } from '../../src/pipeline/deliver.js'
import { runPipeline } from '../../src/pipeline/pipeline.js'
import { createBackoff } from '../../src/platform/backoff.js'
import { StatsError } from '../../src/platform/errors.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createScriptedSink, listOf } from '../support/scripted-sink.js'

function setUp(sinkNames: string[], sharedLedger = true) {
  const clock = createFakeClock()
  const ledger = new Ledger('source')
  const events: string[] = []
  const sinks = sinkNames.map((name) => createScriptedSink(name))
  const deliveries = sinks.map((sink) =>
    createDelivery({
      sink,
      ledger: sharedLedger ? ledger : new Ledger(sink.name),
      clock,
      log: silentLog,
      backoff: createBackoff({ firstMs: 1000, maxMs: 1000, jitter: 0 }),
      queue: { limitBytes: 1e6, whenFull: 'wait', dropReason: 'queue_full' },
      pushSettles: 'when_written',
    }),
  )
  const stop = new AbortController()
  const options = { signal: stop.signal, clock, log: silentLog, shutdownTimeoutMs: 10_000 }
  return { clock, ledger, events, sinks, deliveries, stop, options }
}

function sourceOf(
  ledger: Ledger,
  counts: number[],
  then: (signal: AbortSignal) => Promise<void> = async () => {},
): Source {
  return {
    name: 'source',
    async run(emit, signal) {
      for (const count of counts) {
        ledger.received += count
        await emit([listOf(count)])
      }
      await then(signal)
    },
  }
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))

describe('runPipeline', () => {
  test('ends by itself when all sources have ended, with every sink opened first and closed last', async () => {
    const { ledger, sinks, deliveries, options } = setUp(['a'])
    await runPipeline({ from: [sourceOf(ledger, [1, 2])], to: deliveries, ledger }, options)
    expect(sinks[0]?.calls).toEqual(['open', 'write', 'write', 'close'])
    expect(ledger.snapshot()).toMatchObject({ received: 3, forwarded: 3, held: 0 })
  })

  test('on abort, sources stop first, then sinks drain and close', async () => {
    const { ledger, sinks, deliveries, stop, options } = setUp(['a'])
    const lastWords: Source = {
      name: 'lastWords',
      async run(emit, signal) {
        await untilAborted(signal)
        ledger.received += 5
        await emit([listOf(5)])
      },
    }
    const running = runPipeline(
      { from: [lastWords], to: deliveries, ledger },
      { ...options, onStarted: () => stop.abort() },
    )
    await running
    expect(sinks[0]?.calls).toEqual(['open', 'write', 'close'])
    expect(ledger.forwarded).toBe(5)
  })

  test('a sink that can never work ends everything and its error comes out', async () => {
    const { ledger, sinks, deliveries, options } = setUp(['a'])
    const refused = new StatsError('DS_X', 'refused', { exitCode: 69 })
    sinks[0]?.answers.push(() => {
      throw refused
    })
    const source: Source = { name: 's', run: (emit, signal) => emit([listOf(1)]).catch(() => untilAborted(signal)) }
    await expect(runPipeline({ from: [source], to: deliveries, ledger }, options)).rejects.toBe(refused)
    expect(sinks[0]?.calls.at(-1)).toBe('close')
  })

  test('a source that can never work ends everything and its error comes out', async () => {
    const { ledger, sinks, deliveries, options } = setUp(['a'])
    const taken = new StatsError('DS_PORT_TAKEN', 'taken', { exitCode: 69 })
    const broken = sourceOf(ledger, [2], async () => {
      throw taken
    })
    await expect(
      runPipeline({ from: [broken, sourceOf(ledger, [], untilAborted)], to: deliveries, ledger }, options),
    ).rejects.toBe(taken)
    expect(sinks[0]?.calls.at(-1)).toBe('close')
    expect(ledger.forwarded).toBe(2)
  })

  test('with several sinks each has an account of its own, and emit waits for all', async () => {
    const { clock, ledger, sinks, deliveries, options } = setUp(['a', 'b'], false)
    sinks[1]?.answers.push(() => ({ status: 'retry', cause: new Error('away') }))
    const running = runPipeline({ from: [sourceOf(ledger, [4])], to: deliveries, ledger }, options)
    await clock.advance(0)
    expect(ledger.snapshot()).toMatchObject({ received: 4, forwarded: 0, held: 4 })
    await clock.advance(1000)
    await running
    expect(ledger.snapshot()).toMatchObject({ received: 4, forwarded: 4, held: 0 })
    expect(deliveries.map(({ ledger: { received, forwarded } }) => [received, forwarded])).toEqual([
      [4, 4],
      [4, 4],
    ])
  })

  test('sources that do not stop are left behind at the deadline', async () => {
    const { clock, ledger, deliveries, stop, options } = setUp(['a'])
    const deaf: Source = { name: 'deaf', run: () => new Promise(() => {}) }
    const running = runPipeline({ from: [deaf], to: deliveries, ledger }, options)
    await clock.advance(0)
    stop.abort()
    await clock.advance(10_000)
    await running
  })
})
