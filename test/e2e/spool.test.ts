import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { expectEachOf, numbersOf } from '../support/numbers.js'
import { endPrograms, type PrintedDatapoint, type Program, startProgram } from '../support/program.js'
import { type SilentServer, startSilentServer } from '../support/silent-server.js'

let cli: BuiltCli
let dir: string
let hangingKafka: SilentServer

beforeAll(async () => {
  cli = await buildCli()
}, 60_000)
afterAll(() => cli.remove())

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-e2e-'))
  hangingKafka = await startSilentServer()
})
afterEach(async () => {
  await endPrograms()
  await hangingKafka.close()
  await rm(dir, { recursive: true, force: true })
})

const spooled = () => ['--spool-dir', join(dir, 'spool')]
const toKafka = () => ['--bus', 'kafka', '--kafka-brokers', hangingKafka.address]
const toEmbedded = () => ['--bus', 'embedded', '--bus-dir', join(dir, 'bus')]
const unlimited = ['--input-limit-amount-kbytes', '1000000', '--global-limit-amount-kbytes', '1000000']

async function startCollector(flags: readonly string[], wrapper: readonly string[] = []) {
  const own = ['--listen-endpoint', '127.0.0.1:0', '--agent-polling=false', '--kafka-produce-period-ms', '50']
  const admin = ['--admin-listen', '127.0.0.1:0', '--shutdown-timeout-ms', '2000']
  const program = startProgram(cli.path, ['collector', ...own, ...admin, ...unlimited, ...flags], {}, wrapper)
  const { address } = await program.logWhere(({ msg }) => msg === 'taking in Avro streams')
  const { address: adminUrl } = await program.logWhere(({ msg }) => /^serving/.test(String(msg)))
  return { program, endpoint: String(address), adminUrl: String(adminUrl) }
}

function emit(endpoint: string, count: number, ...flags: string[]): Program {
  return startProgram(cli.path, ['emit', 'avro', '--endpoint', endpoint, '--count', String(count), ...flags])
}

function startConsumer(): Program {
  const flags = ['--sink', 'stdout', '--group-id', 'g', '--from', 'earliest', ...toEmbedded()]
  return startProgram(cli.path, ['consume', ...flags])
}

async function ledgerOf(adminUrl: string) {
  const [ledger] = (await (await fetch(`${adminUrl}/ledger`)).json()) as Record<string, number>[]
  return ledger ?? {}
}

async function untilReceived(adminUrl: string, count: number): Promise<void> {
  const giveUpMs = performance.now() + 20_000
  for (;;) {
    const { received = 0 } = await ledgerOf(adminUrl)
    if (received >= count) return
    if (performance.now() > giveUpMs) throw new Error(`received ${received} of ${count}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('--spool-dir', () => {
  test('what a killed collector had taken in while the bus was away is sent by the next one', async () => {
    const count = 200_000
    const first = await startCollector([...toKafka(), ...spooled()])
    const sender = emit(first.endpoint, count)
    expect((await sender.ended).code).toBe(0)
    await untilReceived(first.adminUrl, count)
    const metrics = await (await fetch(`${first.adminUrl}/metrics`)).text()
    expect(metrics).toMatch(/^dcos_stats_collector_spool_datapoints \d+$/m)
    await first.program.stop('SIGKILL')

    const second = await startCollector([...toEmbedded(), ...spooled()])
    const consumer = startConsumer()
    await consumer.dataUntil((data) => data.length >= count)
    expectEachOf(count, numbersOf(consumer.data))
    const found = await second.program.logWhere(({ msg }) => /^the spool holds datapoints/.test(String(msg)))
    expect(found.datapoints).toBe(count)
    await second.program.stop()
    const { collector } = ledgersAtExit(second.program.log)
    expectBalanced(ledgersAtExit(second.program.log), ['collector'])
    expect(collector).toMatchObject({ received: count, forwarded: count, held: 0 })
    // What the bus got twice is at most what the ledger says.
    expect(numbersOf(consumer.data).length - count).toBeLessThanOrEqual(collector?.repeated ?? 0)
  }, 60_000)

  test('so is what an orderly end leaves; the ledger has it as held, and the exit code is 0', async () => {
    const first = await startCollector([...toKafka(), ...spooled()])
    expect((await emit(first.endpoint, 1000).ended).code).toBe(0)
    await untilReceived(first.adminUrl, 1000)
    expect(await first.program.stop()).toEqual({ code: 0, signal: null })
    expect(ledgersAtExit(first.program.log).collector).toMatchObject({ received: 1000, dropped: {}, held: 1000 })
    const second = await startCollector([...toEmbedded(), ...spooled()])
    const consumer = startConsumer()
    await consumer.dataUntil((data) => data.length >= 1000)
    await second.program.stop()
    expectEachOf(1000, numbersOf(consumer.data))
  }, 60_000)

  test('a collector that is killed again and again while all works loses nothing that it had on disk', async () => {
    const taken: number[] = []
    const consumer = startConsumer()
    for (let round = 0; round < 3; round++) {
      const { program, endpoint, adminUrl } = await startCollector([...toEmbedded(), ...spooled()])
      const { received: before = 0 } = await ledgerOf(adminUrl)
      const sender = emit(endpoint, 1_000_000, '--rate', '10000', '--topic', `round${round}`)
      await untilReceived(adminUrl, before + 5000)
      const { received = 0 } = await ledgerOf(adminUrl)
      // What had come in by then is on disk or on the bus now, and more is on its way.
      await new Promise((resolve) => setTimeout(resolve, 200))
      await program.stop('SIGKILL')
      await sender.stop('SIGKILL')
      taken.push(received - before)
    }
    const last = await startCollector([...toEmbedded(), ...spooled()])
    for (const [round, count] of taken.entries()) {
      await consumer.dataUntil((data) => firstNumbersOf(data, `round${round}`, count).length === count)
    }
    await last.program.stop()
    expectBalanced(ledgersAtExit(last.program.log), ['collector'])
  }, 60_000)

  test('a second collector with the same directory is refused with 78', async () => {
    await startCollector([...toKafka(), ...spooled()])
    const second = startProgram(cli.path, ['collector', '--listen-endpoint', '127.0.0.1:0', ...toKafka(), ...spooled()])
    expect(await second.ended).toEqual({ code: 78, signal: null })
    expect(second.stderr.join('\n')).toMatch(/belongs to another collector: the process \d+ uses it/)
  }, 30_000)

  test('on a full disk everything still goes to the bus, and it says so', async () => {
    // 4,000 blocks of 512 bytes (POSIX: ulimit -f); the signal that comes with it would end the process before it can tell.
    const fullDisk = ['sh', '-c', 'trap "" XFSZ; ulimit -f 4000; exec "$0" "$@"']
    const flags = ['--bus', 'none', ...spooled(), '--kafka-produce-period-ms', '300']
    const { program, endpoint, adminUrl } = await startCollector(flags, fullDisk)
    const count = 500_000
    expect((await emit(endpoint, count).ended).code).toBe(0)
    await program.logWhere(({ msg }) => /^the spool cannot be written/.test(String(msg)))
    await untilReceived(adminUrl, count)
    expect(await program.stop()).toEqual({ code: 0, signal: null })
    expect(ledgersAtExit(program.log).collector).toMatchObject({
      received: count,
      forwarded: count,
      dropped: {},
      held: 0,
    })
  }, 60_000)

  test('on a full disk, while the bus is away too, senders wait and nothing is dropped', async () => {
    const fullDisk = ['sh', '-c', 'trap "" XFSZ; ulimit -f 4000; exec "$0" "$@"']
    const { program, endpoint, adminUrl } = await startCollector(
      [...toKafka(), ...spooled(), '--queue-limit-kbytes', '1024'],
      fullDisk,
    )
    emit(endpoint, 5_000_000)
    await program.logWhere(({ msg }) => /^the spool cannot be written/.test(String(msg)))
    let before = -1
    let now = 0
    while (now !== before) {
      before = now
      await new Promise((resolve) => setTimeout(resolve, 1500))
      now = (await ledgerOf(adminUrl)).received ?? 0
    }
    expect(now).toBeGreaterThan(0)
    expect(now).toBeLessThan(1_000_000)
    expect(await ledgerOf(adminUrl)).toMatchObject({ received: now, forwarded: 0, dropped: {}, held: now })
  }, 60_000)
})

/** Those of 1 to `count` that have come with a topic. */
function firstNumbersOf(data: readonly PrintedDatapoint[], topic: string, count: number): number[] {
  return [...new Set(numbersOf(data.filter((point) => point.topic === topic)))].filter((number) => number <= count)
}
