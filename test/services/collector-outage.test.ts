import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { expectEachOf, numbersOf } from '../support/numbers.js'
import { endPrograms } from '../support/program.js'
import { emitNumbers, startCollector, startConsumer, untilQuiet } from './support/collector-stack.js'
import { type KafkaBroker, startKafkaBroker } from './support/kafka-broker.js'
import { uniqueName } from './support/kafka-bus.js'

let cli: BuiltCli
let kafka: KafkaBroker
let dir: string

beforeAll(async () => {
  cli = await buildCli()
  kafka = await startKafkaBroker()
})
afterAll(async () => {
  await kafka?.stop()
  await cli?.remove()
})

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-outage-'))
})
afterEach(async () => {
  await endPrograms()
  await rm(dir, { recursive: true, force: true })
})

const spool = () => ['--spool-dir', join(dir, 'spool')]
const rate = 5000
const count = 100_000

const outages: [what: string, outage: () => Promise<void>][] = [
  [
    'killed and restarted',
    async () => {
      await kafka.kill()
      await sleep(5000)
      await kafka.start()
    },
  ],
  [
    'killed and restarted three times',
    async () => {
      for (let i = 0; i < 3; i++) {
        await kafka.kill()
        await kafka.start()
        await sleep(500)
      }
    },
  ],
  [
    'hanging for longer than a request may take',
    async () => {
      kafka.freeze()
      await sleep(12_000)
      kafka.thaw()
    },
  ],
]

describe.each(outages)('a broker that is %s while numbered datapoints flow', (_what, outage) => {
  test.each([
    ['without a spool', () => []],
    ['with a spool', spool],
  ])('%s: every number is there, and the ledger says how many at most are there twice', async (_how, flags) => {
    const topic = uniqueName('outage')
    const impatient = ['--kafka-request-timeout-ms', '5000']
    const collector = await startCollector(cli.path, kafka.brokers, ...to(topic), ...impatient, ...flags())
    const sender = emitNumbers(cli.path, collector.endpoint, '--rate', String(rate), '--count', String(count))
    while ((await collector.ledger()).forwarded < rate) await sleep(50)
    await outage()
    expect((await sender.ended).code).toBe(0)
    while ((await collector.ledger()).received < count) await sleep(50)
    await collector.untilEmpty()
    expect(await collector.program.stop()).toEqual({ code: 0, signal: null })
    const ledgers = ledgersAtExit(collector.program.log)
    expectBalanced(ledgers, ['collector'])
    expect(ledgers.collector).toMatchObject({ received: count, forwarded: count, dropped: {}, held: 0 })
    await expectInKafka(topic, ledgers.collector?.repeated ?? 0)
  })
})

test('a collector that is killed while the broker is away: the next one sends what was on disk', async () => {
  const topic = uniqueName('killed')
  const first = await startCollector(cli.path, kafka.brokers, ...to(topic), ...spool())
  const { port } = new URL(`http://${first.endpoint}`)
  const sender = emitNumbers(cli.path, first.endpoint, '--rate', String(rate), '--count', String(count))
  while ((await first.ledger()).forwarded < rate) await sleep(50)
  await kafka.kill()
  await sleep(3000)
  const { forwarded } = await first.ledger()
  await first.program.stop('SIGKILL')
  // On the same address: the sender sends again what it cannot be sure of, and goes on.
  const second = await startCollector(
    cli.path,
    kafka.brokers,
    ...to(topic),
    ...spool(),
    '--listen-endpoint',
    `127.0.0.1:${port}`,
  )
  await sleep(2000)
  await kafka.start()
  expect((await sender.ended).code).toBe(0)
  await second.untilEmpty()
  await second.program.stop()
  const { collector } = ledgersAtExit(second.program.log)
  expectBalanced(ledgersAtExit(second.program.log), ['collector'])
  const found = second.program.log.find(({ msg }) => /^the spool holds datapoints/.test(String(msg)))
  expect(Number(found?.datapoints)).toBeGreaterThan(rate)
  // What the sender repeats comes on top, and is the sender's to say.
  const sentAgain = forwarded + (collector?.forwarded ?? 0) - count
  await expectInKafka(topic, (collector?.repeated ?? 0) + Math.max(0, sentAgain))
})

function to(topic: string): string[] {
  return ['--kafka-single-topic', topic]
}

async function expectInKafka(topic: string, atMostTwice: number): Promise<void> {
  const consumer = startConsumer(cli.path, kafka.brokers, topic, uniqueName('group'))
  await untilQuiet(consumer, count)
  const numbers = numbersOf(consumer.data)
  expectEachOf(count, numbers)
  const twice = numbers.length - count
  process.stdout.write(`${topic}: ${twice} of ${count} twice, the ledger allows for ${atMostTwice}\n`)
  expect(twice).toBeLessThanOrEqual(atMostTwice)
}
