import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { watchMemory } from '../support/memory.js'
import { endPrograms } from '../support/program.js'
import { emitNumbers, startCollector } from './support/collector-stack.js'
import { type KafkaBroker, startKafkaBroker } from './support/kafka-broker.js'
import { uniqueName } from './support/kafka-bus.js'

let cli: BuiltCli
let kafka: KafkaBroker

beforeAll(async () => {
  cli = await buildCli()
  kafka = await startKafkaBroker()
})
afterAll(async () => {
  await kafka?.stop()
  await cli?.remove()
})
afterEach(endPrograms)

const awayMs = 60_000
/** With the usual 32 MiB of --queue-limit-kbytes. */
const boundMbytes = 256

test.each<[what: string, leave: () => Promise<void> | void, comeBack: () => Promise<void> | void]>([
  ['stopped', () => kafka.freeze(), () => kafka.thaw()],
  ['killed', () => kafka.kill(), () => kafka.start()],
])('a broker %s for 60 s under load: senders wait, memory stays below 256 MiB, /ready tells, nothing is lost', async (_what, leave, comeBack) => {
  const topic = uniqueName('slow')
  const collector = await startCollector(cli.path, kafka.brokers, '--kafka-single-topic', topic)
  const sender = emitNumbers(cli.path, collector.endpoint, '--connections', '10', '--count', '1000000000')
  while ((await collector.ledger()).forwarded < 100_000) await sleep(50)
  await leave()
  const memory = watchMemory(collector.program.pid)
  await sleep(15_000)
  const early = await collector.ledger()
  const { checks } = await collector.ready()
  expect(checks.bus).toMatchObject({ ready: false, reason: expect.any(String) })
  await sleep(awayMs - 15_000)
  // The sender is as fast as it can be: had it not been made to wait, there would be millions more by now.
  const late = await collector.ledger()
  expect(late.received - early.received).toBeLessThan(100_000)
  expect(late.dropped).toEqual({})
  const { residentMbytes } = memory.stop()
  process.stdout.write(`${topic}: ${late.held} datapoints held, up to ${Math.round(residentMbytes)} MiB\n`)
  expect(residentMbytes).toBeLessThan(boundMbytes)
  await comeBack()
  while ((await collector.ledger()).forwarded < late.received + 100_000) await sleep(50)
  expect((await collector.ready()).checks.bus).toEqual({ ready: true })
  await sender.stop()
  await collector.untilEmpty()
  const { received, forwarded, dropped } = await collector.ledger()
  expect({ forwarded, dropped }).toEqual({ forwarded: received, dropped: {} })
})

test('with a spool senders need not wait: the disk is bounded, memory as well, and what did not fit is counted', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'dcos-stats-spool-'))
  const topic = uniqueName('spooled')
  const flags = ['--kafka-single-topic', topic, '--spool-dir', dir, '--spool-limit-mbytes', '100']
  const collector = await startCollector(cli.path, kafka.brokers, ...flags)
  const sender = emitNumbers(cli.path, collector.endpoint, '--connections', '10', '--count', '1000000000')
  while ((await collector.ledger()).forwarded < 100_000) await sleep(50)
  kafka.freeze()
  const memory = watchMemory(collector.program.pid)
  while ((await collector.ledger()).dropped.queue_full === undefined) await sleep(200)
  await sleep(5000)
  const { size } = await stat(join(dir, 'data', 'data.mdb'))
  const { ownMbytes } = memory.stop()
  const figures = `${Math.round(size / 2 ** 20)} MiB on disk, up to ${Math.round(ownMbytes)} MiB of its own memory`
  process.stdout.write(`${topic}: ${figures}\n`)
  expect(size).toBeLessThan(120 * 2 ** 20)
  expect(ownMbytes).toBeLessThan(boundMbytes)
  await sender.stop()
  kafka.thaw()
  await collector.untilEmpty()
  const { received, forwarded, dropped } = await collector.ledger()
  expect(forwarded + (dropped.queue_full ?? 0)).toBe(received)
  await collector.program.stop()
  await rm(dir, { recursive: true })
})
