import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { IncomingMessage } from '../../src/bus/bus.js'
import { Counters } from '../../src/telemetry/counters.js'
import { type Log, silentLog } from '../../src/telemetry/log.js'
import { messagesOf, numbersOf, startReader, uniqueName, upTo, waitFor } from '../support/bus-contract.js'
import { createFakeClock } from '../support/fake-clock.js'
import { makeTempBus, type TempBus } from '../support/temp-bus.js'

let temp: TempBus

beforeEach(async () => {
  temp = await makeTempBus()
})
afterEach(() => temp.remove())

test('by size: the oldest messages of all topics go first, the newest stay, and what the bus takes on disk does not grow on', async () => {
  const bus = await temp.open({ retentionMbytes: 1 })
  const sizes: number[] = []
  for (let round = 0; round < 300; round++) {
    await bus.publish(`metrics-${round % 3}`, [{ key: `key-${round}`, bytes: Buffer.alloc(20_000, String(round)) }])
    if (round >= 100) sizes.push(await bytesOnDisk())
  }
  const kept = await everything()
  const bytes = kept.reduce((sum, message) => sum + message.bytes.length, 0)
  expect(bytes).toBeLessThanOrEqual(1024 * 1024)
  expect(bytes).toBeGreaterThan(900 * 1024)
  const rounds = kept.map((message) => Number.parseInt(Buffer.from(message.bytes).toString('latin1', 0, 3), 10))
  expect(Math.min(...rounds)).toBeGreaterThan(240)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * Math.min(...sizes))
})

test('by age: what is older goes with the next message, or by itself where none comes', async () => {
  const clock = createFakeClock(Date.now())
  const bus = await temp.open({ retentionMs: 60_000, clock })
  await bus.publish('metrics-a', messagesOf(10))
  await clock.advance(40_000)
  await bus.publish('metrics-a', messagesOf(10, 16, 10))
  expect(numbersOf(await everything())).toEqual(upTo(20))
  await clock.advance(36_000)
  await waitFor(async () => (await everything()).length === 10)
  expect(numbersOf(await everything())).toEqual(upTo(10, 10))
  await clock.advance(40_000)
  await waitFor(async () => (await everything()).length === 0)
})

test('offsets go on after everything has been removed', async () => {
  const clock = createFakeClock(Date.now())
  const bus = await temp.open({ retentionMs: 60_000, clock })
  await bus.publish('metrics-a', messagesOf(5, 1))
  await clock.advance(100_000)
  await waitFor(async () => (await everything()).length === 0)
  await bus.publish('metrics-a', messagesOf(1, 1, 5))
  expect((await everything()).map(({ offset }) => offset)).toEqual([5n])
})

test('a reader whose position was removed goes on at the oldest; what it missed is counted and told once', async () => {
  const clock = createFakeClock(Date.now())
  const counters = new Counters()
  const errors: unknown[][] = []
  const log: Log = { ...silentLog, error: (...args: unknown[]) => void errors.push(args) }
  const bus = await temp.open({ retentionMs: 60_000, clock })
  const group = uniqueName('g')
  await bus.publish('metrics-a', messagesOf(10, 1))
  const first = startReader(bus, { topics: ['metrics-a'], group })
  await first.until(10)
  await first.stop()
  await bus.publish('metrics-a', messagesOf(20, 1, 10))
  await clock.advance(100_000)
  await waitFor(async () => (await everything()).length === 0)
  await bus.publish('metrics-a', messagesOf(5, 1, 30))
  const second = startReader(await temp.open({ counters, log }), { topics: ['metrics-a'], group })
  expect(numbersOf(await second.until(5))).toEqual(upTo(5, 30))
  await second.stop()
  expect(counters.value('bus.messages_missed', 'metrics-a')).toBe(20)
  expect(errors.map(([fields]) => fields)).toEqual([
    expect.objectContaining({ topic: 'metrics-a', messages: 20, fromOffset: '10', toOffset: '30' }),
  ])
})

async function bytesOnDisk(): Promise<number> {
  const names = await readdir(temp.dir, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile())
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(file.parentPath, file.name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

// By a reader whose clock is far ahead, so that every message lies before the end of its span.
async function everything(): Promise<readonly IncomingMessage[]> {
  const farMs = Date.now() + 1e11
  const bus = await temp.open({ clock: createFakeClock(farMs) })
  const span = { from: 'earliest', replay: true, to: { timeMs: farMs } } as const
  const replay = startReader(bus, { topics: /metrics-.*/, group: uniqueName('all'), ...span })
  await replay.ended
  return replay.messages
}
