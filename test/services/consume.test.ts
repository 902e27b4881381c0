import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '../../src/bus/bus.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { expectEachOf, numbersOf, publishNumbers } from '../support/numbers.js'
import { endPrograms, type JsonLine, type Program, startProgram } from '../support/program.js'
import { startCarbon } from './support/carbon.js'
import { emitNumbers, startCollector } from './support/collector-stack.js'
import { startInfluxd } from './support/influxd.js'
import { type KafkaBroker, startKafkaBroker } from './support/kafka-broker.js'
import { openTestBus, uniqueName } from './support/kafka-bus.js'

let cli: BuiltCli
let kafka: KafkaBroker

beforeAll(async () => {
  cli = await buildCli()
  // A member that was killed holds its partitions until its session ends: two seconds, where Kafka usually wants six at least.
  kafka = await startKafkaBroker({ properties: { 'group.min.session.timeout.ms': '1000' } })
})
afterAll(async () => {
  await kafka?.stop()
  await cli?.remove()
})
afterEach(endPrograms)

/** A consumer of one topic, soon replaced where it is killed. */
function consume(topic: string, ...more: string[]): Program {
  const reading = ['--kafka-brokers', kafka.brokers.join(), '--kafka-topics', topic, '--from', 'earliest']
  const group = ['--kafka-session-timeout-ms', '2000', '--kafka-heartbeat-interval-ms', '300']
  return startProgram(cli.path, ['consume', ...reading, ...group, '--stats-print-period-ms', '20', ...more])
}

interface Stats extends JsonLine {
  readonly total: Readonly<Record<'messages' | 'datapoints' | 'errors' | 'forwarded', number>>
  readonly lag: Readonly<Record<string, number>>
}

function statsWhere(program: Program, isMeant: (stats: Stats) => boolean): Promise<JsonLine> {
  return program.logWhere((line) => line.msg === 'stats' && isMeant(line as Stats))
}

/** Starts it, kills it as soon as the sink has taken something, three times over, and then lets it live. */
async function killedThrice(start: () => Program): Promise<Program[]> {
  const lives: Program[] = []
  for (let kill = 0; kill < 3; kill++) {
    const program = start()
    lives.push(program)
    await statsWhere(program, ({ total }) => total.forwarded > 0)
    expect(await program.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })
  }
  return [...lives, start()]
}

describe('100,000 numbered datapoints through collector and Kafka, the consumer killed three times on the way', () => {
  const count = 100_000
  // Some thousand datapoints at once, so that each kill comes early.
  const smallBatches = ['--kafka-max-poll-records', '2']

  /** Paced, so that they are many messages. The topic is then `metrics-<name>`. */
  async function emitThroughCollector(name: string, ...flags: string[]): Promise<() => Promise<void>> {
    const collector = await startCollector(cli.path, kafka.brokers)
    const load = ['--topic', name, '--count', String(count), '--rate', '12000']
    const sender = emitNumbers(cli.path, collector.endpoint, ...load, ...flags)
    return async () => {
      expect((await sender.ended).code).toBe(0)
      while ((await collector.ledger()).received < count) await sleep(50)
      await collector.untilEmpty()
      await collector.program.stop()
      expectBalanced(ledgersAtExit(collector.program.log), ['collector'])
    }
  }

  test('stdout: every number is printed', async () => {
    const name = uniqueName('stdout')
    const allSent = await emitThroughCollector(name)
    const lives = await killedThrice(() => consume(`metrics-${name}`, '--sink', 'stdout', ...smallBatches))
    await allSent()
    const printed = () => new Set(lives.flatMap(({ data }) => numbersOf(data)))
    await lives.at(-1)?.dataUntil(() => printed().size === count)
    expect(await lives.at(-1)?.stop()).toEqual({ code: 0, signal: null })
    expectEachOf(count, printed())
    for (const { data } of lives) expect(data.length).toBeGreaterThan(0)
  })

  test('InfluxDB: every number is found by a query', async () => {
    const influxd = await startInfluxd()
    try {
      const name = uniqueName('influx')
      const sink = ['--sink', 'influx', '--output-host', '127.0.0.1', '--output-port', String(influxd.port)]
      const allSent = await emitThroughCollector(name)
      const lives = await killedThrice(() =>
        consume(
          `metrics-${name}`,
          ...sink,
          '--output-database',
          'metrics',
          '--on-collision',
          'spread',
          ...smallBatches,
        ),
      )
      await allSent()
      const counting = () => influxd.query('SELECT COUNT(DISTINCT(numbered)) FROM dcos', { db: 'metrics' })
      while (Number((await counting())[0]?.values[0]?.[1]) < count) await sleep(200)
      expect(await lives.at(-1)?.stop()).toEqual({ code: 0, signal: null })
      const [stored] = await influxd.query('SELECT numbered FROM dcos', { db: 'metrics' })
      expectEachOf(count, stored?.values.map(([, value]) => Number(value)) ?? [])
    } finally {
      await influxd.stop()
    }
  })

  test("Graphite: every number is found in carbon's file", async () => {
    // Carbon keeps one value a second: each number has a second of its own, and all together take more than a day.
    const carbon = await startCarbon({ days: 2 })
    try {
      const name = uniqueName('graphite')
      const allSent = await emitThroughCollector(name, '--step-ms', '1000')
      const lives = await killedThrice(() =>
        consume(
          `metrics-${name}`,
          ...['--sink', 'graphite', '--output-host', '127.0.0.1', '--output-port', String(carbon.linePort)],
          ...smallBatches,
        ),
      )
      await allSent()
      const values = await carbon.valuesWhen(count, 'numbered', 0, 2 ** 32)
      expect(await lives.at(-1)?.stop()).toEqual({ code: 0, signal: null })
      expectEachOf(count, values.values())
    } finally {
      await carbon.stop()
    }
  })
})

describe('positions', () => {
  let bus: Bus

  beforeAll(async () => {
    bus = (await openTestBus(kafka.brokers, { createTopics: { partitions: 4, replication: 1 } })).bus
  })
  afterAll(() => bus?.close())

  test('killed three times: at most one batch of each partition comes again each time', async () => {
    const topic = uniqueName('repeats')
    const [perMessage, perBatch, partitions, perKey] = [10, 20, 4, 5000]
    const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']
    for (const [at, key] of keys.entries())
      await publishNumbers(bus, topic, { from: at * perKey + 1, to: (at + 1) * perKey, perMessage, key })
    const flags = ['--kafka-max-poll-records', String(perBatch), '--consumer-threads', String(partitions)]
    const lives = await killedThrice(() => consume(topic, '--group-id', topic, ...flags))
    const printed = () => lives.flatMap(({ data }) => numbersOf(data))
    const count = perKey * keys.length
    await lives.at(-1)?.dataUntil(() => new Set(printed()).size === count)
    await lives.at(-1)?.stop()
    expectEachOf(count, printed())
    expect(printed().length - count).toBeLessThanOrEqual(3 * partitions * perBatch * perMessage)
  })

  test('a replay of a span of time ends by itself and leaves the group where it was', async () => {
    const topic = uniqueName('replay')
    await publishNumbers(bus, topic, { from: 1, to: 100 })
    await sleep(20)
    const from = new Date().toISOString()
    await publishNumbers(bus, topic, { from: 101, to: 200 })
    await sleep(20)
    const to = new Date().toISOString()
    await publishNumbers(bus, topic, { from: 201, to: 300 })
    const group = consume(topic, '--group-id', topic)
    await group.dataUntil((data) => data.length >= 300)
    await group.stop()
    const replay = consume(topic, '--group-id', topic, '--from', from, '--to', to)
    expect(await replay.ended).toEqual({ code: 0, signal: null })
    expect(numbersOf(replay.data)).toEqual(Array.from({ length: 100 }, (_, at) => 101 + at))
    await publishNumbers(bus, topic, { from: 301, to: 301 })
    const next = consume(topic, '--group-id', topic)
    await next.dataUntil((data) => data.length > 0)
    await next.stop()
    expect(numbersOf(next.data)).toEqual([301])
  })

  test('with the variables of the first consumers; what cannot be decoded is kept, and does not come again', async () => {
    const letters = await mkdtemp(join(tmpdir(), 'dead-letters-'))
    const topic = uniqueName('garbage')
    const garbage = Buffer.from('this is no container file')
    await bus.publish(topic, [{ key: 'k', bytes: garbage }])
    await publishNumbers(bus, topic, { from: 1, to: 1 })
    const start = () =>
      startProgram(cli.path, ['consume', '--dead-letter-dir', letters], {
        KAFKA_OVERRIDE_BOOTSTRAP_SERVERS: kafka.brokers.join(),
        KAFKA_OVERRIDE_GROUP_ID: topic,
        KAFKA_OVERRIDE_AUTO_OFFSET_RESET: 'earliest',
        KAFKA_TOPICS: topic,
      })
    const first = start()
    await first.dataWhere(({ value }) => value === 1)
    await first.stop()
    const told = first.log.filter(({ msg }) => /cannot be decoded/.test(String(msg)))
    expect(told).toMatchObject([{ topic, offset: '0', reason: expect.stringMatching(/\w{3}/) }])
    const [name = ''] = await readdir(letters)
    expect(await readFile(join(letters, name))).toEqual(garbage)
    await publishNumbers(bus, topic, { from: 2, to: 2 })
    const second = start()
    await second.dataWhere(({ value }) => value === 2)
    await second.stop()
    expect(numbersOf(second.data)).toEqual([2])
    expect(second.log.filter(({ msg }) => /cannot be decoded/.test(String(msg)))).toEqual([])
    await rm(letters, { recursive: true })
  })

  test('the broker is restarted under it: it goes on by itself', async () => {
    const topic = uniqueName('restarted')
    await publishNumbers(bus, topic, { from: 1, to: 100 })
    const consumer = consume(topic, '--group-id', topic)
    await consumer.dataUntil((data) => data.length >= 100)
    await kafka.kill()
    await kafka.start()
    await publishNumbers(bus, topic, { from: 101, to: 200 })
    await consumer.dataUntil((data) => new Set(numbersOf(data)).size === 200)
    expect(await consumer.stop()).toEqual({ code: 0, signal: null })
    expectBalanced(ledgersAtExit(consumer.log), ['consume'])
  })
})
