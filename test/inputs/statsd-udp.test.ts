import { createSocket } from 'node:dgram'
import { StatsD } from 'hot-shots'
import { countPacketDatapoints } from '../../src/codec/statsd-line.js'
import type { Owner } from '../../src/containers/endpoint.js'
import type { OnLine } from '../../src/inputs/statsd-endpoint.js'
import { systemClock } from '../../src/platform/clock.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createRandom, randomPacket } from '../support/statsd-random.js'
import { createSender, known, received, startStatsdUdp } from '../support/statsd-source.js'

const ids = 'framework_id=fw executor_id=ex container_id=c1'

describe('an endpoint', () => {
  test('receives for its container, on the port that it tells', async () => {
    const input = startStatsdUdp({ chunkSizeDatapoints: 3 })
    const { host, port } = await input.source.open({ port: 0, owner: known('c1') })
    expect(host).toBe('127.0.0.1')
    const sender = createSender()
    await sender.send(port, 'a:1|c\nb:2|c|#k:v')
    await sender.send(port, 'c:3|c')
    await input.left(3)
    expect(input.points()).toEqual([`a 1 ${ids}`, `c 3 ${ids}`, `b 2 ${ids} k=v`])
    expect(input.chunks[0]!.map(({ topic }) => topic)).toEqual(['fw', 'fw'])
    expect([input.counters.value('proxy.packets'), input.counters.value('proxy.lines')]).toEqual([2, 3])
    await Promise.all([sender.close(), input.stop()])
  })

  test('has its port alone: a second one is told so by DS_PORT_TAKEN', async () => {
    const input = startStatsdUdp()
    const { port } = await input.source.open({ port: 0, owner: known('c1') })
    await expect(input.source.open({ port, owner: known('c2') })).rejects.toMatchObject({
      code: 'DS_PORT_TAKEN',
      message: expect.stringContaining(`127.0.0.1:${port} is taken`),
    })
    await input.stop()
  })

  test('whose receive buffer the kernel caps is told about once, with the setting that helps', async () => {
    const warnings: unknown[][] = []
    const log = { ...silentLog, warn: (...words: unknown[]) => void warnings.push(words) }
    const input = startStatsdUdp({ receiveBufferKbytes: 1024 * 1024, log })
    await input.source.open({ port: 0, owner: known('c1') })
    await input.source.open({ port: 0, owner: known('c2') })
    expect(warnings).toEqual([
      [expect.objectContaining({ askedKbytes: 1024 * 1024 }), expect.stringMatching(/sysctl -w \S+=1073741824/)],
    ])
    await input.stop()
  })

  test('cannot be opened at an address of another machine', async () => {
    const input = startStatsdUdp({ hosts: ['203.0.113.7'] })
    await expect(input.source.open({ port: 0, owner: known('c1') })).rejects.toMatchObject({
      code: 'DS_BIND',
      exitCode: 78,
      message: expect.stringContaining('--listen-host'),
    })
    await input.stop()
  })

  test('listens on IPv4 and IPv6 with the same port, for the same container', async () => {
    const input = startStatsdUdp({ hosts: ['127.0.0.1', '::1'], chunkSizeDatapoints: 2 })
    const { host, port } = await input.source.open({ port: 0, owner: known('c1') })
    expect(host).toBe('127.0.0.1')
    const [four, six] = [createSender('udp4'), createSender('udp6')]
    await four.send(port, 'four:4|g')
    await six.send(port, 'six:6|g')
    await input.left(2)
    expect(input.points().sort()).toEqual([`four 4 ${ids}`, `six 6 ${ids}`])
    expect(input.chunks[0]).toHaveLength(1)
    await Promise.all([four.close(), six.close(), input.stop()])
  })

  test('takes another port where the chosen one is taken on IPv6', async () => {
    const input = startStatsdUdp({ hosts: ['127.0.0.1', '::1'] })
    const taken = await input.source.open({ port: 0, owner: known('c1') })
    const blocker = createSocket({ type: 'udp6', ipv6Only: true })
    await new Promise<void>((resolve) => blocker.bind({ port: 0, address: '::1' }, resolve))
    await expect(input.source.open({ port: blocker.address().port, owner: known('c2') })).rejects.toMatchObject({
      code: 'DS_PORT_TAKEN',
    })
    const other = await input.source.open({ port: 0, owner: known('c2') })
    expect(other.port).not.toBe(taken.port)
    await new Promise<void>((resolve) => blocker.close(() => resolve()))
    await input.stop()
  })

  test('reads what the kernel still holds when it is closed, sends it, and frees its port', async () => {
    const input = startStatsdUdp({ chunkSizeDatapoints: 100_000 })
    const endpoint = await input.source.open({ port: 0, owner: known('c1') })
    const sender = createSender()
    const sent = 500
    await Promise.all(Array.from({ length: sent }, (_, id) => sender.send(endpoint.port, `a:${id}|c`)))
    await endpoint.close()
    await endpoint.close()
    expect(input.ledger.snapshot()).toMatchObject({ received: sent, forwarded: sent, held: 0 })
    const again = await input.source.open({ port: endpoint.port, owner: known('c2') })
    expect(again.port).toBe(endpoint.port)
    await Promise.all([sender.close(), input.stop()])
  })

  test('may be opened before the pipeline runs: nothing that comes meanwhile is lost', async () => {
    const { createStatsdUdp } = await import('../../src/inputs/statsd-udp.js')
    const ledger = new Ledger('statsd-proxy')
    const telemetry = { ledger, counters: new Counters(), log: silentLog }
    const source = createStatsdUdp({ hosts: ['127.0.0.1'], clock: systemClock, telemetry, chunkSizeDatapoints: 1 })
    const endpoint = await source.open({ port: 0, owner: known('c1') })
    const sender = createSender()
    await sender.send(endpoint.port, 'early:1|c\nbird:1|c')
    await endpoint.close()
    expect(ledger.snapshot()).toMatchObject({ received: 2, held: 2 })
    const stop = new AbortController()
    let emitted = 0
    const running = source.run(async (lists) => {
      emitted += lists.length
    }, stop.signal)
    expect(emitted).toBe(2)
    stop.abort()
    await Promise.all([sender.close(), running])
  })

  test('is closed when the process stops, after its last datapoint has left; then none is opened', async () => {
    const input = startStatsdUdp()
    const { port } = await input.source.open({ port: 0, owner: known('c1') })
    const sender = createSender()
    await sender.send(port, 'last:1|c')
    await input.stop()
    expect(input.points()).toEqual([`last 1 ${ids}`])
    await expect(input.source.open({ port: 0, owner: known('c2') })).rejects.toMatchObject({ code: 'DS_STOPPING' })
    await sender.close()
  })
})

describe('chunks', () => {
  test('gather the datapoints of all endpoints, ordered by container', async () => {
    const input = startStatsdUdp({ chunkSizeDatapoints: 100 })
    const endpoints = await Promise.all(
      ['c3', 'c1', 'c2'].map((id) => input.source.open({ port: 0, owner: known(id) })),
    )
    const sender = createSender()
    for (const { port } of endpoints) await sender.send(port, 'tagged:1|c|#k:v\nplain:1|c')
    await sender.send(endpoints[0]!.port, 'x:1|c\n'.repeat(94))
    await input.left(100)
    expect(input.chunks).toHaveLength(1)
    expect(input.chunks[0]!.map(({ tags }) => `${tags[2]!.value} ${tags.length}`)).toEqual([
      'c1 3',
      'c1 4',
      'c2 3',
      'c2 4',
      'c3 3',
      'c3 4',
    ])
    await Promise.all([sender.close(), input.stop()])
  })

  test('that are not full leave at a tick', async () => {
    const clock = createFakeClock()
    const input = startStatsdUdp({ clock, chunkTimeoutMs: 10_000 })
    const { port } = await input.source.open({ port: 0, owner: known('c1') })
    const sender = createSender()
    await sender.send(port, 'a:1|c')
    await received(input, 1)
    await clock.advance(9_999)
    expect(input.chunks).toHaveLength(0)
    expect(input.ledger.snapshot().held).toBe(1)
    await clock.advance(1)
    expect(input.chunks).toHaveLength(1)
    await clock.advance(50_000)
    expect(input.chunks.flat()[0]!.datapoints.count).toBe(1)
    await Promise.all([sender.close(), input.stop()])
  })

  test('off: every packet leaves by itself', async () => {
    const input = startStatsdUdp({ chunking: false })
    const { port } = await input.source.open({ port: 0, owner: known('c1') })
    const sender = createSender()
    await sender.send(port, 'a:1|c\n'.repeat(150))
    await sender.send(port, 'b:1|c')
    await input.left(151)
    expect(input.chunks.map((lists) => lists[0]!.datapoints.count)).toEqual([150, 1])
    await Promise.all([sender.close(), input.stop()])
  })
})

describe('a datagram', () => {
  test('may have 65,507 bytes', async () => {
    const input = startStatsdUdp({ chunkSizeDatapoints: 1000 })
    const { port } = await input.source.open({ port: 0, owner: known('c1') })
    const row = `${'n'.repeat(59)}:1|c\n`
    const rows = Math.floor(65_507 / row.length)
    const packet = row.repeat(rows).padEnd(65_507, 'x')
    const sender = createSender()
    await sender.send(port, packet)
    await input.left(1000)
    await input.stop()
    expect(input.ledger.received).toBe(rows + 1)
    await sender.close()
  })

  test('comes from a foreign client in any of its types', async () => {
    const input = startStatsdUdp()
    const { port } = await input.source.open({ port: 0, owner: known('c1') })
    const client = new StatsD({
      host: '127.0.0.1',
      port,
      globalTags: { team: 'a' },
      maxBufferSize: 1432,
      bufferFlushInterval: 5,
    })
    client.increment('hits', 3)
    client.gauge('load', 0.25, { core: '1' })
    client.timing('took', 320)
    client.histogram('size', 7)
    client.distribution('wait', 8)
    client.set('users', 765)
    client.event('deploy', 'version 2')
    client.check('db', 0)
    await new Promise<void>((resolve, reject) => client.close((cause) => (cause ? reject(cause) : resolve())))
    await received(input, 8)
    await input.stop()
    expect(input.points()).toEqual(
      [
        ...['hits 3', 'took 320', 'size 7', 'wait 8', 'users 765'].map((point) => `${point} ${ids} team=a`),
        expect.stringMatching(/^load 0.25 .*core=1/),
      ].sort(byName(input.points())),
    )
    expect(input.ledger.snapshot().dropped).toEqual({ not_a_metric: 2 })
    expect(input.imbalance()).toBe(0)
  })
})

describe('rows', () => {
  test('are told with their owner, byte for byte, our own too', async () => {
    const clock = createFakeClock()
    const rows: string[] = []
    const onLine: OnLine = (owner, packet, start, end) =>
      rows.push(`${owner.status} ${packet.toString('latin1', start, end)}`)
    const input = startStatsdUdp({ clock, onLine, limitPeriodMs: 1000 })
    const [mine, nobodys] = [
      await input.source.open({ port: 0, owner: known('c1') }),
      await input.source.open({ port: 0, owner: { status: 'unknown' } }),
    ]
    const sender = createSender()
    await sender.send(mine.port, 'a:x|c|@9|#\xff\r\n\n_e{1,1}:t|x')
    await received(input, 2)
    await sender.send(nobodys.port, 'b:1|c')
    await received(input, 3)
    expect(rows).toEqual(['known a:x|c|@9|#\xc3\xbf', 'known _e{1,1}:t|x', 'unknown b:1|c'])
    rows.length = 0
    await clock.advance(1000)
    expect(rows.filter((row) => row.startsWith('known'))).toEqual([
      'known dcos.metrics.module.container_received_bytes_per_sec:26|g',
      'known dcos.metrics.module.container_throttled_bytes_per_sec:0|g',
    ])
    await Promise.all([sender.close(), input.stop()])
  })
})

test('random packets through real sockets: every datapoint is accounted for (seed 9125)', async () => {
  const input = startStatsdUdp()
  const owners: Owner[] = [known('c1'), { status: 'unknown' }, { status: 'pending', containerId: 'c2' }]
  const endpoints = await Promise.all(owners.map((owner) => input.source.open({ port: 0, owner })))
  const sender = createSender()
  const random = createRandom(9125)
  let sent = 0
  for (let id = 0; id < 6000; id++) {
    const packet = randomPacket(random)
    sent += countPacketDatapoints(packet)
    await sender.send(endpoints[id % 3]!.port, packet)
    if (id % 30 === 0) await nextTurn()
  }
  await input.stop()
  await sender.close()
  expect(input.ledger.received).toBe(sent)
  expect(input.counters.value('proxy.packets')).toBe(6000)
  expect(input.ledger.snapshot().held).toBe(0)
  expect(input.imbalance()).toBe(0)
})

test('a flooding container does not delay another: every datapoint of the second one arrives', async () => {
  const input = startStatsdUdp({ limitKbytes: 100, chunkSizeDatapoints: 1000 })
  const [loud, quiet] = [
    await input.source.open({ port: 0, owner: known('loud') }),
    await input.source.open({ port: 0, owner: known('quiet') }),
  ]
  const [floodSender, quietSender] = [createSender(), createSender()]
  let flooding = true
  const flood = (async () => {
    const packet = Buffer.from('flood:1|c|#k:v\n'.repeat(90))
    // Twice what libuv reads from a socket in a turn of the event loop, so that the kernel's buffer runs over.
    while (flooding) {
      await Promise.all(Array.from({ length: 64 }, () => floodSender.send(loud.port, packet)))
      await nextTurn()
    }
  })()
  const quietDatapoints = 2000
  for (let id = 0; id < quietDatapoints; id++) {
    await quietSender.send(quiet.port, `quiet:${id}|g`)
    if (id % 50 === 0) await nextTurn()
  }
  flooding = false
  await flood
  await input.stop()
  const quietValues = input
    .points()
    .filter((point) => point.startsWith('quiet '))
    .map((point) => Number(point.split(' ')[1]))
  expect(quietValues).toEqual(Array.from({ length: quietDatapoints }, (_, id) => id))
  expect(input.ledger.snapshot().dropped.container_limit).toBeGreaterThan(quietDatapoints)
  expect(input.imbalance()).toBe(0)
  await Promise.all([floodSender.close(), quietSender.close()])
})

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function byName(order: readonly string[]) {
  const names = order.map((point) => point.split(' ')[0])
  return (a: unknown, b: unknown) => names.indexOf(nameOf(a)) - names.indexOf(nameOf(b))
}

function nameOf(point: unknown): string {
  return typeof point === 'string' ? point.split(' ')[0]! : 'load'
}
