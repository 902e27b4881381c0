import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { StatsD } from 'hot-shots'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { expectBalanced, ledgersAtExit } from '../support/ledgers.js'
import { endPrograms, type Program, startProgram } from '../support/program.js'

let cli: BuiltCli
beforeAll(async () => {
  cli = await buildCli()
}, 60_000)
afterAll(() => cli.remove())
afterEach(endPrograms)

const hops = ['statsd-proxy', 'collector', 'consume']

/** What a newcomer reads on stderr once everything runs. */
async function runningLine(stack: Program) {
  const line = await stack.logWhere(({ msg }) => msg === 'running')
  return line as unknown as { parts: Record<string, string>; containers: Record<string, string>; tryIt: string }
}

function portOf(address: string): number {
  return Number(address.split(':').at(-1))
}

describe('local-stack', () => {
  test('--duration ends it by itself: metrics of every kind, all tagged, and a balanced ledger of every hop', async () => {
    const startedMs = Date.now()
    const stack = startProgram(cli.path, ['local-stack', '--duration', '7'])
    await stack.dataWhere(() => true)
    expect(Date.now() - startedMs).toBeLessThan(10_000)
    expect(await stack.ended).toEqual({ code: 0, signal: null })

    const { data } = stack
    expect(data.filter(({ tags }) => !/^[0-9a-f-]{36}-S\d+$/.test(tags.agent_id ?? ''))).toEqual([])
    const ofContainers = data.filter(({ topic }) => topic !== 'agent')
    const identified = ['framework_id', 'framework_name', 'executor_id', 'container_id']
    expect(ofContainers.filter(({ tags }) => !identified.every((key) => tags[key]))).toEqual([])

    expect(data.filter(({ name }) => name === 'dcos.metrics.agent.system.mem_total_bytes').length).toBeGreaterThan(0)
    expect(data.filter(({ name }) => name === 'dcos.metrics.collector.tcp_input.records').length).toBeGreaterThan(0)
    const cpuOf = ofContainers.filter(({ name }) => name === 'dcos.metrics.container.cpus_user_time_secs')
    const first = cpuOf[0]
    const values = cpuOf.filter(({ tags }) => tags.container_id === first?.tags.container_id).map(({ value }) => value)
    expect(new Set(values).size).toBeGreaterThan(1)

    const apps = ofContainers.filter(({ name }) => /^(web|worker|batch)\./.test(name))
    expect(new Set(apps.map(({ tags }) => tags.container_id)).size).toBeGreaterThanOrEqual(3)
    expect(new Set(apps.map(({ tags }) => tags.framework_id)).size).toBeGreaterThanOrEqual(2)
    const { containers } = await runningLine(stack)
    expect(new Set(Object.values(containers)).size).toBe(Object.keys(containers).length)

    const ledgers = ledgersAtExit(stack.log)
    expectBalanced(ledgers, hops)
    expect(ledgers.consume?.forwarded).toBe(data.length)
    expect(ledgers.consume?.received).toBe(ledgers.collector?.forwarded)
    expect(ledgers.collector?.received).toBeGreaterThanOrEqual(ledgers['statsd-proxy']?.forwarded ?? Infinity)
  }, 40_000)

  test.each(['SIGINT', 'SIGTERM'] as const)('%s at any moment does the same', async (signal) => {
    const stack = startProgram(cli.path, ['local-stack'])
    await stack.dataWhere(({ name }) => name === 'web.requests')
    expect(await stack.stop(signal)).toEqual({ code: 0, signal: null })
    const ledgers = ledgersAtExit(stack.log)
    expectBalanced(ledgers, hops)
    expect(ledgers.consume?.forwarded).toBe(stack.data.length)
    expect(ledgers.consume?.received).toBe(ledgers.collector?.forwarded)
  }, 30_000)

  test('a signal before anything runs ends it as well', async () => {
    const stack = startProgram(cli.path, ['local-stack'])
    await stack.logWhere(({ msg }) => msg === 'starting')
    expect(await stack.stop('SIGINT')).toEqual({ code: 0, signal: null })
  }, 30_000)

  test('a foreign StatsD client finds its counters again, with the tags of the container whose port it used', async () => {
    const stack = startProgram(cli.path, ['local-stack'])
    const { tryIt } = await runningLine(stack)
    const port = portOf(tryIt.replaceAll(' ', ':'))
    const client = new StatsD({
      host: '127.0.0.1',
      port,
      protocol: 'udp',
      prefix: 'shop.',
      globalTags: { env: 'test' },
    })
    client.increment('orders', 3, { kind: 'book' })
    client.gauge('stock', 17.5)
    const orders = await stack.dataWhere(({ name }) => name === 'shop.orders')
    expect(orders.value).toBe(3)
    expect(orders.tags).toMatchObject({
      framework_name: 'marathon',
      executor_id: 'try-it',
      container_id: 'try-it',
      application_name: 'try-it',
      env: 'test',
      kind: 'book',
    })
    const stock = await stack.dataWhere(({ name }) => name === 'shop.stock')
    expect([stock.value, stock.tags.env, stock.tags.kind]).toEqual([17.5, 'test', undefined])
    await new Promise((resolve) => client.close(resolve))
    await stack.stop()
  }, 30_000)

  test('standard ports that are taken are replaced by free ones, and it says so', async () => {
    const taken: (Server | Socket)[] = [
      await takeTcp(8124),
      await takeTcp(8127),
      await takeUdp(8125),
      await takeTcp(5051),
      await takeTcp(9100),
    ]
    try {
      const stack = startProgram(cli.path, ['local-stack'])
      const { parts, tryIt } = await runningLine(stack)
      expect(portOf(parts.collector ?? '')).not.toBe(8124)
      expect(portOf(tryIt.replaceAll(' ', ':'))).not.toBe(8125)
      const told = stack.log.filter(({ standardPort }) => standardPort !== undefined)
      expect(told.map(({ standardPort }) => standardPort).sort()).toEqual([5051, 8124, 8125, 8127, 9100])
      await stack.dataWhere(({ name }) => name === 'worker.queue.depth')
      expect(await stack.stop()).toEqual({ code: 0, signal: null })
      expectBalanced(ledgersAtExit(stack.log), hops)
    } finally {
      for (const socket of taken) socket.close()
    }
  }, 30_000)
})

// Where somebody else has the port already, that serves as well.
function takeTcp(port: number): Promise<Server> {
  const server = createServer()
  return new Promise((resolve) => {
    server.on('error', () => resolve(server))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

function takeUdp(port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  return new Promise((resolve) => {
    socket.on('error', () => resolve(socket))
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(socket))
  })
}
