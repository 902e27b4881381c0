import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { shareDir } from '../../src/bus/embedded-shared.js'
import { systemClock } from '../../src/platform/clock.js'
import { Counters } from '../../src/telemetry/counters.js'
import { type Log, silentLog } from '../../src/telemetry/log.js'
import { messagesOf, numbersOf, startReader, uniqueName, upTo } from '../support/bus-contract.js'
import { createFakeClock } from '../support/fake-clock.js'
import { makeTempBus, type TempBus } from '../support/temp-bus.js'

// Where messages lie on disk, and what becomes of the files.

let temp: TempBus

beforeEach(async () => {
  temp = await makeTempBus()
})
afterEach(() => temp.remove())

async function segments(): Promise<string[]> {
  return (await readdir(join(temp.dir, 'segments'))).sort()
}

function segmentPath(name: string): string {
  return join(temp.dir, 'segments', name)
}

async function everything(): Promise<number[]> {
  const farMs = Date.now() + 1e11
  const bus = await temp.open({ clock: createFakeClock(farMs) })
  const span = { from: 'earliest', replay: true, to: { timeMs: farMs } } as const
  const replay = startReader(bus, { topics: /.*/, group: uniqueName('all'), ...span })
  await replay.ended
  return numbersOf(replay.messages)
}

test('a process writes to one segment until that is full, the next to one of its own', async () => {
  const bus = await temp.open({ retentionMbytes: 1 })
  await bus.publish('t', messagesOf(10))
  await bus.publish('t', messagesOf(10, 16, 10))
  expect(await segments()).toHaveLength(1)
  await bus.publish('t', [{ key: 'k', bytes: Buffer.alloc(70_000) }])
  expect(await segments()).toHaveLength(1)
  await bus.publish('t', messagesOf(1, 1, 20))
  expect(await segments()).toHaveLength(2)
  await bus.close()
  const next = await temp.open()
  await next.publish('t', messagesOf(1, 1, 21))
  expect(await segments()).toHaveLength(3)
})

test('a segment goes with its last message; one that nobody filled goes a minute later', async () => {
  const clock = createFakeClock(Date.now())
  const bus = await temp.open({ retentionMs: 40_000, clock })
  await bus.publish('t', messagesOf(5))
  const [first] = await segments()
  await clock.advance(50_000)
  expect(await segments()).toEqual([first])
  await clock.advance(50_000)
  while ((await segments()).length > 0) await new Promise((resolve) => setImmediate(resolve))
  // Whose segment it was takes another.
  await bus.publish('t', messagesOf(3, 16, 5))
  expect(await everything()).toEqual(upTo(3, 5))
  expect(await segments()).not.toContain(first)
})

test('a file without a record, as a kill leaves it, goes with the next segment', async () => {
  const bus = await temp.open({ retentionMbytes: 1 })
  await bus.publish('t', [{ key: 'k', bytes: Buffer.alloc(70_000) }])
  await writeFile(segmentPath('0000009999.log'), 'orphan')
  await writeFile(segmentPath('notes.txt'), 'not a segment')
  await bus.publish('t', messagesOf(1))
  expect(await segments()).toEqual(['0000000000.log', '0000000001.log', 'notes.txt'])
})

test('messages that are in no file any more are counted and told, and those behind them are read', async () => {
  const bus = await temp.open({ retentionMbytes: 1 })
  await bus.publish('t', messagesOf(4, 1))
  await bus.publish('t', [{ key: 'key-0', bytes: Buffer.alloc(70_000, '4 ') }])
  await bus.publish('t', messagesOf(3, 1, 5))
  await bus.close()
  const [first = ''] = await segments()
  const { size } = await stat(segmentPath(first))
  await truncate(segmentPath(first), size - 10)
  expect(await read()).toEqual({ numbers: [...upTo(4), ...upTo(3, 5)], missed: 1, told: [[1, '4', '5']] })
  const whole = await readFile(segmentPath(first))
  // The third record of the first run says that it is larger than all of the file.
  whole.writeUInt32BE(0xffff_fff0, 2 * 18 + 4)
  await writeFile(segmentPath(first), whole)
  expect(await read()).toEqual({
    numbers: [...upTo(2), ...upTo(3, 5)],
    missed: 3,
    told: [
      [2, '2', '4'],
      [1, '4', '5'],
    ],
  })
  await rm(segmentPath(first))
  expect(await read()).toMatchObject({ numbers: upTo(3, 5), missed: 5 })
})

async function read() {
  const counters = new Counters()
  const told: unknown[] = []
  const error = (fields: { messages: number; fromOffset: string; toOffset: string }) =>
    void told.push([fields.messages, fields.fromOffset, fields.toOffset])
  const bus = await temp.open({ counters, log: { ...silentLog, error } as unknown as Log })
  const reader = startReader(bus, { topics: ['t'], group: uniqueName('g') })
  while (!reader.messages.some(({ offset }) => offset === 7n)) await reader.until(reader.messages.length + 1)
  await reader.stop()
  await bus.close()
  return { numbers: numbersOf(reader.messages), missed: counters.value('bus.messages_missed', 't'), told }
}

test('many small messages and a few large ones of one publish come in order', async () => {
  const bus = await temp.open()
  const messages = Array.from({ length: 2000 }, (_, at) => ({
    key: 'k',
    bytes: Buffer.from(`${at} ${'x'.repeat(at % 500 === 0 ? 600_000 : at % 50)}`),
  }))
  await bus.publish('t', messages)
  const reader = startReader(bus, { topics: ['t'], group: uniqueName('g') })
  await reader.until(2000)
  expect(reader.messages.map(({ bytes }) => Number.parseInt(Buffer.from(bytes).toString('latin1', 0, 5), 10))).toEqual(
    upTo(2000),
  )
  expect(reader.messages.map(({ offset }) => Number(offset))).toEqual(upTo(2000))
  await reader.stop()
})

test('what is appended as soon as the one before is on disk does not wait for a third', async () => {
  const { writer, release } = await shareDir({ dir: temp.dir, clock: systemClock, log: silentLog, leaseMs: 10_000 })
  await writer.append('t', messagesOf(1))
  await writer.append('t', messagesOf(1, 16, 1))
  expect(await everything()).toEqual(upTo(2))
  await release()
})
