import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bus } from '../../src/bus/bus.js'
import { encodeContainerFile } from '../../src/codec/avro-ocf.js'
import { decodeDatapoints, encodeDatapoints } from '../../src/codec/datapoints.js'
import { type BusTopicsOptions, createBusTopicsSource } from '../../src/inputs/bus-topics.js'
import type { Emit } from '../../src/inputs/source.js'
import { imbalance } from '../../src/model/ledger.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { systemClock } from '../../src/platform/clock.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { type Log, silentLog } from '../../src/telemetry/log.js'
import { waitFor } from '../support/bus-contract.js'
import { makeTempBus, type TempBus } from '../support/temp-bus.js'

let temp: TempBus
let publisher: Bus
let letters: string

beforeEach(async () => {
  temp = await makeTempBus()
  publisher = await temp.open()
  letters = await mkdtemp(join(tmpdir(), 'dead-letters-'))
})
afterEach(async () => {
  await temp.remove()
  await rm(letters, { recursive: true })
})

test('every list of every message is emitted and counted', async () => {
  const source = start()
  await publish('metrics-a', [list([1, 2]), list([3])])
  await publish('metrics-b', [list([4])])
  await source.until(4)
  await source.stop()
  expect(source.values()).toEqual([1, 2, 3, 4])
  expect(source.counted('metrics-a')).toEqual({ messages: 1, lists: 2, datapoints: 3, errors: 0 })
  expect(source.counted()).toEqual({ messages: 2, lists: 3, datapoints: 4, errors: 0 })
  expect(source.ledger.received).toBe(4)
})

test.each([
  ['names choose frameworks', ['marathon'], [1]],
  ['null stands for lists without a framework', ['null'], [3]],
  ['both together', ['marathon', 'null'], [1, 3]],
  ['only the first framework_name of a list counts', ['cassandra'], [2]],
  ['no names: everything', [], [1, 2, 3]],
])('frameworks: %s', async (_rule, frameworkNames, expected) => {
  const source = start({ frameworkNames })
  await publish('metrics-a', [
    list([1], 'marathon'),
    { ...list([2], 'cassandra'), tags: ['cassandra', 'marathon'].map((value) => ({ key: 'framework_name', value })) },
    list([3]),
  ])
  await waitFor(() => source.ledger.received === 3 && source.values().length === expected.length)
  await source.stop()
  expect(source.values()).toEqual(expected)
  const { dropped } = source.ledger.snapshot()
  expect(dropped).toEqual(expected.length === 3 ? {} : { filtered: 3 - expected.length })
  expect(imbalance(source.ledger.snapshot())).toBe(0)
})

test('the position moves only when emit has settled: what was not answered comes again', async () => {
  await publish('metrics-a', [list([1])])
  let asked = () => {}
  const wasAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  const unanswered = start({}, () => {
    asked()
    return Promise.reject(new Error('the process ends before the sink has answered'))
  })
  await wasAsked
  await unanswered.stop()
  const again = start()
  await again.until(1)
  await again.stop()
  expect(again.values()).toEqual([1])
})

describe('a batch of several pieces', () => {
  const large = Array.from({ length: 40_000 }, (_, number) => number)

  test('no more than two are on their way, in their order', async () => {
    const settle: (() => void)[] = []
    const emitted: number[] = []
    const source = start({}, (lists) => {
      emitted.push(decodeDatapoints(lists[0]!.datapoints)[0]!.value)
      return new Promise((resolve) => settle.push(resolve))
    })
    await publisher.publish(
      'metrics-a',
      [1, 2, 3].map((first) => ({ key: 'k', bytes: encodeContainerFile([list([first, ...large])]) })),
    )
    await waitFor(() => emitted.length === 2)
    settle[0]?.()
    await waitFor(() => emitted.length === 3)
    expect(emitted).toEqual([1, 2, 3])
    settle[1]?.()
    settle[2]?.()
    await source.stop()
  })

  test('where one fails, all of them come again', async () => {
    let asked = 0
    const failing = start({}, () => (++asked === 1 ? Promise.resolve() : Promise.reject(new Error('away'))))
    await publisher.publish(
      'metrics-a',
      [1, 2, 3].map((first) => ({ key: 'k', bytes: encodeContainerFile([list([first, ...large])]) })),
    )
    await waitFor(() => asked >= 3)
    await failing.stop()
    const again = start()
    await again.until(3 * (large.length + 1))
    await again.stop()
  })
})

describe('messages that cannot be decoded', () => {
  test('what is before the fault is emitted, the message is told, counted and kept, and reading goes on', async () => {
    const broken = Buffer.concat([encodeContainerFile([list([1])]), Buffer.from('garbage behind the last block')])
    const errors: unknown[][] = []
    const log: Log = { ...silentLog, error: (...args: unknown[]) => void errors.push(args) }
    const source = start({ deadLetters: { dir: letters, limitMbytes: 1 } }, undefined, log)
    await publisher.publish('metrics-a', [
      { key: 'k', bytes: Buffer.from('this is no container file') },
      { key: 'k', bytes: broken },
    ])
    await publish('metrics-a', [list([2])], 'k')
    await source.until(2)
    await source.stop()
    expect(source.values()).toEqual([1, 2])
    expect(source.counted()).toMatchObject({ messages: 3, datapoints: 2, errors: 2 })
    const names = (await readdir(letters)).sort()
    expect(names.map((name) => name.replace(/-\d+-(\d+)\.avro/, '@$1'))).toEqual(['metrics-a@0', 'metrics-a@1'])
    expect(await readFile(join(letters, names[1] ?? ''))).toEqual(broken)
    expect(errors).toHaveLength(2)
    expect(errors[1]?.[0]).toMatchObject({ topic: 'metrics-a', offset: '1', listsBefore: 1 })
    expect(errors[1]?.[0]).toHaveProperty('partition', expect.any(Number))
    expect(errors[1]?.[0]).toHaveProperty('reason', expect.stringMatching(/.{10}/))
  })

  test('a full directory: the oldest go first, counted; files of others stay', async () => {
    await writeFile(join(letters, 'metrics-old-0-1.avro'), Buffer.alloc(600_000))
    await writeFile(join(letters, 'notes.txt'), Buffer.alloc(600_000))
    await utimes(join(letters, 'metrics-old-0-1.avro'), 1, 1)
    const source = start({ deadLetters: { dir: letters, limitMbytes: 1 } })
    const garbage = { key: 'k', bytes: Buffer.alloc(400_000, 'x') }
    await publisher.publish('metrics-a', [garbage, garbage, garbage])
    await waitFor(() => source.counters.value('consume.errors') === 3)
    await source.stop()
    const names = (await readdir(letters)).map((name) => name.replace(/-\d+-(\d+)\.avro/, '@$1')).sort()
    expect(names).toEqual(['metrics-a@1', 'metrics-a@2', 'notes.txt'])
    expect(source.counters.value('consume.dead_letters_kept')).toBe(3)
    expect(source.counters.value('consume.dead_letters_removed')).toBe(2)
  })

  test('one that is larger than the directory may be is not kept, counted, and reading goes on', async () => {
    const source = start({ deadLetters: { dir: letters, limitMbytes: 1 } })
    await publisher.publish('metrics-a', [{ key: 'k', bytes: Buffer.alloc(1_100_000, 'x') }])
    await publish('metrics-a', [list([5])], 'k')
    await source.until(1)
    await source.stop()
    expect(await readdir(letters)).toEqual([])
    expect(source.counters.value('consume.dead_letters_not_kept')).toBe(1)
  })

  test('a directory that cannot be made is refused at the start', async () => {
    await writeFile(join(letters, 'file'), '')
    const source = start({ deadLetters: { dir: join(letters, 'file'), limitMbytes: 1 } })
    await expect(source.ended).rejects.toMatchObject({ code: 'DS_DEAD_LETTER_DIR', exitCode: 78 })
  })
})

test('the lag is shown while somebody reads the counters', async () => {
  const source = start({}, () => new Promise(() => {}))
  await publish('metrics-a', [list([1])])
  await waitFor(() => {
    for (const _reading of source.counters.read());
    return source.counters.value('consume.lag', 'metrics-a') === 1
  })
  expect(source.counters.value('consume.lag')).toBe(1)
})

function start(options: Partial<BusTopicsOptions> = {}, emit?: Emit, log: Log = silentLog) {
  const stop = new AbortController()
  const emitted: MetricList[] = []
  const counters = new Counters()
  const ledger = new Ledger('consume')
  const source = createBusTopicsSource({
    bus: temp.create(),
    subscription: { topics: /metrics-.*/, group: 'readers', from: 'earliest' },
    telemetry: { log, counters, ledger },
    clock: systemClock,
    ...options,
  })
  const take: Emit = async (lists) => {
    emitted.push(...lists)
    for (const { datapoints } of lists) ledger.forwarded += datapoints.count
  }
  const ended = source.run(emit ?? take, stop.signal)
  ended.catch(() => {})
  const values = () =>
    emitted
      .flatMap(({ datapoints }) => decodeDatapoints(datapoints))
      .map(({ value }) => value)
      .sort((a, b) => a - b)
  return {
    counters,
    ledger,
    ended,
    values,
    until: (count: number) => waitFor(() => values().length >= count),
    counted: (topic?: string) => ({
      messages: counters.value('consume.messages', topic),
      lists: counters.value('consume.lists', topic),
      datapoints: counters.value('consume.datapoints', topic),
      errors: counters.value('consume.errors', topic),
    }),
    async stop() {
      stop.abort()
      await ended
    },
  }
}

async function publish(topic: string, lists: readonly MetricList[], key = 'k'): Promise<void> {
  await publisher.publish(topic, [{ key, bytes: encodeContainerFile(lists) }])
}

function list(values: readonly number[], frameworkName?: string): MetricList {
  return {
    topic: 't',
    tags: frameworkName === undefined ? [] : [{ key: 'framework_name', value: frameworkName }],
    datapoints: encodeDatapoints(values.map((value) => ({ name: 'm', timeMs: 1_700_000_000_000, value }))),
  }
}
