import { type FileHandle, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OutgoingMessage } from '../../src/bus/bus.js'
import type { Env } from '../../src/bus/embedded-env.js'
import { encodeSegment, segmentKey } from '../../src/bus/embedded-records.js'
import { type SharedDir, shareDir } from '../../src/bus/embedded-shared.js'
import { Writer } from '../../src/bus/embedded-writer.js'
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

async function everything(counters = new Counters()): Promise<number[]> {
  const farMs = Date.now() + 1e11
  const bus = await temp.open({ clock: createFakeClock(farMs), counters })
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

describe('files of segments that are gone', () => {
  // Retention of 1 MiB makes segments of 64 KiB: four of these fill one.
  const largeBytes = 20_000

  function large(number: number): OutgoingMessage {
    return { key: 'k', bytes: Buffer.from(String(number).padEnd(largeBytes)) }
  }

  interface Writing extends SharedDir {
    /** Appends one more. */
    append(): Promise<void>
    /** Appends until there is a spare that the next small message does not need. */
    appendUntilSpare(): Promise<string>
    /** Names of files that are of no segment. */
    spares(): Promise<string[]>
  }

  async function startWriting(change: (env: Env) => Env = (env) => env): Promise<Writing> {
    const shared = await shareDir({ dir: temp.dir, clock: systemClock, log: silentLog, leaseMs: 10_000 })
    const writer = new Writer({ ...shared, env: change(shared.env), clock: systemClock })
    writer.retention = { bytes: 1024 * 1024 }
    let next = 0
    const append = () => writer.append('t', [large(next++)])
    return { ...shared, writer, append, appendUntilSpare, spares, release }

    async function appendUntilSpare(): Promise<string> {
      let [spare] = await spares()
      while (spare === undefined) {
        await append()
        await writer.append('u', messagesOf(1))
        ;[spare] = await spares()
      }
      return spare
    }

    async function spares(): Promise<string[]> {
      shared.store.refresh()
      return (await segments()).filter((name) => !shared.env.segments.doesExist(segmentKey(Number.parseInt(name, 10))))
    }

    async function release(): Promise<void> {
      await writer.close()
      await shared.release()
    }
  }

  test('are written over: there are few, and what is kept is all there', async () => {
    const bus = await temp.open({ retentionMbytes: 1 })
    const names = new Set<string>()
    const files = new Map<number, FileHandle>()
    const counts: number[] = []
    for (let number = 0; number < 200; number++) {
      await bus.publish('t', [large(number)])
      const now = await segments()
      counts.push(now.length)
      for (const name of now.filter((one) => !names.has(one))) await hold(name)
    }
    for (const file of files.values()) await file.close()
    expect(names.size).toBe(50)
    // Thirteen that are full, what is being written or the spare, and the oldest, of which a part is kept.
    expect(Math.max(...counts)).toBeLessThanOrEqual(15)
    expect(files.size).toBeLessThanOrEqual(15)
    const kept = await everything()
    expect(kept).toEqual(upTo(kept.length, 200 - kept.length))
    expect(kept.length).toBe(Math.floor((1024 * 1024) / (largeBytes + 13 + 128)))

    // As long as a file is open, no other gets its number of the file system.
    async function hold(name: string): Promise<void> {
      names.add(name)
      const file = await open(segmentPath(name))
      const { ino } = await file.stat()
      if (files.has(ino)) await file.close()
      else files.set(ino, file)
    }
  })

  test.each([
    ['sealed, it is written over', true],
    ['not sealed, it is removed, for its writer may still live', false],
  ])('where the segment was %s', async (_what, isSealed) => {
    const { env, append, release } = await startWriting()
    await env.segments.put(segmentKey(77), encodeSegment({ liveBytes: 0, isSealed, touchedMs: 0 }))
    await writeFile(segmentPath('0000000077.log'), 'of another process')
    const file = await open(segmentPath('0000000077.log'))
    await append()
    expect(await segments()).toEqual(['0000000000.log'])
    const { ino } = await stat(segmentPath('0000000000.log'))
    expect(ino === (await file.stat()).ino).toBe(isSealed)
    expect(String(await file.readFile()) === 'of another process').toBe(!isSealed)
    await file.close()
    await release()
  })

  test('go when the process ends', async () => {
    const { appendUntilSpare, release } = await startWriting()
    const spare = await appendUntilSpare()
    await release()
    expect(await segments()).not.toContain(spare)
    const next = await startWriting()
    expect(await next.spares()).toEqual([])
    await next.release()
  })

  test('go where nothing was appended for a while', async () => {
    const { appendUntilSpare, spares, writer, release } = await startWriting()
    const spare = await appendUntilSpare()
    await writer.trim()
    expect(await spares()).toEqual([spare])
    await writer.append('u', messagesOf(1))
    await writer.trim()
    expect(await spares()).toEqual([spare])
    await writer.trim()
    expect(await spares()).toEqual([])
    await release()
  })

  test('make room where a write fails, for another try', async () => {
    let failures = 0
    const { appendUntilSpare, spares, writer, release } = await startWriting((env) => ({
      ...env,
      commitIf: async (...args) => {
        if (failures-- > 0) throw new Error('no room')
        return env.commitIf(...args)
      },
    }))
    await appendUntilSpare()
    failures = 1
    await writer.append('late', messagesOf(1))
    expect(await spares()).toEqual([])
    await appendUntilSpare()
    failures = 2
    await expect(writer.append('late', messagesOf(1, 1, 1))).rejects.toThrow('no room')
    expect(await spares()).toEqual([])
    failures = 0
    await writer.append('late', messagesOf(1, 1, 2))
    const reader = startReader(await temp.open(), { topics: ['late'], group: uniqueName('g') })
    expect(numbersOf(await reader.until(2))).toEqual([0, 2])
    await reader.stop()
    await release()
  })

  test('are of no concern to whoever has sealed one, even if it was told that this had failed', async () => {
    let isLate = false
    const { append, release } = await startWriting((env) => ({
      ...env,
      commitIf: async (...args) => {
        const done = await env.commitIf(...args)
        if (isLate) throw new Error('too late')
        return done
      },
    }))
    for (let at = 0; at < 3; at++) await append()
    isLate = true
    await expect(append()).rejects.toThrow('too late')
    isLate = false
    await append()
    expect(await segments()).toHaveLength(2)
    expect(await everything()).toEqual(upTo(5))
    await release()
  })

  test('may be removed by another process at any time', async () => {
    const { append, appendUntilSpare, release } = await startWriting()
    for (let round = 0; round < 3; round++) {
      await rm(segmentPath(await appendUntilSpare()))
      for (let at = 0; at < 5; at++) await append()
    }
    const counters = new Counters()
    expect((await everything(counters)).length).toBeGreaterThan(40)
    expect(counters.value('bus.messages_missed', 't')).toBe(0)
    await release()
  })

  test('that the disk has not written over give no messages, well formed as they are', async () => {
    const bus = await temp.open({ retentionMbytes: 1 })
    for (let number = 0; number < 9; number++) await bus.publish('t', [large(number)])
    await bus.close()
    const [former = '', next = ''] = await segments()
    await writeFile(segmentPath(next), await readFile(segmentPath(former)))
    const counters = new Counters()
    expect(await everything(counters)).toEqual([...upTo(4), 8])
    expect(counters.value('bus.messages_missed', 't')).toBe(4)
  })
})
