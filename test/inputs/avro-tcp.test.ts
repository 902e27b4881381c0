import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import avsc from 'avsc'
import { encodeOcfBlock, encodeOcfHeader } from '../../src/codec/avro-ocf.js'
import { decodeDatapoints, encodeDatapoints } from '../../src/codec/datapoints.js'
import { type AvroTcpOptions, createAvroTcp } from '../../src/inputs/avro-tcp.js'
import { imbalance } from '../../src/model/ledger.js'
import { countDatapoints, type MetricList } from '../../src/model/metric-list.js'
import type { HostPort } from '../../src/options/address.js'
import { systemClock } from '../../src/platform/clock.js'
import type { StatsError } from '../../src/platform/errors.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createGate } from '../support/gate.js'
import { usedBytes } from '../support/memory.js'

const sync = Buffer.alloc(16, 0xfe)
const header = encodeOcfHeader(sync)
const anywhere = { host: '127.0.0.1', port: 0 }

type Line = { level: string; text: string } & Record<string, unknown>

interface Running {
  readonly address: HostPort
  readonly lists: MetricList[]
  readonly lines: Line[]
  readonly counters: Counters
  readonly ledger: Ledger
  connect(): Promise<Socket>
  /** Resolves when that many datapoints have been emitted, over all. */
  emitted(datapoints: number): Promise<void>
  stop(): Promise<void>
}

const running: Running[] = []
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop()
})

async function start(
  options: Partial<AvroTcpOptions> = {},
  room: () => Promise<void> = () => Promise.resolve(),
): Promise<Running> {
  const lists: MetricList[] = []
  const lines: Line[] = []
  const counters = new Counters()
  const ledger = new Ledger('collector')
  const write = (level: string) => (fields: object, text: string) => lines.push({ level, text, ...fields })
  const log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  const abort = new AbortController()
  const clients: Socket[] = []
  let look = () => {}
  const listening = createGate<HostPort>()
  const source = createAvroTcp({
    listen: anywhere,
    clock: systemClock,
    telemetry: { log: log as never, counters, ledger },
    onListening: listening.open,
    ...options,
  })
  const run = source.run(async (batch) => {
    lists.push(...batch)
    ledger.forwarded += countDatapoints(batch)
    look()
    await room()
  }, abort.signal)
  const address = await Promise.race([listening.promise, run.then(() => Promise.reject(new Error('ended')))])
  const one: Running = {
    address,
    lists,
    lines,
    counters,
    ledger,
    async connect() {
      const socket = connect(address.port, address.host)
      clients.push(socket)
      socket.on('error', () => {})
      await once(socket, 'connect')
      return socket
    },
    emitted: (datapoints) =>
      new Promise((resolve) => {
        look = () => {
          if (countDatapoints(lists) >= datapoints) resolve()
        }
        look()
      }),
    async stop() {
      abort.abort()
      await run
      for (const client of clients) client.destroy()
    },
  }
  running.push(one)
  return one
}

function list(topic: string, ...values: number[]): MetricList {
  return { topic, tags: [], datapoints: encodeDatapoints(values.map((value) => ({ name: 'n', timeMs: 1, value }))) }
}

function block(...lists: MetricList[]): Buffer {
  return encodeOcfBlock(lists, sync)
}

function valuesOf(lists: readonly MetricList[], topic: string): number[] {
  return lists
    .filter((one) => one.topic === topic)
    .flatMap(({ datapoints }) => decodeDatapoints(datapoints).map(({ value }) => value))
}

function loudLines({ lines }: Running): Line[] {
  return lines.filter(({ level }) => level === 'warn' || level === 'error')
}

async function closed(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
}

/** Until the collector has seen the end of that many connections. */
async function sessionsClosed({ counters }: Running, count: number): Promise<void> {
  while (counters.value('collector.tcp_input.tcp_sessions_closed') < count) await systemClock.sleep(2)
}

test('small lists of another writer, deflated: joined, and each datapoint once, in order and under its tags', async () => {
  const collector = await start()
  const schema = JSON.parse(readFileSync(new URL('../../schema/metrics.avsc', import.meta.url), 'utf8'))
  // It writes arrays without their size.
  const writer = new avsc.streams.BlockEncoder(avsc.Type.forSchema(schema), { codec: 'deflate', blockSize: 20_000 })
  writer.pipe(await collector.connect())
  const count = 10_000
  const seriesOf = (value: number) => `${'x'.repeat(60)}${value % 37}`
  for (let value = 0; value < count; value++) {
    const tags = [{ key: 'series', value: seriesOf(value) }]
    const went = writer.write({ topic: 't', tags, datapoints: [{ name: 'n', time_ms: 1, value }] })
    if (!went) await once(writer, 'drain')
  }
  writer.end()
  await collector.emitted(count)
  for (let series = 0; series < 37; series++) {
    const own = collector.lists.filter(({ tags }) => tags[0]?.value === seriesOf(series))
    expect(valuesOf(own, 't')).toEqual(Array.from({ length: count }, (_, n) => n).filter((n) => n % 37 === series))
  }
  expect(collector.lists.length).toBeLessThan(count / 4)
  expect(collector.counters.value('collector.tcp_input.records')).toBe(count)
  expect(collector.ledger.received).toBe(count)
})

test('several connections at once, each block in pieces of any size', async () => {
  const collector = await start()
  const sockets = await Promise.all([collector.connect(), collector.connect(), collector.connect()])
  const stream = Buffer.concat([header, block(list('a', 1, 2), list('b', 3)), block(), block(list('a', 4))])
  for (let pos = 0; pos < stream.length; pos += 97) {
    for (const socket of sockets) socket.write(stream.subarray(pos, pos + 97))
    await systemClock.sleep(1)
  }
  await collector.emitted(12)
  expect(valuesOf(collector.lists, 'a').sort()).toEqual([1, 1, 1, 2, 2, 2, 4, 4, 4])
  expect(valuesOf(collector.lists, 'b')).toEqual([3, 3, 3])
  for (const socket of sockets) socket.end()
  await sessionsClosed(collector, 3)
  expect(loudLines(collector)).toEqual([])
  expect(collector.ledger.snapshot()).toMatchObject({ received: 12, forwarded: 12, dropped: {} })
  expect(collector.counters.value('collector.tcp_input.tcp_sessions_opened')).toBe(3)
  expect(collector.counters.value('collector.tcp_input.records')).toBe(9)
  expect(collector.counters.value('collector.tcp_input.records', 'a')).toBe(6)
  expect(collector.counters.value('collector.tcp_input.bytes')).toBe(3 * stream.length)
})

const foreign = Buffer.from(header.toString('latin1').replace('"topic"', '"tropic"'), 'latin1')
foreign[foreign.indexOf('avro.schema') + 11]! += 2
const wrongSync = Buffer.from(block(list('bad', 8)))
wrongSync[wrongSync.length - 1]! ^= 1

test.each<[string, Buffer, boolean, RegExp, number[]]>([
  [
    'is cut inside a block',
    Buffer.concat([header, block(list('bad', 7)), block(list('bad', 8)).subarray(0, 20)]),
    true,
    /ends inside Avro block 2, at byte \d+ of the stream, after 20 of \d+ bytes/,
    [7],
  ],
  [
    'has a wrong sync marker',
    Buffer.concat([header, block(list('bad', 7)), wrongSync, block(list('bad', 9))]),
    false,
    /Avro block 2, at byte \d+ of the stream, is followed by a wrong sync marker/,
    [7, 8],
  ],
  ['has a foreign schema', Buffer.concat([foreign, block(list('bad', 7))]), false, /field "topic" is missing/, []],
  [
    'declares a block of 2^40 bytes',
    Buffer.concat([header, block(list('bad', 7)), Buffer.from('0280808080804064', 'hex')]),
    false,
    /Avro block 2, .* declares 1099511627776 bytes; at most 16777216 are taken/,
    [7],
  ],
  ['is an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), false, /begins like an HTTP request/, []],
  ['is a TLS handshake', Buffer.from('16030100a5010000a10303', 'hex'), false, /begins like a TLS handshake/, []],
  ['is cut inside its header', header.subarray(0, 100), true, /ends inside its Avro header, after 100 bytes/, []],
])('a connection that %s ends with one line, and another goes on', async (_what, bytes, end, cause, kept) => {
  const collector = await start()
  const good = await collector.connect()
  good.write(Buffer.concat([header, block(list('good', 1))]))
  const bad = await collector.connect()
  bad.write(bytes)
  if (end) bad.end()
  const { localPort } = bad
  await closed(bad)
  await sessionsClosed(collector, 1)
  good.write(block(list('good', 2)))
  await collector.emitted(2 + kept.length)

  expect(loudLines(collector)).toEqual([
    {
      level: 'error',
      text: 'closed a connection: its Avro stream is unreadable',
      address: `127.0.0.1:${localPort}`,
      cause: expect.stringMatching(cause),
      undecodedBytes: expect.any(Number),
    },
  ])
  expect(valuesOf(collector.lists, 'bad')).toEqual(kept)
  expect(valuesOf(collector.lists, 'good')).toEqual([1, 2])
  expect(good.readyState).toBe('open')
  expect(bad.bytesRead).toBe(0)
  const { counters } = collector
  const failures = ['open', 'close'].map((kind) =>
    counters.value(`collector.tcp_input.avro_reader_${kind as 'open'}_failures`),
  )
  expect(failures).toEqual(/header|schema|field|begins/.test(String(cause)) ? [1, 0] : [0, 1])
  expect(counters.value('collector.tcp_input.bytes_undecoded')).toBeGreaterThan(0)
})

test('a connection without a byte, and one that ends between two blocks, need no line', async () => {
  const collector = await start()
  ;(await collector.connect()).end()
  const second = await collector.connect()
  second.end(Buffer.concat([header, block(list('a', 1))]))
  await sessionsClosed(collector, 2)
  expect(valuesOf(collector.lists, 'a')).toEqual([1])
  expect(loudLines(collector)).toEqual([])
})

test('a sender is stopped while there is no room, and goes on when there is', async () => {
  const hold = createGate()
  const collector = await start({ limitKbytes: 1024 * 1024 }, () => hold.promise)
  const socket = await collector.connect()
  const blocks = 400
  const points = encodeDatapoints(Array.from({ length: 4000 }, () => ({ name: 'name', timeMs: 1, value: 1 })))
  const one = block({ topic: 'a', tags: [], datapoints: points })
  socket.write(header)
  for (let n = 0; n < blocks; n++) socket.write(one)
  await collector.emitted(1)
  // Nothing is read any more once the first piece waits: what can be on its way are the kernel's buffers and one of Node's.
  let before = -1
  while (before !== socket.writableLength) {
    before = socket.writableLength
    await systemClock.sleep(100)
  }
  const emittedBytes = collector.lists.length * one.length
  expect(emittedBytes).toBeLessThan(1024 * 1024)
  expect(socket.writableLength).toBeGreaterThan(blocks * one.length * 0.5)
  expect(collector.counters.value('collector.tcp_input.bytes')).toBeLessThan(1024 * 1024)

  hold.open()
  await collector.emitted(blocks * 4000)
  expect(collector.lists).toHaveLength(blocks)
})

test('of a piece with thousands of lists, only some hundred are made while there is no room', async () => {
  const hold = createGate()
  const collector = await start({}, () => hold.promise)
  const socket = await collector.connect()
  const topics = Array.from({ length: 2000 }, (_, at) => `t${at}`)
  const blocks = Array.from({ length: 40 }, (_, at) =>
    block(...topics.slice(at * 50, at * 50 + 50).map((topic) => list(topic, at))),
  )
  // Together smaller than a piece of Node's, so that they come in one.
  const stream = Buffer.concat([header, ...blocks])
  expect(stream.length).toBeLessThan(64 * 1024)
  socket.write(stream)
  await collector.emitted(1)
  expect(collector.lists.length).toBeLessThan(1000)
  expect(collector.ledger.received).toBe(collector.lists.length)
  hold.open()
  await collector.emitted(2000)
  expect(collector.lists.map(({ topic }) => topic)).toEqual(topics)
  expect(collector.counters.value('collector.tcp_input.records')).toBe(2000)
  expect(collector.counters.value('collector.tcp_input.bytes')).toBe(stream.length)
})

test.each([
  ['are joined, and counted as they came', false, 2],
  ['stay as they came where they are logged', true, 5],
])('small lists of a sender with the same topic and tags %s', async (_rule, recordLists, lists) => {
  const collector = await start({ recordLists })
  const socket = await collector.connect()
  socket.write(
    Buffer.concat([header, block(list('a', 1), list('b', 2), list('a', 3)), block(list('a', 4), list('b', 5))]),
  )
  await collector.emitted(5)
  expect(collector.lists).toHaveLength(lists)
  expect(collector.ledger.received).toBe(5)
  const records = [undefined, 'a', 'b'].map((topic) => collector.counters.value('collector.tcp_input.records', topic))
  expect(records).toEqual([5, 3, 2])
})

test('a waiting connection does not hold up another', async () => {
  const hold = createGate()
  let rooms = 0
  const collector = await start({}, () => (rooms++ === 0 ? hold.promise : Promise.resolve()))
  const slow = await collector.connect()
  slow.write(Buffer.concat([header, block(list('slow', 1))]))
  await collector.emitted(1)
  const quick = await collector.connect()
  quick.write(Buffer.concat([header, block(list('quick', 2))]))
  await collector.emitted(2)
  expect(valuesOf(collector.lists, 'quick')).toEqual([2])
  hold.open()
})

test('what is over the limit of a connection is dropped and counted, until the period ends', async () => {
  const clock = createFakeClock()
  const collector = await start({ clock, limitKbytes: 2, limitPeriodMs: 60_000 })
  const socket = await collector.connect()
  const other = await collector.connect()
  const received = () => collector.counters.value('collector.tcp_input.bytes')
  const send = async (to: Socket, bytes: Buffer) => {
    const target = received() + bytes.length
    to.write(bytes)
    while (received() < target) await systemClock.sleep(1)
  }
  const big = block(list('big', ...Array(300).fill(1)))
  await send(socket, Buffer.concat([header, big]))
  await send(socket, block(list('late', 1, 2)))
  await send(other, Buffer.concat([header, block(list('other', 3))]))
  expect(collector.lists.map(({ topic }) => topic)).toEqual(['big', 'other'])
  expect(collector.ledger.snapshot()).toMatchObject({ received: 303, forwarded: 301, dropped: { connection_limit: 2 } })
  expect(imbalance(collector.ledger.snapshot())).toBe(0)
  expect(collector.counters.value('collector.tcp_input.records_throttled')).toBe(1)
  expect(collector.counters.value('collector.tcp_input.records_throttled', 'late')).toBe(1)
  expect(collector.counters.value('collector.tcp_input.bytes_throttled')).toBe(block(list('late', 1, 2)).length)

  const summaries = () => collector.lines.filter(({ text }) => text.startsWith('input summary'))
  expect(summaries()).toEqual([])
  await clock.advance(60_000)
  expect(summaries()).toEqual([
    expect.objectContaining({ level: 'error', lists: 2, datapoints: 302, droppedDatapoints: 2, kbytes: 3.8 }),
    expect.objectContaining({ level: 'info', lists: 1, datapoints: 1 }),
  ])
  await send(socket, block(list('next period', 4)))
  expect(valuesOf(collector.lists, 'next period')).toEqual([4])
  await clock.advance(120_000)
  expect(summaries()).toHaveLength(3)
})

test('a flood of broken connections fills no log', async () => {
  const clock = createFakeClock()
  const collector = await start({ clock })
  for (let n = 0; n < 30; n++) (await collector.connect()).end('hello')
  await sessionsClosed(collector, 30)
  expect(loudLines(collector)).toHaveLength(20)
  await clock.advance(60_000)
  expect(loudLines(collector)[20]).toMatchObject({ connections: 10 })
  expect(collector.counters.value('collector.tcp_input.avro_reader_open_failures')).toBe(30)
})

test('topics that a sender makes up do not become labels without end', async () => {
  const collector = await start()
  const socket = await collector.connect()
  socket.write(Buffer.concat([header, block(...Array.from({ length: 1500 }, (_, n) => list(`topic-${n}`, 1)))]))
  await collector.emitted(1500)
  const labels = [...collector.counters.read()].filter(({ id, label }) => id === 'collector.tcp_input.records' && label)
  expect(labels).toHaveLength(1001)
  expect(labels.find(({ label }) => label === '_other')?.value).toBe(500)
})

test('1,000 idle connections cost little', async () => {
  const collector = await start()
  const before = await usedBytes()
  const sockets = await Promise.all(Array.from({ length: 1000 }, () => collector.connect()))
  for (const socket of sockets) socket.write(Buffer.concat([header, block(list('a', 1))]))
  await collector.emitted(1000)
  // Both ends of the connections are in this process.
  expect((await usedBytes()) - before).toBeLessThan(30 * 1024 * 1024)
  // The least of some windows of 100 ms (0.3 ms): V8 still tidies up behind the collection, and compiles.
  const windows: number[] = []
  for (let window = 0; window < 5; window++) {
    const cpu = process.cpuUsage()
    await systemClock.sleep(100)
    const { user, system } = process.cpuUsage(cpu)
    windows.push(user + system)
  }
  expect(Math.min(...windows)).toBeLessThan(20_000)
})

test('when it is stopped, what was complete has been emitted, and everything is closed', async () => {
  const hold = createGate()
  const collector = await start({}, () => hold.promise)
  const socket = await collector.connect()
  socket.write(Buffer.concat([header, block(list('a', 1))]))
  await collector.emitted(1)
  // Node has read it while the first waited.
  socket.write(Buffer.concat([block(list('a', 2)), block(list('a', 3)).subarray(0, -1)]))
  await systemClock.sleep(50)
  const stopped = collector.stop()
  hold.open()
  await stopped
  await closed(socket)
  expect(valuesOf(collector.lists, 'a')).toEqual([1, 2])
  expect(loudLines(collector)).toEqual([])
  await expect(collector.connect()).rejects.toThrow(/ECONNREFUSED/)
})

test('what comes in can be logged', async () => {
  const collector = await start({ recordLists: true, recordHexdump: true })
  const socket = await collector.connect()
  socket.write(Buffer.concat([header, block(list('a', 1.5, Number.NaN))]))
  await collector.emitted(2)
  expect(collector.lines).toContainEqual({
    level: 'info',
    text: 'input list',
    address: `127.0.0.1:${socket.localPort}`,
    topic: 'a',
    tags: [],
    datapoints: [
      { name: 'n', timeMs: 1, value: 1.5 },
      { name: 'n', timeMs: 1, value: 'NaN' },
    ],
  })
  const dump = collector.lines.find(({ text }) => text.startsWith('input, '))?.text
  expect(dump).toContain('00000000  4f 62 6a 01 04 14 61 76  72 6f 2e 63 6f 64 65 63  |Obj...avro.codec|')
})

test('a port that is taken ends it with the option to change, and 69', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const failure = (await start({ listen: { host: '127.0.0.1', port } }).catch((error) => error)) as StatsError
  other.close()
  expect({ code: failure.code, exitCode: failure.exitCode }).toEqual({ code: 'DS_LISTEN', exitCode: 69 })
  expect(failure.message).toMatch(`--listen-endpoint 127.0.0.1:${port} cannot be bound: another program has this port`)
  const elsewhere = (await start({ listen: { host: '192.0.2.1', port: 0 } }).catch((error) => error)) as StatsError
  expect(elsewhere).toMatchObject({
    exitCode: 78,
    message: expect.stringMatching(/192\.0\.2\.1:0 cannot be bound \(.*EADDRNOTAVAIL/),
  })
})
