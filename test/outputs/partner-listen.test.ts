import { once } from 'node:events'
import { lstat, mkdtemp, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avsc from 'avsc'
import { createPartnerListen, type PartnerListenOptions } from '../../src/outputs/partner-listen.js'
import type { ListenAddress } from '../../src/platform/hosts.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { listWith, until } from '../support/partner.js'

const signal = new AbortController().signal
const onTcp: ListenAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 }
const closers: (() => Promise<unknown>)[] = []
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dcos-stats-partner-'))
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await rm(folder, { recursive: true, force: true })
})

async function serve(options: Partial<PartnerListenOptions> = {}) {
  const counters = new Counters()
  const clock = createFakeClock()
  const warnings: string[] = []
  let address: ListenAddress = onTcp
  const tap = createPartnerListen({
    listen: onTcp,
    log: { ...silentLog, warn: (_fields: unknown, text?: string) => void warnings.push(text ?? '') },
    counters,
    clock,
    onListening: (bound) => {
      address = bound
    },
    ...options,
  })
  let closed = false
  const close = async () => {
    if (!closed) await tap.close()
    closed = true
  }
  closers.push(close)
  await tap.open(signal)
  const count = (what: 'opened' | 'closed' | 'refused' | 'cut_off') =>
    counters.value(`collector.partner.listen_sessions_${what}`)
  return { tap, counters, clock, warnings, count, address: () => address, close }
}

function dial(address: ListenAddress): Socket {
  const socket = connect(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port })
  socket.on('error', () => {})
  closers.push(async () => void socket.destroy())
  return socket
}

interface ForeignList {
  topic: string
  tags: { key: string; value: string }[]
  datapoints: { name: string; time_ms: number; value: number }[]
}

/** Reads as any Avro library would: the schema comes from the stream. */
async function read(address: ListenAddress) {
  const lists: ForeignList[] = []
  const errors: Error[] = []
  const decoder = new avsc.streams.BlockDecoder()
  const socket = dial(address)
  const ended = once(socket, 'close')
  decoder.on('data', (list: ForeignList) => lists.push(list))
  decoder.on('error', (error: Error) => errors.push(error))
  socket.pipe(decoder)
  await once(decoder, 'metadata')
  return { lists, errors, socket, ended, received: (count: number) => until(() => lists.length >= count) }
}

describe.each<[kind: string, listen: () => ListenAddress]>([
  ['TCP', () => onTcp],
  ['a unix socket', () => ({ kind: 'unix', path: join(folder, 'partner.sock') })],
])('over %s', (_kind, listen) => {
  test('a foreign Avro reader gets the header at once, and then every list with its tags and datapoints', async () => {
    const { tap, counters, address } = await serve({ listen: listen() })
    const reader = await read(address())
    tap.push([
      listWith({ framework_id: 'f', agent_id: 'a' }, [
        ['cpu', 0.5, 1_469_124_000_123],
        ['mem', -1e300],
      ]),
      listWith([], [['é', Number.POSITIVE_INFINITY, -5]], 'agent'),
    ])
    tap.push([
      listWith(
        [
          { key: 'k', value: '1' },
          { key: 'k', value: '' },
        ],
        [],
      ),
    ])
    await reader.received(3)
    expect(JSON.parse(JSON.stringify(reader.lists))).toEqual([
      {
        topic: 'topic',
        tags: [
          { key: 'framework_id', value: 'f' },
          { key: 'agent_id', value: 'a' },
        ],
        datapoints: [
          { name: 'cpu', time_ms: 1_469_124_000_123, value: 0.5 },
          { name: 'mem', time_ms: 1000, value: -1e300 },
        ],
      },
      { topic: 'agent', tags: [], datapoints: [{ name: 'é', time_ms: -5, value: null }] },
      {
        topic: 'topic',
        tags: [
          { key: 'k', value: '1' },
          { key: 'k', value: '' },
        ],
        datapoints: [],
      },
    ])
    expect(reader.lists[1]!.datapoints[0]!.value).toBe(Number.POSITIVE_INFINITY)
    expect(counters.value('collector.partner.listen_datapoints')).toBe(3)
  })

  test('each reader gets the whole stream from its own beginning on', async () => {
    const { tap, count, address } = await serve({ listen: listen() })
    tap.push([listWith({}, [['before', 0]])])
    const first = await read(address())
    tap.push([listWith({}, [['one', 1]])])
    await first.received(1)
    const second = await read(address())
    tap.push([listWith({}, [['two', 2]])])
    await Promise.all([first.received(2), second.received(1)])
    expect(first.lists.map(({ datapoints }) => datapoints[0]!.name)).toEqual(['one', 'two'])
    expect(second.lists.map(({ datapoints }) => datapoints[0]!.name)).toEqual(['two'])
    expect(count('opened')).toBe(2)
  })

  test('a reader that does not read is cut off and counted, and the others miss nothing', async () => {
    const { tap, count, warnings, address } = await serve({ listen: listen(), bufferLimitBytes: 1024 * 1024 })
    const good = await read(address())
    const slow = dial(address())
    await until(() => count('opened') === 2)
    slow.pause()
    const big = listWith({ key: 'x'.repeat(512 * 1024) }, [['big', 1]])
    let pushed = 0
    for (; count('cut_off') === 0 && pushed < 200; pushed += 1) {
      tap.push([big])
      await good.received(pushed + 1)
    }
    expect(count('cut_off')).toBe(1)
    await until(() => count('closed') === 1)
    tap.push([listWith({}, [['after', 1]])])
    await good.received(pushed + 1)
    expect([good.errors, good.lists.length, good.lists.at(-1)!.datapoints[0]!.name]).toEqual([[], pushed + 1, 'after'])
    expect(warnings).toEqual(['a partner was cut off: it reads more slowly than metrics come'])
  })
})

test('one push may be larger than the buffer of a reader that keeps up', async () => {
  const { tap, count, address } = await serve({ bufferLimitBytes: 1000 })
  const reader = await read(address())
  for (let n = 1; n <= 3; n += 1) {
    tap.push([listWith({ key: 'x'.repeat(4 * 1024 * 1024) }, [['big', n]])])
    await reader.received(n)
  }
  expect(count('cut_off')).toBe(0)
})

test('the log has a line a minute for readers that are cut off, the counter has all', async () => {
  const { tap, count, clock, warnings, address } = await serve({ bufferLimitBytes: 0 })
  const big = listWith({ key: 'x'.repeat(8 * 1024 * 1024) }, [['big', 1]])
  async function cutOneOff() {
    const slow = dial(address())
    const before = count('cut_off')
    await until(() => count('opened') === before + 1)
    slow.pause()
    for (let n = 0; n < 10 && count('cut_off') === before; n += 1) tap.push([big])
    await until(() => count('closed') === before + 1)
  }
  await cutOneOff()
  await cutOneOff()
  expect([count('cut_off'), warnings.length]).toEqual([2, 1])
  await clock.advance(60_000)
  await cutOneOff()
  expect([count('cut_off'), warnings.length]).toEqual([3, 2])
})

test('connections over the limit are closed at once and counted; when one goes, another may come', async () => {
  const { count, address } = await serve({ connectionLimit: 2 })
  const [first] = await Promise.all([read(address()), read(address())])
  const third = dial(address())
  await once(third, 'close')
  expect([count('opened'), count('refused'), third.bytesRead]).toEqual([2, 1, 0])
  first!.socket.destroy()
  await until(() => count('closed') === 1)
  await read(address())
  expect(count('opened')).toBe(3)
})

test('a reader that ends, that breaks off or that sends something harms nobody', async () => {
  const { tap, count, address } = await serve()
  const [ends, breaks, talks] = await Promise.all([read(address()), read(address()), read(address())])
  ends!.socket.end()
  breaks!.socket.resetAndDestroy()
  talks!.socket.write(Buffer.alloc(1024 * 1024, 'GET / HTTP/1.1\r\n'))
  await until(() => count('closed') === 2)
  tap.push([listWith({}, [['after', 1]])])
  await talks!.received(1)
  expect(talks!.errors).toEqual([])
})

test('lists that are too many for a block become several, and one that is too large alone is left out and counted', async () => {
  const { tap, counters, address } = await serve({ blockLimitBytes: 1000 })
  const reader = await read(address())
  const small = Array.from({ length: 50 }, (_, n) => listWith({}, [[`small${n}`, n]]))
  tap.push([
    ...small.slice(0, 25),
    listWith({ key: 'x'.repeat(1000) }, [
      ['a', 1],
      ['b', 2],
    ]),
    ...small.slice(25),
  ])
  await reader.received(50)
  expect(reader.lists.map(({ datapoints }) => datapoints[0]!.name)).toEqual(small.map((_, n) => `small${n}`))
  expect(counters.value('collector.partner.listen_datapoints_too_large')).toBe(2)
  expect(counters.value('collector.partner.listen_datapoints')).toBe(50)
})

test('without readers nothing is encoded or counted', async () => {
  const { tap, counters } = await serve()
  tap.push([listWith({}, [['a', 1]])])
  expect([...counters.read()].filter(({ value }) => value !== 0)).toEqual([])
})

test('at the end readers get what waits, and then the end of the stream', async () => {
  const { tap, close, address } = await serve()
  const readers = await Promise.all([read(address()), read(address())])
  const lists = Array.from({ length: 2000 }, (_, n) => listWith({ n: String(n) }, [['x'.repeat(200), n]]))
  tap.push(lists)
  await close()
  for (const { lists: got, errors, ended } of readers) {
    await ended
    expect([got.length, errors]).toEqual([2000, []])
  }
})

test('the end does not wait for a reader that does not read', async () => {
  const { tap, count, close, address } = await serve()
  const slow = dial(address())
  await until(() => count('opened') === 1)
  slow.pause()
  tap.push([listWith({ key: 'x'.repeat(16 * 1024 * 1024 - 1000) }, [['big', 1]])])
  const startedMs = performance.now()
  await close()
  expect(performance.now() - startedMs).toBeLessThan(5000)
})

describe('unix socket file', () => {
  const listen = (): ListenAddress & { kind: 'unix' } => ({ kind: 'unix', path: join(folder, 'partner.sock') })

  test('has its mode, and is removed at the end', async () => {
    const { close } = await serve({ listen: listen(), socketMode: 0o600 })
    expect((await stat(listen().path)).mode & 0o777).toBe(0o600)
    await close()
    await expect(lstat(listen().path)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('a stale one is replaced', async () => {
    const former = createServer().listen(`${listen().path}.former`)
    await once(former, 'listening')
    const { rename } = await import('node:fs/promises')
    await rename(`${listen().path}.former`, listen().path)
    former.close()
    await once(former, 'close')
    const { address } = await serve({ listen: listen() })
    expect((await read(address())).errors).toEqual([])
  })

  test('a live one is refused, and goes on', async () => {
    const { address } = await serve({ listen: listen() })
    await expect(serve({ listen: listen() })).rejects.toMatchObject({
      code: 'DS_PARTNER_LISTEN',
      exitCode: 69,
      message: expect.stringMatching(/^--partner-listen unix:.*another process serves it/),
    })
    expect((await read(address())).errors).toEqual([])
  })
})

test('a port that is taken is refused with the name of the option', async () => {
  const { address } = await serve()
  await expect(serve({ listen: address() })).rejects.toMatchObject({
    exitCode: 69,
    message: expect.stringMatching(/^--partner-listen 127\.0\.0\.1:\d+ cannot be used: the port is taken/),
  })
})

test('an address that others can reach is told', async () => {
  const { warnings } = await serve({ listen: { kind: 'tcp', host: '0.0.0.0', port: 0 } })
  expect(warnings).toEqual(['other nodes can read the metrics too: --partner-listen'])
})
