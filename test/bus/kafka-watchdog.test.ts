import type { Consumer } from 'kafkajs'
import { watchConsumer } from '../../src/bus/kafka-watchdog.js'
import { createFakeClock } from '../support/fake-clock.js'

const limitMs = 60_000

/** A kafkajs consumer as far as the watchdog sees it. */
function createScene() {
  const clock = createFakeClock()
  const listeners = new Map<string, ((event: unknown) => void)[]>()
  const names = ['REQUEST', 'FETCH_START', 'FETCH', 'GROUP_JOIN'] as const
  const consumer = {
    events: Object.fromEntries(names.map((name) => [name, name])),
    on(name: string, listener: (event: unknown) => void) {
      listeners.set(name, [...(listeners.get(name) ?? []), listener])
      return () =>
        listeners.set(
          name,
          (listeners.get(name) ?? []).filter((each) => each !== listener),
        )
    },
  } as unknown as Consumer
  const stuck: string[] = []
  const busy = { now: false }
  const stop = watchConsumer({ consumer, limitMs, isBusy: () => busy.now, onStuck: (why) => stuck.push(why), clock })
  const tell = (name: (typeof names)[number], payload: object = {}) => {
    for (const listener of listeners.get(name) ?? []) listener({ payload })
  }
  return { clock, stuck, busy, stop, tell, listening: () => [...listeners.values()].flat().length }
}

test('a consumer that gets answers is left alone, however long it waits for messages', async () => {
  const { clock, stuck, tell } = createScene()
  for (let turn = 0; turn < 20; turn++) {
    tell('FETCH_START', { nodeId: 1 })
    await clock.advance(30_000)
    tell('REQUEST', { apiName: 'Fetch' })
    tell('FETCH', { nodeId: 1 })
  }
  expect(stuck).toEqual([])
})

test.each([
  'Fetch',
  'Heartbeat',
  'JoinGroup',
  'SyncGroup',
  'OffsetCommit',
  'OffsetFetch',
])('an answer to %s is a sign of life', async (apiName) => {
  const { clock, stuck, tell } = createScene()
  for (let turn = 0; turn < 5; turn++) {
    await clock.advance(40_000)
    tell('REQUEST', { apiName })
  }
  expect(stuck).toEqual([])
})

test('one without any answer is stuck, also where its client still asks for metadata', async () => {
  const { clock, stuck, tell } = createScene()
  for (let turn = 0; turn < 4; turn++) {
    await clock.advance(20_000)
    tell('REQUEST', { apiName: 'Metadata' })
  }
  expect(stuck[0]).toMatch(/no answer from any broker for \d+ ms/)
})

test('one fetch that never ends is stuck, although heartbeats are answered', async () => {
  const { clock, stuck, tell } = createScene()
  tell('FETCH_START', { nodeId: 7 })
  for (let turn = 0; turn < 4; turn++) {
    await clock.advance(20_000)
    tell('REQUEST', { apiName: 'Heartbeat' })
  }
  expect(stuck[0]).toBe('a fetch from broker 7 has not ended in 60000 ms')
})

test('a fetch that was given up for a new share of the partitions does not count', async () => {
  const { clock, stuck, tell } = createScene()
  tell('FETCH_START', { nodeId: 7 })
  await clock.advance(50_000)
  tell('GROUP_JOIN')
  tell('REQUEST', { apiName: 'JoinGroup' })
  await clock.advance(50_000)
  expect(stuck).toEqual([])
})

test('the time that the sink takes does not count', async () => {
  const { clock, stuck, busy, tell } = createScene()
  tell('FETCH_START', { nodeId: 1 })
  busy.now = true
  await clock.advance(10 * limitMs)
  busy.now = false
  await clock.advance(limitMs)
  expect(stuck).toEqual([])
  await clock.advance(limitMs)
  expect(stuck.length).toBeGreaterThan(0)
})

test('stopped, it neither looks nor listens', async () => {
  const { clock, stuck, stop, listening } = createScene()
  stop()
  await clock.advance(10 * limitMs)
  expect(stuck).toEqual([])
  expect(listening()).toBe(0)
})
