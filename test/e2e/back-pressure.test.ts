import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { watchMemory } from '../support/memory.js'
import { endPrograms, startProgram } from '../support/program.js'
import { type SilentServer, startSilentServer } from '../support/silent-server.js'

let cli: BuiltCli
let hangingKafka: SilentServer

beforeAll(async () => {
  cli = await buildCli()
  hangingKafka = await startSilentServer()
}, 60_000)
afterAll(async () => {
  await hangingKafka.close()
  await cli.remove()
})
afterEach(endPrograms)

test('a Kafka that never answers is felt by senders, not by the memory of the collector', async () => {
  const collector = startProgram(cli.path, [
    'collector',
    ...['--listen-endpoint', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--agent-polling=false'],
    ...['--input-limit-amount-kbytes', '100000000', '--global-limit-amount-kbytes', '100000000'],
    ...['--kafka-brokers', hangingKafka.address],
  ])
  const { address } = await collector.logWhere(({ msg }) => msg === 'taking in Avro streams')
  const { address: admin } = await collector.logWhere(({ msg }) => /^serving/.test(String(msg)))
  const ledger = async () => ((await (await fetch(`${admin}/ledger`)).json()) as { received: number }[])[0]
  const endpoint = ['--endpoint', String(address), '--connections', '4']
  const sender = startProgram(cli.path, ['emit', 'avro', ...endpoint, '--count', '1000000000'])
  const memory = watchMemory(collector.pid)

  // It has come to rest when for two seconds nothing more was taken in.
  let before = -1
  let now = 0
  while (now === 0 || now !== before) {
    before = now
    await new Promise((resolve) => setTimeout(resolve, 2000))
    now = (await ledger())?.received ?? 0
  }
  expect(await ledger()).toMatchObject({ received: now, forwarded: 0, dropped: {}, held: now })
  // 32 MiB of --queue-limit-kbytes, at least 16 bytes a datapoint.
  expect(now * 16).toBeLessThan(64 * 2 ** 20)
  const { residentMbytes } = memory.stop()
  expect(residentMbytes).toBeLessThan(256)
  await sender.stop('SIGKILL')
}, 60_000)
