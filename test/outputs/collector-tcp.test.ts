import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { decodeDatapoints, encodeDatapoints } from '../../src/codec/datapoints.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { createCollectorTcp } from '../../src/outputs/collector-tcp.js'
import type { Sink } from '../../src/outputs/sink.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { startTcpCollector, type TcpCollector } from '../support/tcp-collector.js'

const never = new AbortController().signal
const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function startCollector(options: { port?: number; reads?: boolean } = {}): Promise<TcpCollector> {
  const collector = await startTcpCollector(options)
  closers.push(() => collector.stop().catch(() => {}))
  return collector
}

function createSink(
  port: number,
  options: {
    writeTimeoutMs?: number
    connectTimeoutMs?: number
    blockLimitBytes?: number
    addressOptions?: string
  } = {},
): { sink: Sink; counters: Counters } {
  const counters = new Counters()
  const sink = createCollectorTcp({ host: '127.0.0.1', port, log: silentLog, counters, ...options })
  closers.push(() => sink.close())
  return { sink, counters }
}

function list(name: string, points = 1): MetricList {
  const datapoints = Array.from({ length: points }, (_, at) => ({ name, timeMs: 1_700_000_000_000 + at, value: at }))
  return {
    topic: 'framework-1',
    tags: [{ key: 'container_id', value: 'c1' }],
    datapoints: encodeDatapoints(datapoints),
  }
}

const namesOf = (lists: readonly MetricList[]) =>
  lists.flatMap(({ datapoints }) => decodeDatapoints(datapoints).map(({ name }) => name))

test('writes share one connection: its header once, then a block for each', async () => {
  const collector = await startCollector()
  const { sink } = createSink(collector.port)
  await sink.open(never)
  expect(collector.connections).toHaveLength(0)
  expect(await sink.write([list('a', 2), list('b')], never)).toEqual({ status: 'sent', datapoints: 3 })
  expect(await sink.write([list('c')], never)).toEqual({ status: 'sent', datapoints: 1 })
  expect(namesOf(await collector.received(3))).toEqual(['a', 'a', 'b', 'c'])
  expect(collector.connections).toHaveLength(1)
  expect(collector.connections[0]!.fault()).toBeUndefined()
})

test('nobody listens: retry, with the options to check, and each write is one attempt', async () => {
  const collector = await startCollector()
  await collector.stop()
  const { sink, counters } = createSink(collector.port)
  for (const attempt of [1, 2]) {
    const result = await sink.write([list('a')], never)
    expect(result).toMatchObject({ status: 'retry', cause: { code: 'DS_COLLECTOR_AWAY' } })
    expect(result).toHaveProperty('cause.message', expect.stringMatching(/ECONNREFUSED.*--output-collector-ip/))
    expect(counters.value('proxy.collector_connect_failures')).toBe(attempt)
  }
  const { sink: emitter } = createSink(collector.port, { addressOptions: '--endpoint' })
  expect(await emitter.write([list('a')], never)).toHaveProperty(
    'cause.message',
    expect.stringMatching(/Check --endpoint\.$/),
  )
})

test('a collector that ended the connection is noticed before the next write, which loses nothing', async () => {
  const collector = await startCollector()
  const { sink, counters } = createSink(collector.port)
  await sink.write([list('a')], never)
  await collector.received(1)
  collector.connections[0]!.socket.destroy()
  await once(collector.connections[0]!.socket, 'close')
  expect(await sink.write([list('b')], never)).toEqual({ status: 'sent', datapoints: 1 })
  expect(namesOf(await collector.received(2))).toEqual(['a', 'b'])
  expect(collector.connections[1]!.opened()).toBe(true)
  expect(counters.value('proxy.collector_connects')).toBe(2)
  expect(counters.value('proxy.collector_connections_lost')).toBe(1)
})

test('a collector that restarts on its port gets a new header', async () => {
  const former = await startCollector()
  const { sink } = createSink(former.port)
  await sink.write([list('a')], never)
  await former.received(1)
  await former.stop()
  expect(await sink.write([list('b')], never)).toMatchObject({ status: 'retry' })
  const successor = await startCollector({ port: former.port })
  expect(await sink.write([list('b')], never)).toEqual({ status: 'sent', datapoints: 1 })
  expect(namesOf(await successor.received(1))).toEqual(['b'])
})

// Larger than what the kernel holds for a connection, so that a write cannot be taken whole.
const large = new Array(200).fill(list('large', 5000))

test('a collector that never reads is given up after the write timeout: nothing counts as sent', async () => {
  const collector = await startCollector({ reads: false })
  const { sink } = createSink(collector.port, { writeTimeoutMs: 100 })
  const result = await sink.write(large, never)
  expect(result).toMatchObject({
    status: 'retry',
    cause: { message: expect.stringContaining('took nothing for 100 ms') },
  })
})

test('a connection that breaks inside a block is a retry, and the block comes again whole', async () => {
  const collector = await startCollector({ reads: false })
  const { sink } = createSink(collector.port)
  const writing = sink.write(large, never)
  while (collector.connections.length === 0) await new Promise((resolve) => setImmediate(resolve))
  collector.connections[0]!.socket.resetAndDestroy()
  expect(await writing).toMatchObject({ status: 'retry' })
  await collector.stop()

  const successor = await startCollector({ port: collector.port })
  expect(await sink.write(large, never)).toEqual({ status: 'sent', datapoints: 1_000_000 })
  expect(await successor.received(200)).toHaveLength(200)
})

test('an abort ends a write that hangs', async () => {
  const collector = await startCollector({ reads: false })
  const { sink } = createSink(collector.port)
  const stop = new AbortController()
  const writing = sink.write(large, stop.signal)
  while (collector.connections.length === 0) await new Promise((resolve) => setImmediate(resolve))
  stop.abort()
  expect(await writing).toMatchObject({ status: 'retry' })
  expect(await sink.write([list('a')], stop.signal)).toMatchObject({ status: 'retry' })
})

test('a host that does not answer is given up after the connect timeout', async () => {
  const { sink } = createSink(await startDeafServer(), { connectTimeoutMs: 100 })
  const result = await sink.write([list('a')], never)
  expect(result).toMatchObject({
    status: 'retry',
    cause: { message: expect.stringContaining('no answer within 100 ms') },
  })
})

test('lists that are too many for one block become several; one that is too large alone is dropped', async () => {
  const collector = await startCollector()
  const { sink } = createSink(collector.port, { blockLimitBytes: 2000 })
  const lists = [list('a', 30), list('b', 30), list('huge', 500), list('c', 30), list('d', 30)]
  expect(await sink.write(lists, never)).toMatchObject({
    status: 'sent',
    datapoints: 120,
    dropped: [{ datapoints: 500, reason: 'too_large' }],
  })
  expect(new Set(namesOf(await collector.received(4)))).toEqual(new Set(['a', 'b', 'c', 'd']))
  expect(await sink.write([list('huge', 500)], never)).toMatchObject({ status: 'sent', datapoints: 0 })
})

test('close lets the collector have everything, and its end', async () => {
  const collector = await startCollector()
  const { sink } = createSink(collector.port)
  await sink.write([list('last')], never)
  await sink.close()
  expect(namesOf(await collector.received(1))).toEqual(['last'])
  const { socket } = collector.connections[0]!
  if (!socket.closed) await once(socket, 'close')
  expect(collector.connections[0]!.fault()).toBeUndefined()
  await sink.close()
})

/** A port whose process has stopped and whose backlog is full: the kernel answers nothing to who connects. */
async function startDeafServer(): Promise<number> {
  const script = `const s = require('net').createServer()
    s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port))`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [printed] = await once(child.stdout, 'data')
  child.kill('SIGSTOP')
  const port = Number(String(printed))
  const fillers = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  closers.push(async () => {
    for (const filler of fillers) filler.destroy()
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  // The kernel takes connections in the order in which they were begun.
  await new Promise((resolve) => setImmediate(resolve))
  return port
}
