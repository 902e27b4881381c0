import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StatsD } from 'hot-shots'
import { type SimulatedAgent, startSimulatedAgent } from '../../src/agent/simulated-agent.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { endPrograms, type PrintedDatapoint, type Program, startProgram } from '../support/program.js'

let cli: BuiltCli
let agent: SimulatedAgent
let dir: string

beforeAll(async () => {
  cli = await buildCli()
}, 60_000)
afterAll(() => cli.remove())

beforeEach(async () => {
  agent = await startSimulatedAgent()
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-e2e-'))
})
afterEach(async () => {
  await endPrograms()
  await agent.close()
  await rm(dir, { recursive: true, force: true })
})

const busFlags = () => ['--bus', 'embedded', '--bus-dir', join(dir, 'bus')]

function startCollector(port: number, ...more: string[]): Program {
  const flags = ['--listen-endpoint', `127.0.0.1:${port}`, '--kafka-produce-period-ms', '50', ...busFlags(), ...more]
  return startProgram(cli.path, ['collector', ...flags])
}

function startConsumer(group: string, ...more: string[]): Program {
  const flags = ['--sink', 'stdout', '--group-id', group, '--from', 'earliest', ...busFlags(), ...more]
  return startProgram(cli.path, ['consume', ...flags])
}

function startProxy(collectorPort: number): Program {
  return startProgram(cli.path, [
    'statsd-proxy',
    ...['--isolator-listen', '127.0.0.1:0', '--state-path-dir', join(dir, 'state'), '--agent-url', agent.url],
    ...['--output-collector-port', String(collectorPort), '--output-collector-chunk-timeout-seconds', '0.1'],
  ])
}

function emitNumbers(port: number, count: number): Program {
  return startProgram(cli.path, ['emit', 'avro', '--endpoint', `127.0.0.1:${port}`, '--count', String(count)])
}

const numbersOf = (data: readonly PrintedDatapoint[]) =>
  data.filter(({ name }) => name === 'numbered').map(({ value }) => Number(value))

function expectEachOf(count: number, numbers: readonly number[]) {
  const seen = new Set(numbers)
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((number) => !seen.has(number))
  expect({ missing, seen: seen.size }).toEqual({ missing: [], seen: count })
}

/** A port that was free a moment ago, for a peer that is to come later. */
function unusedPort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Announces a container as the isolator module does. */
async function announce(proxy: Program, containerId: string): Promise<{ statsd_host: string; statsd_port: number }> {
  const line = await proxy.logWhere(({ msg }) => msg === 'the isolator module can announce containers here')
  const [host, port] = String(line.address).split(':')
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path: '/container', method: 'POST' }, (response) => {
      let body = ''
      response.on('data', (piece) => {
        body += piece
      })
      response.on('end', () => resolve(JSON.parse(body)))
    })
    asked.on('error', reject).end(JSON.stringify({ container_id: containerId }))
  })
}

describe('the parts as processes of their own', () => {
  test('started in any order, each waits for the others and says so; then StatsD comes out with its container', async () => {
    const port = await unusedPort()
    const consumer = startConsumer('g')
    await consumer.logWhere(({ msg }) => /no such topic yet, waiting/.test(String(msg)))
    const proxy = startProxy(port)
    const [container] = agent.containers()
    const endpoint = await announce(proxy, container?.containerId ?? '')
    const client = new StatsD({ host: endpoint.statsd_host, port: endpoint.statsd_port })
    client.increment('before.the.collector')
    await proxy.logWhere(({ msg, cause }) => msg === 'waiting for collector' && /ECONNREFUSED/.test(String(cause)))

    const collector = startCollector(port, '--agent-url', agent.url)
    const early = await consumer.dataWhere(({ name }) => name === 'before.the.collector')
    expect(early.tags).toMatchObject({
      framework_id: container?.frameworkId,
      framework_name: container?.frameworkName,
      executor_id: container?.executorId,
      container_id: container?.containerId,
      agent_id: agent.agentId,
    })
    const emitter = startProgram(cli.path, ['emit', 'statsd', '--count', '200'], {
      STATSD_UDP_HOST: endpoint.statsd_host,
      STATSD_UDP_PORT: String(endpoint.statsd_port),
    })
    expect((await emitter.ended).code).toBe(0)
    await consumer.dataUntil((data) => data.filter(({ name }) => name === 'statsd_emitter.numbered').length >= 200)
    await new Promise((resolve) => client.close(resolve))

    for (const program of [proxy, collector, consumer]) expect(await program.stop()).toEqual({ code: 0, signal: null })
    expectBalanced(ledgersAtExit(proxy.log), ['statsd-proxy'])
    expectBalanced(ledgersAtExit(collector.log), ['collector'])
    expectBalanced(ledgersAtExit(consumer.log), ['consume'])
  }, 60_000)

  test('consumers of different groups each get everything, those of one group share it', async () => {
    const port = await unusedPort()
    const count = 20_000
    const alone = startConsumer('alone')
    const shared = [startConsumer('shared'), startConsumer('shared')]
    const collector = startCollector(port, '--agent-polling=false', '--kafka-produce-count', '1')
    // Several senders, so that there are several keys and with them several partitions to share.
    const senders = [1, 2, 3, 4].map((i) =>
      startProgram(cli.path, [
        'emit',
        'avro',
        ...['--endpoint', `127.0.0.1:${port}`, '--topic', `t${i}`, '--count', String(count / 4)],
      ]),
    )
    for (const sender of senders) expect((await sender.ended).code).toBe(0)
    await alone.dataUntil((data) => numbersOf(data).length >= count)
    let [first, second] = [0, 0]
    await Promise.race(
      shared.map((consumer, i) =>
        consumer.dataUntil((data) => {
          if (i === 0) first = numbersOf(data).length
          else second = numbersOf(data).length
          return first + second >= count
        }),
      ),
    )
    const byTopic = (data: readonly PrintedDatapoint[]) =>
      [1, 2, 3, 4].map((i) => numbersOf(data.filter(({ topic }) => topic === `t${i}`)))
    const all = [...(shared[0]?.data ?? []), ...(shared[1]?.data ?? [])]
    for (const data of [alone.data, all]) for (const numbers of byTopic(data)) expectEachOf(count / 4, numbers)
    await collector.stop()
  }, 60_000)

  test('a consumer that was killed goes on where it had committed', async () => {
    const port = await unusedPort()
    const count = 30_000
    startCollector(port, '--agent-polling=false')
    const sender = emitNumbers(port, count)
    const first = startConsumer('g')
    await first.dataUntil((data) => numbersOf(data).length >= 1000)
    await first.stop('SIGKILL')
    const before = numbersOf(first.data)
    const second = startConsumer('g')
    await sender.ended
    await second.dataUntil((data) => new Set([...before, ...numbersOf(data)]).size >= count)
    expectEachOf(count, [...before, ...numbersOf(second.data)])
    // It did not begin anew: what had been committed before is not there again.
    expect(numbersOf(second.data).length).toBeLessThan(count + before.length)
  }, 60_000)

  test('a collector that was killed loses nothing that it had published', async () => {
    const port = await unusedPort()
    const count = 500_000
    const collector = startCollector(port, '--agent-polling=false')
    const consumer = startConsumer('before')
    const sender = emitNumbers(port, count)
    await consumer.dataUntil((data) => numbersOf(data).length >= 5000)
    await collector.stop('SIGKILL')
    await sender.stop('SIGKILL')
    const published = new Set(numbersOf(consumer.data))
    const later = startConsumer('after')
    await later.dataUntil((data) => new Set(numbersOf(data)).size >= published.size)
    const found = new Set(numbersOf(later.data))
    expect([...published].filter((number) => !found.has(number))).toEqual([])
    // And a new one goes on in the same directory.
    startCollector(port, '--agent-polling=false')
    const again = startProgram(cli.path, [
      'emit',
      'avro',
      '--endpoint',
      `127.0.0.1:${port}`,
      '--topic',
      'again',
      '--count',
      '10',
    ])
    expect((await again.ended).code).toBe(0)
    await later.dataUntil((data) => data.filter(({ topic }) => topic === 'again').length >= 10)
  }, 60_000)
})
