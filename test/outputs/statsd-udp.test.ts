import type { Owner } from '../../src/containers/endpoint.js'
import { createDatagramPacker } from '../../src/outputs/datagram-packer.js'
import { createStatsdOutput, createStatsdSender, type StatsdOutputOptions } from '../../src/outputs/statsd-udp.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createUdpEndpoints, type SeenSocket } from '../support/udp-endpoint.js'

const closers: (() => Promise<unknown>)[] = []
const unknown: Owner = { status: 'unknown' }
const known: Owner = { status: 'known', identity: { frameworkId: 'f.1', executorId: 'e.1', containerId: 'c1' } }
const pending: Owner = { status: 'pending', containerId: 'c1' }

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function receiver(): Promise<SeenSocket> {
  const endpoints = createUdpEndpoints()
  await endpoints.openSocket({ port: 0, owner: unknown })
  closers.push(() => endpoints.sockets[0]!.close())
  return endpoints.sockets[0]!
}

function createOutput(port: number, options: Partial<StatsdOutputOptions> = {}) {
  const clock = createFakeClock()
  const counters = new Counters()
  const output = createStatsdOutput({
    host: '127.0.0.1',
    port,
    refreshMs: 60_000,
    annotationMode: 'key_prefix',
    chunkSizeBytes: 512,
    unknownHoldMs: 2000,
    ownerOf: () => unknown,
    log: silentLog,
    counters,
    clock,
    ...options,
  })
  closers.push(() => output.close())
  return {
    clock,
    counters,
    output,
    send(owner: Owner, row: string) {
      const packet = Buffer.from(`x:1|c\n${row}\ny:2|c`)
      output.send(owner, packet, 6, 6 + Buffer.byteLength(row))
      // As an input does that reads the next packet into the same memory.
      packet.fill(0)
    },
  }
}

describe('packing', () => {
  function pack(limitBytes: number, rows: string[]) {
    const datagrams: string[] = []
    const clock = createFakeClock()
    const send = (datagram: Uint8Array) => void datagrams.push(Buffer.from(datagram).toString())
    const packer = createDatagramPacker({ limitBytes, maxAgeMs: 1000, clock, send })
    for (const row of rows) packer.add(Buffer.from(row), 0, row.length)
    return { datagrams, clock, packer }
  }

  test.each([
    ['rows are joined by line ends, with none at the end', 20, ['aa', 'bb', 'cc'], [], 'aa\nbb\ncc'],
    ['a row that would reach the limit begins the next datagram', 8, ['aa', 'bb', 'cc'], ['aa\nbb'], 'cc'],
    ['one byte less joins', 9, ['aa', 'bb', 'cc'], [], 'aa\nbb\ncc'],
    ['a row of the limit is sent alone, at once, behind what waited', 5, ['aa', 'bbbbb', 'cc'], ['aa', 'bbbbb'], 'cc'],
    ['a row over the limit is sent whole', 5, ['bbbbbbbbbb'], ['bbbbbbbbbb'], undefined],
    ['no limit given (0): a datagram a row', 0, ['aa', 'bb'], ['aa', 'bb'], undefined],
    ['an empty row is a row', 8, ['', 'a'], [], '\na'],
  ])('%s', async (_rule, limitBytes, rows, atOnce, afterASecond) => {
    const { datagrams, clock } = pack(limitBytes, rows)
    expect(datagrams).toEqual(atOnce)
    await clock.advance(999)
    expect(datagrams).toEqual(atOnce)
    await clock.advance(1)
    expect(datagrams).toEqual(afterASecond === undefined ? atOnce : [...atOnce, afterASecond])
    await clock.advance(5000)
    expect(datagrams).toHaveLength(afterASecond === undefined ? atOnce.length : atOnce.length + 1)
  })

  test('a flush leaves nothing for the clock', async () => {
    const { datagrams, clock, packer } = pack(20, ['aa'])
    packer.flush()
    packer.flush()
    await clock.advance(2000)
    expect(datagrams).toEqual(['aa'])
  })
})

describe('the proxy’s output', () => {
  test('rows arrive annotated, in packets below the limit, at most one second old', async () => {
    const socket = await receiver()
    const { send, clock, output } = createOutput(socket.port)
    const arrived = socket.nextPacket()
    send(known, 'hits:1|c')
    send(unknown, 'hits:2|c')
    await clock.advance(1000)
    expect(await arrived).toBe('f_1.e_1.c1.hits:1|c\nunknown_container.hits:2|c')
    expect(output.counts).toMatchObject({ sentDatagrams: 1, sentRows: 2, failedRows: 0 })
  })

  test('without chunking each row is a packet, at once', async () => {
    const socket = await receiver()
    const { send } = createOutput(socket.port, { chunkSizeBytes: 0, annotationMode: 'tag_datadog' })
    const arrived = socket.nextPacket()
    send(known, 'hits:1|c')
    expect(await arrived).toBe('hits:1|c|#framework_id:f.1,executor_id:e.1,container_id:c1')
  })

  test('a row that its annotation would make too long for a packet goes without', async () => {
    const socket = await receiver()
    const { send } = createOutput(socket.port)
    const arrived = socket.nextPacket()
    const row = `${'n'.repeat(65_500)}:1|c`
    send(known, row)
    expect(await arrived).toBe(row)
  })

  test('rows of a container that the agent names in time wait for it, and keep their order', async () => {
    const socket = await receiver()
    const { send, clock } = createOutput(socket.port)
    const arrived = socket.nextPacket()
    send(pending, 'first:1|c')
    await clock.advance(1500)
    send(pending, 'second:1|c')
    send(known, 'third:1|c')
    await clock.advance(1000)
    expect(await arrived).toBe(['first', 'second', 'third'].map((name) => `f_1.e_1.c1.${name}:1|c`).join('\n'))
  })

  test('after the hold they leave as whoever they are by then', async () => {
    const socket = await receiver()
    let owner: Owner = known
    const { send, clock } = createOutput(socket.port, { ownerOf: () => owner, chunkSizeBytes: 0 })
    const first = socket.nextPacket()
    send(pending, 'a:1|c')
    await clock.advance(2000)
    expect(await first).toBe('f_1.e_1.c1.a:1|c')
    owner = pending
    const second = socket.nextPacket()
    send(pending, 'b:1|c')
    await clock.advance(1999)
    expect(socket.packets).toHaveLength(1)
    await clock.advance(1)
    expect(await second).toBe('unknown_container.b:1|c')
  })

  test('where rows stay as they are, nobody is waited for', async () => {
    const socket = await receiver()
    const { send } = createOutput(socket.port, { annotationMode: 'none', chunkSizeBytes: 0 })
    const arrived = socket.nextPacket()
    send(pending, 'a:1|c')
    expect(await arrived).toBe('a:1|c')
  })

  test('until the host resolves rows are dropped and counted; afterwards they arrive', async () => {
    const socket = await receiver()
    let answer = () => Promise.reject<{ address: string; family: 4 }[]>(new Error('ENOTFOUND'))
    const { send, clock, counters, output } = createOutput(socket.port, {
      host: 'metrics.example',
      chunkSizeBytes: 0,
      resolve: () => answer(),
    })
    send(known, 'lost:1|c')
    await clock.advance(0)
    expect(output.counts).toMatchObject({ sentRows: 0, failedRows: 1, failedBytes: 'f_1.e_1.c1.lost:1|c'.length })
    answer = async () => [{ address: '127.0.0.1', family: 4 }]
    await clock.advance(60_000)
    const arrived = socket.nextPacket()
    send(known, 'kept:1|c')
    expect(await arrived).toBe('f_1.e_1.c1.kept:1|c')
    await output.close()
    expect(counters.value('proxy.statsd_out_dropped_rows')).toBe(1)
    expect(counters.value('proxy.statsd_out_rows')).toBe(1)
    closers.pop()
  })

  test('close sends what waits', async () => {
    const socket = await receiver()
    const { send, output } = createOutput(socket.port, { ownerOf: () => known })
    const arrived = socket.nextPacket()
    send(pending, 'held:1|c')
    await output.close()
    closers.pop()
    expect(await arrived).toBe('f_1.e_1.c1.held:1|c')
  })
})

describe('our own lines', () => {
  test('are packed and counted once the kernel has them', async () => {
    const socket = await receiver()
    const sender = createStatsdSender({ host: '127.0.0.1', port: socket.port })
    closers.push(() => sender.close())
    const arrived = socket.nextPacket()
    sender.send('a:1|c')
    sender.send(Buffer.from('b:2|c'))
    await sender.flush()
    expect(await arrived).toBe('a:1|c\nb:2|c')
    expect(sender.counts).toEqual({ sentDatagrams: 1, sentBytes: 11, sentRows: 2, failedBytes: 0, failedRows: 0 })
  })

  test('reach a name once it has been looked up', async () => {
    const socket = await receiver()
    const resolve = async () => [{ address: '127.0.0.1', family: 4 as const }]
    const sender = createStatsdSender({ host: 'metrics.example', port: socket.port, resolve })
    closers.push(() => sender.close())
    await sender.ready()
    const arrived = socket.nextPacket()
    sender.send('a:1|c')
    await sender.flush()
    expect(await arrived).toBe('a:1|c')
  })

  test('that are too long for UDP fail and are counted, and the next ones go on', async () => {
    const socket = await receiver()
    const sender = createStatsdSender({ host: '127.0.0.1', port: socket.port })
    closers.push(() => sender.close())
    const arrived = socket.nextPacket()
    sender.send('x'.repeat(70_000))
    sender.send('a:1|c')
    await sender.flush()
    expect(await arrived).toBe('a:1|c')
    expect(sender.counts).toMatchObject({ failedRows: 1, failedBytes: 70_000, sentRows: 1 })
  })
})
