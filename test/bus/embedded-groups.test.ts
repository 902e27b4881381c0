import type { IncomingMessage, OnBatch } from '../../src/bus/bus.js'
import { type Claim, Membership } from '../../src/bus/embedded-groups.js'
import { partitionOfKey } from '../../src/bus/embedded-records.js'
import { type SharedDir, shareDir } from '../../src/bus/embedded-shared.js'
import { silentLog } from '../../src/telemetry/log.js'
import { messagesOf, numbersOf, startReader, textsOf, uniqueName, upTo, waitFor } from '../support/bus-contract.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createGate } from '../support/gate.js'
import { makeTempBus, type TempBus } from '../support/temp-bus.js'

let temp: TempBus

beforeEach(async () => {
  temp = await makeTempBus()
})
afterEach(() => temp.remove())

test.each([
  ['', 5],
  ['a', 4],
  ['0a1b2c3d-4e5f-6789-abcd-ef0123456789', 5],
  ['ключ', 1],
])('the partition of "%s" among 8 is part of the format: %i', (key, partition) => {
  expect(partitionOfKey(key, 8)).toBe(partition)
})

test('keys like those of containers spread over the partitions', () => {
  const counts = new Map<number, number>()
  for (let at = 0; at < 4000; at++) {
    const partition = partitionOfKey(`container-${at}`, 8)
    counts.set(partition, (counts.get(partition) ?? 0) + 1)
  }
  expect([...counts.values()].every((count) => count > 350 && count < 650)).toBe(true)
})

test('members that join and leave share fairly, and no partition is ever read by two at once', async () => {
  const topic = 'metrics-a'
  const group = uniqueName('g')
  const bus = await temp.open()
  const reading = new Set<number>()
  const overlaps: number[] = []
  const handle: OnBatch = async (batch) => {
    const partitions = new Set(batch.map(({ partition }) => partition))
    for (const partition of partitions) {
      if (reading.has(partition)) overlaps.push(partition)
      reading.add(partition)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
    for (const partition of partitions) reading.delete(partition)
  }
  const members = [startReader(bus, { topics: [topic], group }, handle)]
  let sent = 0
  for (let joining = 0; joining < 4; joining++) {
    if (joining > 0) members.push(startReader(await temp.open(), { topics: [topic], group }, handle))
    const from = members.map(({ messages }) => messages.length)
    await waitFor(async () => {
      await bus.publish(topic, messagesOf(16, 64, sent))
      sent += 16
      return members.every((member, at) => member.messages.length > (from[at] ?? 0))
    })
  }
  const partitionsOf = (messages: readonly IncomingMessage[]) => new Set(messages.map(({ partition }) => partition))
  const settledAt = members.map(({ messages }) => messages.length)
  const total = () => members.reduce((sum, { messages }) => sum + messages.length, 0)
  await waitFor(() => total() >= sent)
  await bus.publish(topic, messagesOf(640, 640, sent))
  await waitFor(() => total() >= sent + 640)
  const shares = members.map(({ messages }, at) => partitionsOf(messages.slice(settledAt[at])).size)
  expect(shares).toEqual([2, 2, 2, 2])
  expect(overlaps).toEqual([])
  expect(numbersOf(members.flatMap(({ messages }) => messages))).toEqual(upTo(sent + 640))
  await Promise.all(members.map((member) => member.stop()))
})

test('a partition in the middle of a batch is handed over when the batch has ended, and nothing comes twice', async () => {
  const topic = 'metrics-a'
  const group = uniqueName('g')
  const bus = await temp.open()
  const gate = createGate()
  const slow = startReader(bus, { topics: [topic], group }, () => gate.promise)
  await bus.publish(topic, messagesOf(64, 64))
  await waitFor(() => bus.lag().reduce((sum, { messages }) => sum + messages, 0) === 64)
  const joined = startReader(await temp.open(), { topics: [topic], group })
  await bus.publish(topic, messagesOf(64, 64, 64))
  gate.open()
  await waitFor(() => slow.messages.length + joined.messages.length >= 128)
  expect(numbersOf([...slow.messages, ...joined.messages])).toEqual(upTo(128))
  expect(joined.messages.length).toBeGreaterThan(0)
  await Promise.all([slow.stop(), joined.stop()])
})

test('batches are bounded in messages and in bytes; a message that is larger comes alone', async () => {
  const bus = await temp.open({ batchLimits: { messages: 10, bytes: 5000 } })
  await bus.publish('metrics-a', messagesOf(100, 3))
  const small = startReader(bus, { topics: ['metrics-a'], group: uniqueName('g') })
  await small.until(100)
  expect(Math.max(...small.batches.map((batch) => batch.length))).toBe(10)
  await small.stop()
  const bytes = [2000, 2000, 2000, 9000, 100].map((size) => Buffer.alloc(size))
  await bus.publish(
    'metrics-b',
    bytes.map((one) => ({ key: 'k', bytes: one })),
  )
  const large = startReader(bus, { topics: ['metrics-b'], group: uniqueName('g') })
  await large.until(5)
  expect(large.batches.map((batch) => batch.map((message) => message.bytes.length))).toEqual([
    [2000, 2000],
    [2000],
    [9000],
    [100],
  ])
  await large.stop()
})

test.each([1, 3])('with concurrency %i so many batches run at once, and one key never twice', async (concurrency) => {
  const bus = await temp.open()
  let running = 0
  let most = 0
  const reader = startReader(bus, { topics: ['metrics-a'], group: uniqueName('g'), concurrency }, async () => {
    running++
    most = Math.max(most, running)
    await new Promise((resolve) => setTimeout(resolve, 10))
    running--
  })
  for (let round = 0; round < 20; round++) await bus.publish('metrics-a', messagesOf(16, 16, round * 16))
  await reader.until(320)
  expect(most).toBe(concurrency)
  for (let key = 0; key < 16; key++) {
    const ofKey = reader.messages.filter((message) => message.key === `key-${key}`)
    expect(textsOf(ofKey)).toEqual(Array.from({ length: 20 }, (_, round) => String(round * 16 + key)))
  }
  await reader.stop()
})

test('a batch that fails does not hold up other partitions, and comes again later each time', async () => {
  const bus = await temp.open({ batchLimits: { messages: 1 }, random: () => 0 })
  const key = ['a', 'b', 'c', 'd', 'e'].find((one) => partitionOfKey(one, 8) !== partitionOfKey('bad', 8)) ?? ''
  const triesMs: number[] = []
  const reader = startReader(bus, { topics: ['metrics-a'], group: uniqueName('g') }, async ([message]) => {
    if (message?.key !== 'bad') return
    triesMs.push(performance.now())
    if (triesMs.length < 4) throw new Error('not yet')
  })
  await bus.publish('metrics-a', [{ key: 'bad', bytes: Buffer.from('1') }])
  await bus.publish(
    'metrics-a',
    upTo(20, 2).map((number) => ({ key, bytes: Buffer.from(String(number)) })),
  )
  await reader.until(21)
  expect(reader.messages.at(-1)?.key).toBe('bad')
  const waits = triesMs.slice(1).map((at, index) => at - (triesMs[index] ?? 0))
  // A busy machine only lengthens a wait: what each is at least is what shows that they grow.
  const atLeastMs = [95, 195, 395]
  expect(waits.map((wait, index) => wait >= (atLeastMs[index] ?? 0))).toEqual([true, true, true])
  await reader.stop()
})

test('a change of the pattern: topics that the group had not wanted before begin at "from", later ones at their beginning', async () => {
  const bus = await temp.open()
  const group = uniqueName('g')
  await bus.publish('metrics-a', messagesOf(1))
  await bus.publish('other', messagesOf(5))
  const first = startReader(bus, { topics: /metrics-.*/, group, from: 'earliest' })
  await first.until(1)
  await first.stop()
  await bus.publish('later', messagesOf(5, 16, 100))
  const second = startReader(bus, { topics: /other|later/, group, from: 'latest' })
  expect(numbersOf(await second.until(5))).toEqual(upTo(5, 100))
  await second.stop()
})

test('a name of a group that cannot be kept is refused', async () => {
  const bus = await temp.open()
  const reader = startReader(bus, { topics: ['a'], group: 'g'.repeat(250) })
  await expect(reader.ended).rejects.toMatchObject({ code: 'DS_BUS_CONFIG', exitCode: 78 })
})

describe('a member that gave no sign of life for longer than its lease', () => {
  const topic = 'metrics-a'
  const clock = createFakeClock()
  const moved = (claims: readonly Claim[], position: bigint) => claims.map((claim) => ({ claim, position }))
  const idle = () => false
  const busy = () => true
  let shared: SharedDir
  let sleeper: Membership
  let other: Membership
  let before: readonly Claim[]
  let taken: readonly Claim[]

  beforeEach(async () => {
    shared = await shareDir({ dir: temp.dir, clock, log: silentLog, leaseMs: 1000 })
    await shared.writer.append(topic, messagesOf(64, 64))
    sleeper = await join()
    other = await join()
    before = (await sleeper.settle([], idle)).claimed
    const own = (await other.settle([], idle)).claimed
    await clock.advance(1000)
    other.heartbeat()
    taken = [...own, ...(await other.settle(own, idle)).claimed]
    await other.commit(moved(taken, 3n))
    sleeper.heartbeat()
  })
  afterEach(() => shared.release())

  async function join(): Promise<Membership> {
    const member = new Membership(shared, { topics: [topic], group: 'g', from: 'earliest' })
    await member.join()
    return member
  }

  test('gives up what others took, and goes on where they were', async () => {
    expect([before.length, taken.length]).toEqual([4, 8])
    expect(await sleeper.settle(before, idle)).toEqual({ claimed: [], released: before })
    const { released } = await other.settle(taken, idle)
    const { claimed } = await sleeper.settle([], idle)
    expect(claimed.map(({ partition, position }) => [partition, position])).toEqual(
      released.map(({ partition }) => [partition, 3n]),
    )
    expect(claimed).toHaveLength(4)
    expect(await sleeper.commit(moved(claimed, 4n))).toEqual([])
  })

  test('in the middle of a batch: when that has ended', async () => {
    expect(await sleeper.settle(before, busy)).toEqual({ claimed: [], released: [] })
    await other.settle(taken, idle)
    expect(await sleeper.settle(before, busy)).toEqual({ claimed: [], released: [] })
    expect(sleeper.waitsForBusy).toBe(true)
    expect(await sleeper.commit(moved(before, 8n))).toEqual(before)
    expect((await sleeper.settle([], idle)).claimed.map(({ position }) => position)).toEqual([3n, 3n, 3n, 3n])
  })
})
