import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jest } from '@jest/globals'
import type { Bus } from '../../src/bus/bus.js'
import { encodeContainerFile } from '../../src/codec/avro-ocf.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { startCarbonDouble, unusedPort } from '../support/carbon-double.js'
import { startInfluxDouble } from '../support/influx-double.js'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { expectEachOf, numberedList, numbersOf, publishNumbers } from '../support/numbers.js'
import { endPrograms, type JsonLine, type Program, startProgram } from '../support/program.js'
import { makeTempBus, type TempBus } from '../support/temp-bus.js'

let cli: BuiltCli
let temp: TempBus
let bus: Bus

jest.setTimeout(60_000)

beforeAll(async () => {
  cli = await buildCli()
}, 60_000)
afterAll(() => cli.remove())

beforeEach(async () => {
  temp = await makeTempBus()
  bus = await temp.open()
})
afterEach(async () => {
  await endPrograms()
  await temp.remove()
})

function consume(...more: string[]): Program {
  const flags = ['--bus', 'embedded', '--bus-dir', temp.dir, '--from', 'earliest', '--group-id', 'g']
  return startProgram(cli.path, ['consume', ...flags, ...more])
}

const influxAt = (port: number) => [
  '--influx-host',
  '127.0.0.1',
  '--influx-port',
  String(port),
  '--output-database',
  'd',
]
const graphiteAt = (port: number) => ['--graphite-host', '127.0.0.1', '--graphite-port', String(port)]

/** Resolves with the first line of statistics that is meant. */
function statsWhere(program: Program, isMeant: (stats: Stats) => boolean): Promise<JsonLine> {
  return program.logWhere((line) => line.msg === 'stats' && isMeant(line as unknown as Stats))
}

interface Stats {
  readonly recent: Readonly<Record<string, number>>
  readonly total: Readonly<Record<string, number>>
  readonly lag: Readonly<Record<string, number>>
}

describe('several sinks in one process', () => {
  test('a position moves on when all have answered: nothing is lost while one of them is away', async () => {
    const port = await unusedPort()
    const flags = ['--sink', 'stdout', '--sink', 'influx', ...influxAt(port), '--stats-print-period-ms', '50']
    await publishNumbers(bus, 'metrics-a', { to: 1000 })
    const first = consume(...flags)
    await first.dataUntil((data) => numbersOf(data).length === 1000)
    await first.logWhere(({ msg, cause }) => msg === 'waiting for influx' && /ECONNREFUSED/.test(String(cause)))
    await statsWhere(first, ({ total, lag }) => total.datapoints === 1000 && (lag['metrics-a'] ?? 0) > 0)
    await first.stop('SIGKILL')

    const second = consume(...flags)
    await second.dataUntil((data) => numbersOf(data).length === 1000)
    const influx = await startInfluxDouble(undefined, port)
    await statsWhere(second, ({ lag }) => lag['metrics-a'] === 0)
    await publishNumbers(bus, 'metrics-a', { from: 1001, to: 1500 })
    await second.dataUntil((data) => numbersOf(data).length === 1500)
    expect(await second.stop()).toEqual({ code: 0, signal: null })
    expectBalanced(ledgersAtExit(second.log), ['consume', 'consume:stdout', 'consume:influx'])
    expectEachOf(
      1500,
      influx.stored.map((line) => Number(/numbered=(\d+)/.exec(line)?.[1])),
    )

    const third = consume(...flags)
    await publishNumbers(bus, 'metrics-a', { from: 1501, to: 1501 })
    await third.dataUntil((data) => data.length > 0)
    await third.stop()
    expect(numbersOf(third.data)).toEqual([1501])
    await influx.stop()
  }, 60_000)

  test('InfluxDB and Graphite, each at its own address', async () => {
    const [influx, carbon] = [await startInfluxDouble(), await startCarbonDouble()]
    await publishNumbers(bus, 'metrics-a', { to: 300 })
    const consumer = consume(
      ...['--sink', 'influx,graphite', ...graphiteAt(carbon.port), '--output-database', 'd'],
      ...['--influx-host', influx.url],
    )
    const lines = await carbon.until((text) => text.split('\n').length > 300)
    expect(await consumer.stop()).toEqual({ code: 0, signal: null })
    expectBalanced(ledgersAtExit(consumer.log), ['consume', 'consume:influx', 'consume:graphite'])
    expectEachOf(
      300,
      influx.stored.map((line) => Number(/numbered=(\d+)/.exec(line)?.[1])),
    )
    expectEachOf(
      300,
      lines
        .split('\n')
        .filter(Boolean)
        .map((line) => Number(line.split(' ')[1])),
    )
    await Promise.all([influx.stop(), carbon.stop()])
  })
})

test('InfluxDB gets several requests at once, of --batch-points each', async () => {
  let [atOnce, most] = [0, 0]
  const influx = await startInfluxDouble(async () => {
    most = Math.max(most, ++atOnce)
    await sleep(50)
    atOnce--
    return { status: 204 }
  })
  await publishNumbers(bus, 'metrics-a', { to: 2000 })
  const consumer = consume(
    '--sink',
    'influx',
    '--output-host',
    influx.url,
    '--bucket',
    'b',
    '--token',
    't',
    '--batch-points',
    '100',
  )
  while (influx.stored.length < 2000) await sleep(20)
  expect(await consumer.stop()).toEqual({ code: 0, signal: null })
  expect(most).toBe(4)
  expect(influx.requests.map(({ body }) => body.split('\n').length - 1)).toEqual(Array(20).fill(100))
  await influx.stop()
})

describe('positions', () => {
  test('killed again and again: nothing is missing, and each time one batch at most comes again', async () => {
    const count = 80_000
    // What the embedded bus hands over at once (500 messages) is then 5,000 datapoints.
    await publishNumbers(bus, 'metrics-a', { to: count, perMessage: 10 })
    const printed: number[] = []
    for (const until of [10_000, 25_000, 45_000]) {
      const killed = consume()
      await killed.dataUntil(() => printed.length + killed.data.length >= until)
      await killed.stop('SIGKILL')
      printed.push(...numbersOf(killed.data))
    }
    const last = consume()
    await last.dataWhere(({ value }) => value === count)
    await last.stop()
    printed.push(...numbersOf(last.data))
    expectEachOf(count, printed)
    expect(printed.length - count).toBeLessThanOrEqual(3 * 5000)
  }, 60_000)

  test('several partitions at once with --consumer-threads, each in its order', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f']
    for (const key of keys)
      await publishNumbers(bus, 'metrics-a', { to: 5000, key, tags: [{ key: 'sender', value: key }] })
    const consumer = consume('--consumer-threads', '3')
    await consumer.dataUntil((data) => data.length >= 5000 * keys.length)
    await consumer.stop()
    for (const key of keys) {
      const own = numbersOf(consumer.data.filter(({ tags }) => tags.sender === key))
      expect(own).toEqual(Array.from({ length: 5000 }, (_, at) => 1 + at))
    }
  })

  test('a replay prints what was published in a span of time, ends by itself, and leaves the group where it was', async () => {
    await publishNumbers(bus, 'metrics-a', { from: 1, to: 100 })
    await tick()
    const from = new Date().toISOString()
    await publishNumbers(bus, 'metrics-a', { from: 101, to: 200 })
    await tick()
    const to = new Date().toISOString()
    await publishNumbers(bus, 'metrics-a', { from: 201, to: 300 })
    const replayFlags = ['--bus', 'embedded', '--bus-dir', temp.dir, '--group-id', 'g', '--from', from, '--to', to]
    const replay = startProgram(cli.path, ['consume', ...replayFlags])
    expect(await replay.ended).toEqual({ code: 0, signal: null })
    expect(numbersOf(replay.data)).toEqual(Array.from({ length: 100 }, (_, at) => 101 + at))
    const group = consume()
    await group.dataUntil((data) => data.length >= 300)
    await group.stop()
    expect(numbersOf(group.data)).toEqual(Array.from({ length: 300 }, (_, at) => 1 + at))
  })
})

describe('what is read', () => {
  test.each([
    ['all whose whole name matches the pattern', ['--kafka-topic-pattern', 'metrics-.'], [1, 2]],
    ['the listed ones, whatever their names', ['--kafka-topics', 'metrics-b,other'], [2, 4]],
  ])('topics: %s', async (_rule, flags, expected) => {
    for (const [topic, number] of Object.entries({ 'metrics-a': 1, 'metrics-b': 2, 'metrics-ccc': 3, other: 4 }))
      await publishNumbers(bus, topic, { from: number, to: number })
    const consumer = consume(...flags)
    await consumer.dataUntil((data) => data.length >= 2)
    await consumer.stop()
    expect(numbersOf(consumer.data).sort()).toEqual(expected)
  })

  test('a topic that is made after the start is read from its beginning, also by a new group that begins at the latest', async () => {
    await publishNumbers(bus, 'metrics-old', { to: 100 })
    const flags = ['--bus', 'embedded', '--bus-dir', temp.dir, '--from', 'latest', '--stats-print-period-ms', '50']
    const consumer = startProgram(cli.path, ['consume', ...flags])
    await consumer.logWhere(({ msg }) => msg === 'stats')
    await statsWhere(consumer, ({ lag }) => lag['metrics-old'] === 0)
    await publishNumbers(bus, 'metrics-new', { from: 101, to: 110 })
    await consumer.dataUntil((data) => data.length >= 10)
    await consumer.stop()
    expect(numbersOf(consumer.data)).toEqual([101, 102, 103, 104, 105, 106, 107, 108, 109, 110])
  })

  test('of these frameworks, and with null of none', async () => {
    const named = (value: string) => [{ key: 'framework_name', value }]
    const lists = [
      numberedList(1, 1, named('marathon')),
      numberedList(2, 2, named('cassandra')),
      numberedList(3, 3),
      numberedList(4, 4, named('chronos')),
    ]
    await bus.publish('metrics-a', [{ key: 'k', bytes: encodeContainerFile(lists) }])
    const consumer = consume('--framework-names', 'marathon,null')
    await consumer.dataUntil((data) => data.length >= 2)
    await consumer.stop()
    expect(numbersOf(consumer.data)).toEqual([1, 3])
    expect(ledgersAtExit(consumer.log).consume).toMatchObject({ received: 4, forwarded: 2, dropped: { filtered: 2 } })
  })
})

describe('messages that cannot be decoded', () => {
  test('are counted, told with their place and kept; reading goes on, and they do not come again', async () => {
    const letters = await mkdtemp(join(tmpdir(), 'dead-letters-'))
    const garbage = Buffer.alloc(400_000, 'garbage')
    const cut = encodeContainerFile([numberedList(1, 100)]).subarray(0, 500)
    const flags = ['--dead-letter-dir', letters, '--dead-letter-limit-mbytes', '1', '--stats-print-period-ms', '50']
    await bus.publish(
      'metrics-a',
      [garbage, garbage, cut, garbage].map((bytes) => ({ key: 'k', bytes })),
    )
    await publishNumbers(bus, 'metrics-a', { from: 7, to: 7 })
    const consumer = consume(...flags)
    await consumer.dataWhere(({ value }) => value === 7)
    const { total } = (await statsWhere(consumer, ({ lag }) => lag['metrics-a'] === 0)) as unknown as Stats
    await consumer.stop()
    expect(total).toMatchObject({ messages: 5, errors: 4 })
    const told = consumer.log.filter(({ msg }) => /cannot be decoded/.test(String(msg)))
    expect(told.map(({ topic, offset }) => [topic, offset])).toEqual(
      ['0', '1', '2', '3'].map((at) => ['metrics-a', at]),
    )
    expect(told.every(({ reason, partition }) => /\w{3}/.test(String(reason)) && typeof partition === 'number')).toBe(
      true,
    )
    // Three times 400 kB are more than the directory may keep: the oldest went.
    const names = (await readdir(letters)).map((name) => name.replace(/-\d+-(\d+)\.avro/, '@$1')).sort()
    expect(names).toEqual(['metrics-a@1', 'metrics-a@2', 'metrics-a@3'])
    const cutLetter = (await readdir(letters)).find((name) => name.endsWith('-2.avro')) ?? ''
    expect(await readFile(join(letters, cutLetter))).toEqual(cut)

    await publishNumbers(bus, 'metrics-a', { from: 8, to: 8 })
    const next = consume(...flags)
    await next.dataWhere(({ value }) => value === 8)
    await next.stop()
    expect(next.log.filter(({ msg }) => /cannot be decoded/.test(String(msg)))).toEqual([])
    await rm(letters, { recursive: true })
  })
})

describe('what is shown', () => {
  test('a line a period, and the same on /metrics; /ready follows the sink', async () => {
    const port = await unusedPort()
    await publishNumbers(bus, 'metrics-a', { to: 500 })
    await bus.publish('metrics-b', [{ key: 'k', bytes: Buffer.from('no container file') }])
    const consumer = consume(
      ...['--sink', 'graphite', ...graphiteAt(port), '--exit-on-connect-failure', 'false'],
      ...['--stats-print-period-ms', '100', '--admin-listen', '127.0.0.1:0'],
    )
    const { address } = await consumer.logWhere(({ msg }) => /^serving /.test(String(msg)))
    expect(await get(`${address}/health`)).toMatchObject({ status: 200 })
    const waiting = await consumerStats(consumer, ({ total }) => total.errors === 1)
    expect(waiting.total).toMatchObject({ messages: 6, lists: 5, datapoints: 500, errors: 1, forwarded: 0 })
    expect(waiting.total.bytes).toBeGreaterThan(5000)
    expect(waiting.lag).toMatchObject({ 'metrics-a': 5 })
    // A sink that has been away for ten seconds makes the process unready, with the reason.
    await soon(async () => (await get(`${address}/ready`)).status === 503)
    expect((await get(`${address}/ready`)).body).toMatch(/graphite.*ECONNREFUSED/)
    expect(figures((await get(`${address}/metrics`)).body, 'consume')).toMatchObject({
      'dcos_stats_consume_messages_total{topic="metrics-a"}': 5,
      'dcos_stats_consume_datapoints_total{topic="metrics-a"}': 500,
      'dcos_stats_consume_errors_total{topic="metrics-b"}': 1,
      'dcos_stats_consume_lag{topic="metrics-a"}': 5,
    })

    const carbon = await startCarbonDouble({ port })
    await carbon.until((text) => text.split('\n').length > 500)
    await soon(async () => (await get(`${address}/ready`)).status === 200)
    const done = await consumerStats(consumer, ({ lag }) => lag['metrics-a'] === 0)
    expect(done.total).toMatchObject({ datapoints: 500, forwarded: 500 })
    const still = await consumerStats(consumer, ({ recent }) => recent.datapoints === 0)
    expect(still.recent).toMatchObject({ messages: 0, lists: 0, bytes: 0, errors: 0 })
    await consumer.stop()
    await carbon.stop()
  }, 60_000)
})

/** The samples of a page of metrics whose name has this in it, by name and labels. */
function figures(page: string, part: string): Record<string, number> {
  const lines = page.split('\n').filter((line) => !line.startsWith('#') && line.includes(part))
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

async function get(url: string): Promise<{ status: number; body: string }> {
  const response = await fetch(url)
  return { status: response.status, body: await response.text() }
}

async function soon(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(50)
}

/** Until the clock has moved on, so that two times are not the same. */
const tick = () => sleep(20)

const consumerStats = async (program: Program, isMeant: (stats: Stats) => boolean) =>
  (await statsWhere(program, isMeant)) as unknown as Stats
