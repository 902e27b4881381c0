import type { EachBatchPayload } from 'kafkajs'
import type { OnBatch } from '../../src/bus/bus.js'
import { type BatchHandling, handleBatch } from '../../src/bus/kafka-batch.js'
import { StatsError } from '../../src/platform/errors.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock, type FakeClock } from '../support/fake-clock.js'

interface Scene {
  readonly clock: FakeClock
  readonly resolved: string[]
  readonly stored: bigint[]
  readonly failures: StatsError[]
  readonly stopping: AbortController
  heartbeats: number
  heartbeatError: Error | undefined
  running: boolean
  handle(onBatch: OnBatch, more?: Partial<BatchHandling>): Promise<void>
}

function batchOf(count: number, lastOffset = `${count - 1}`): Scene {
  const clock = createFakeClock()
  const scene: Scene = {
    clock,
    resolved: [],
    stored: [],
    failures: [],
    stopping: new AbortController(),
    heartbeats: 0,
    heartbeatError: undefined,
    running: true,
    handle: (onBatch, more) =>
      handleBatch(payload, {
        onBatch,
        signal: scene.stopping.signal,
        maxBatchMessages: 10,
        heartbeatIntervalMs: 1_000,
        select: (messages) => messages,
        store: async (next) => void scene.stored.push(next),
        fail: (error) => scene.failures.push(error),
        clock,
        random: () => 0,
        log: silentLog,
        ...more,
      }),
  }
  const messages = Array.from({ length: count }, (_, n) => ({
    offset: `${n}`,
    timestamp: `${1_000 + n}`,
    key: null,
    value: Buffer.from(`${n}`),
  }))
  const payload = {
    batch: { topic: 't', partition: 3, messages, lastOffset: () => lastOffset },
    resolveOffset: (offset: string) => scene.resolved.push(offset),
    isRunning: () => scene.running,
    isStale: () => false,
    heartbeat: async () => {
      scene.heartbeats += 1
      if (scene.heartbeatError !== undefined) throw scene.heartbeatError
    },
  } as unknown as EachBatchPayload
  return scene
}

const rebalancing = Object.assign(new Error('rebalancing'), { type: 'REBALANCE_IN_PROGRESS' })

test('a large batch is handed on in parts, and the position moves behind each of them', async () => {
  const scene = batchOf(25)
  const sizes: number[] = []
  await scene.handle(async (messages) => void sizes.push(messages.length))
  expect(sizes).toEqual([10, 10, 5])
  expect(scene.resolved).toEqual(['9', '19', '24'])
  expect(scene.stored).toEqual([10n, 20n, 25n])
})

test('offsets behind the last message that hold none are passed, too', async () => {
  const scene = batchOf(5, '8')
  await scene.handle(async () => {})
  expect(scene.stored).toEqual([9n])
})

test('the group hears of this member while a write takes its time', async () => {
  const scene = batchOf(1)
  const done = scene.handle(() => scene.clock.sleep(5_500))
  await scene.clock.advance(5_500)
  await done
  expect(scene.heartbeats).toBe(5)
  await scene.clock.advance(5_000)
  expect(scene.heartbeats).toBe(5)
})

test('a rebalance during a write: its position is stored, the rest of the batch is left to the next owner', async () => {
  const scene = batchOf(25)
  scene.heartbeatError = rebalancing
  const done = scene.handle(() => scene.clock.sleep(1_500))
  const outcome = expect(done).rejects.toBe(rebalancing)
  await scene.clock.advance(1_500)
  await outcome
  expect(scene.stored).toEqual([10n])
})

test('a heartbeat that gets lost changes nothing', async () => {
  const scene = batchOf(1)
  scene.heartbeatError = new Error('Connection error')
  const done = scene.handle(() => scene.clock.sleep(1_500))
  await scene.clock.advance(1_500)
  await done
  expect(scene.stored).toEqual([1n])
})

test('a rejected part comes again after a growing wait, nothing is stored before it is taken', async () => {
  const scene = batchOf(3)
  const triesAtMs: number[] = []
  const done = scene.handle(async () => {
    triesAtMs.push(scene.clock.monotonicMs())
    if (triesAtMs.length < 4) throw new Error('away')
    expect(scene.stored).toEqual([])
  })
  await scene.clock.advance(2_000)
  await done
  expect(triesAtMs).toEqual([0, 200, 600, 1_400])
  expect(scene.stored).toEqual([3n])
})

test.each([
  [
    'a rebalance',
    (scene: Scene) => {
      scene.heartbeatError = rebalancing
    },
  ],
  [
    'the end of the consumer',
    (scene: Scene) => {
      scene.running = false
    },
  ],
  ['the end of the program', (scene: Scene) => scene.stopping.abort()],
])('a part that keeps being rejected is given up with its position at %s', async (_what, happen) => {
  const scene = batchOf(3)
  const outcome = expect(scene.handle(() => Promise.reject(new Error('away')))).rejects.toThrow()
  await scene.clock.advance(1_000)
  happen(scene)
  await scene.clock.advance(20_000)
  await outcome
  expect(scene.stored).toEqual([])
})

test('an error with an exit code ends the subscription without another try', async () => {
  const scene = batchOf(3)
  const fatal = new StatsError('DS_SINK_AUTH', 'refused', { exitCode: 69 })
  await expect(scene.handle(() => Promise.reject(fatal))).rejects.toBe(fatal)
  expect(scene.failures).toEqual([fatal])
  expect(scene.stored).toEqual([])
})

test('messages that are not wanted are passed without being handed on', async () => {
  const scene = batchOf(15)
  const seen: number[] = []
  await scene.handle(async (messages) => void seen.push(...messages.map(({ timeMs }) => timeMs)), {
    select: (messages) => messages.filter(({ timeMs }) => timeMs < 1_003),
  })
  expect(seen).toEqual([1_000, 1_001, 1_002])
  expect(scene.stored).toEqual([10n, 15n])
})
