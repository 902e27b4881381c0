import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avsc from 'avsc'
import { type SimulatedAgent, startSimulatedAgent } from '../../src/agent/simulated-agent.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { parseExposition } from '../support/exposition.js'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { until } from '../support/partner.js'
import { endPrograms, type Program, startProgram } from '../support/program.js'
import { createUdpEndpoints, type SeenSocket } from '../support/udp-endpoint.js'

const count = 2000

let cli: BuiltCli
let agent: SimulatedAgent
let dir: string
let datadog: SeenSocket

beforeAll(async () => {
  cli = await buildCli()
}, 60_000)
afterAll(() => cli.remove())

beforeEach(async () => {
  agent = await startSimulatedAgent()
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-e2e-'))
  const { openSocket, sockets } = createUdpEndpoints()
  await openSocket({ port: 0, owner: { status: 'unknown' } })
  datadog = sockets[0]!
})
afterEach(async () => {
  await endPrograms()
  await datadog.close()
  await agent.close()
  await rm(dir, { recursive: true, force: true })
})

test('while Kafka is away, every partner on the node gets every datapoint, with the tags of the agent', async () => {
  const collector = startProgram(cli.path, [
    'collector',
    ...['--listen-endpoint', '127.0.0.1:0', '--agent-url', agent.url, '--agent-poll-period', '1'],
    ...['--kafka-brokers', `127.0.0.1:${await unusedPort()}`, '--shutdown-timeout-ms', '500'],
    ...['--partner-listen', `unix:${dir}/partner.sock`, '--partner-prometheus', '127.0.0.1:0'],
    ...['--partner-statsd', `127.0.0.1:${datadog.port}`],
  ])
  const stream = await readStream(collector)
  const metrics = await metricsUrl(collector)
  // Before the first answer of the agent, lists would only be tagged with that.
  await until(() => stream.some(({ topic }) => topic === 'agent'))
  const { address } = await collector.logWhere(({ msg }) => msg === 'taking in Avro streams')
  const emitter = startProgram(cli.path, ['emit', 'avro', '--endpoint', String(address), '--count', String(count)])
  expect((await emitter.ended).code).toBe(0)

  const numbered = () => stream.flatMap(({ datapoints }) => datapoints).filter(({ name }) => name === 'numbered')
  await until(() => numbered().length === count)
  expect(numbered().map(({ value }) => value)).toEqual(Array.from({ length: count }, (_, n) => n + 1))
  const list = stream.find(({ datapoints }) => datapoints.some(({ name }) => name === 'numbered'))!
  const { agentId } = agent
  expect(list.tags.map(({ key, value }) => `${key}=${value}`)).toContain(`agent_id=${agentId}`)

  const lines = () => datadog.packets.flatMap((packet) => packet.split('\n'))
  await until(() => lines().some((line) => line.startsWith(`numbered:${count}|g|#`)))
  expect(lines().find((line) => line.startsWith('numbered:1|g'))).toContain(`agent_id:${agentId}`)

  const samples = parseExposition(await (await fetch(metrics)).text())
  const newest = samples.find(({ name }) => name === 'numbered')
  expect(newest).toMatchObject({ value: count, labels: { agent_id: agentId } })
  expect(samples.filter(({ name }) => name.startsWith('dcos_metrics_agent_')).length).toBeGreaterThan(10)

  await collector.stop()
  const ledgers = ledgersAtExit(collector.log)
  expectBalanced(ledgers, ['collector'])
  expect(ledgers.collector).toMatchObject({ forwarded: 0, dropped: { queue_full: expect.any(Number) } })
})

test('a partner address that is taken ends the start with 69 and names the option', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const collector = startProgram(cli.path, [
    'collector',
    ...['--listen-endpoint', '127.0.0.1:0', '--bus', 'none', '--agent-polling=false'],
    ...['--partner-prometheus', `127.0.0.1:${port}`],
  ])
  expect((await collector.ended).code).toBe(69)
  expect(collector.stderr.join('\n')).toMatch(/--partner-prometheus 127\.0\.0\.1:\d+ cannot be used: the port is taken/)
  taken.close()
})

interface ForeignList {
  topic: string
  tags: { key: string; value: string }[]
  datapoints: { name: string; value: number }[]
}

async function readStream(collector: Program): Promise<ForeignList[]> {
  await collector.logWhere(({ msg }) => msg === 'partners can read the outgoing lists here')
  const lists: ForeignList[] = []
  const socket = connect({ path: `${dir}/partner.sock` })
  const decoder = new avsc.streams.BlockDecoder()
  decoder.on('data', (list: ForeignList) => lists.push(list))
  socket.pipe(decoder)
  await once(decoder, 'metadata')
  return lists
}

async function metricsUrl(collector: Program): Promise<string> {
  const { address } = await collector.logWhere(({ msg }) => msg === 'partners can scrape the newest values here')
  return String(address)
}

/** A port that was free a moment ago: nobody is behind it. */
async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
