import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createInfluxSink, type InfluxSinkOptions } from '../../src/outputs/influx.js'
import type { InfluxTarget } from '../../src/outputs/influx-target.js'
import type { Sink, WriteResult } from '../../src/outputs/sink.js'
import { systemClock } from '../../src/platform/clock.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { unusedPort } from '../support/carbon-double.js'
import { createFakeClock } from '../support/fake-clock.js'
import { type DoubleAnswer, type InfluxDouble, type SeenRequest, startInfluxDouble } from '../support/influx-double.js'
import { listOf, point, runSinkContract } from '../support/sink-contract.js'

const never = new AbortController().signal

const v1: InfluxTarget = { version: 1, database: 'metrics', createDatabase: false }
const v2: InfluxTarget = { version: 2, org: 'ops', bucket: 'metrics', token: 'secret-2' }
const v3: InfluxTarget = { version: 3, bucket: 'metrics', token: 'secret-3' }

function sinkTo(url: string, options: Partial<InfluxSinkOptions> = {}): Sink {
  return createInfluxSink({
    url,
    target: v1,
    measurement: 'm',
    onCollision: 'last',
    gzip: false,
    batchPoints: 2000,
    clock: systemClock,
    telemetry: { log: silentLog, counters: new Counters() },
    ...options,
  })
}

/** A server that answers so, and a sink to it. */
async function pair(
  answer?: (request: SeenRequest) => DoubleAnswer | undefined | Promise<DoubleAnswer | undefined>,
  options: Partial<InfluxSinkOptions> = {},
): Promise<{ influx: InfluxDouble; sink: Sink; stop: () => Promise<void> }> {
  const influx = await startInfluxDouble(answer)
  const sink = sinkTo(influx.url, options)
  return {
    influx,
    sink,
    async stop() {
      await sink.close()
      await influx.stop()
    },
  }
}

function causeOf(result: WriteResult): Error | undefined {
  return result.status === 'sent' ? result.dropped?.[0]?.cause : result.cause
}

function numbered(count: number, name = 'n') {
  return [listOf(Array.from({ length: count }, (_, at) => point(name, at, 1_700_000_000_000 + at)))]
}

describe.each<[string, InfluxTarget, boolean]>([
  ['InfluxDB 1', { ...v1, createDatabase: true }, true],
  ['InfluxDB 2', v2, true],
  ['InfluxDB 3, without gzip', v3, false],
])('%s', (_name, target, gzip) => {
  runSinkContract({
    takesNotFinite: false,
    present: async () => {
      const influx = await startInfluxDouble()
      const values = async () => [...new Set(influx.stored.map((line) => Number(/=([^=]+) \d+$/.exec(line)?.[1])))]
      return { sink: sinkTo(influx.url, { target, gzip }), values, dispose: influx.stop }
    },
    absent: async () => {
      const sink = sinkTo(`http://127.0.0.1:${await unusedPort()}`, { target, gzip })
      return { sink, dispose: async () => {} }
    },
    hanging: async () => {
      const influx = await startInfluxDouble(({ path }) => (path === '/query' ? { status: 200 } : undefined))
      return { sink: sinkTo(influx.url, { target, gzip }), dispose: influx.stop }
    },
  })
})

describe('requests', () => {
  test.each<[string, InfluxTarget, Partial<SeenRequest>, string | undefined]>([
    ['1', v1, { path: '/write', query: { db: 'metrics', precision: 'ms' } }, undefined],
    [
      '1 with a retention policy and a user',
      { ...v1, retentionPolicy: 'week', username: 'u', password: 'p:w' },
      { path: '/write', query: { db: 'metrics', rp: 'week', precision: 'ms' } },
      `Basic ${Buffer.from('u:p:w').toString('base64')}`,
    ],
    ['2', v2, { path: '/api/v2/write', query: { org: 'ops', bucket: 'metrics', precision: 'ms' } }, 'Token secret-2'],
    ['3', v3, { path: '/api/v3/write_lp', query: { db: 'metrics', precision: 'millisecond' } }, 'Bearer secret-3'],
  ])('to InfluxDB %s', async (_name, target, expected, authorization) => {
    const { influx, sink, stop } = await pair(undefined, { target })
    const tags = [{ key: 'host', value: 'a b' }]
    expect(await sink.write([listOf([point('load', 0.5)], { tags })], never)).toEqual({ status: 'sent', datapoints: 1 })
    expect(influx.requests).toEqual([
      expect.objectContaining({ method: 'POST', body: 'm,host=a\\ b load=0.5 1700000000123\n', ...expected }),
    ])
    expect(influx.requests[0]!.headers.authorization).toBe(authorization)
    await stop()
  })

  test.each<[InfluxTarget, string]>([
    [v1, 'n'],
    [v2, 'ns'],
    [v3, 'nanosecond'],
  ])('with moved points are in nanoseconds, and say so: %j', async (target, precision) => {
    const { influx, sink, stop } = await pair(undefined, { target, onCollision: 'spread' })
    await sink.write([listOf([point('a', 1), point('a', 2)])], never)
    expect(influx.requests[0]!.query.precision).toBe(precision)
    expect(influx.stored).toEqual(['m a=1 1700000000123000000', 'm a=2 1700000000123000001'])
    await stop()
  })

  test('are compressed when asked for', async () => {
    const { influx, sink, stop } = await pair(undefined, { gzip: true })
    await sink.write([listOf([point('a', 1)])], never)
    expect(influx.requests[0]!.headers['content-encoding']).toBe('gzip')
    expect(influx.stored).toEqual(['m a=1 1700000000123'])
    await stop()
  })

  test('have batchPoints points each, and several are on their way at the same time', async () => {
    let atOnce = 0
    let most = 0
    const { influx, sink, stop } = await pair(
      async () => {
        most = Math.max(most, ++atOnce)
        await new Promise((resolve) => setTimeout(resolve, 20))
        atOnce--
        return { status: 204 }
      },
      { batchPoints: 10, inFlight: 3 },
    )
    expect(await sink.write(numbered(95), never)).toEqual({ status: 'sent', datapoints: 95 })
    expect(influx.requests.map(({ body }) => body.split('\n').length - 1).sort((a, b) => a - b)).toEqual([
      5,
      ...Array(9).fill(10),
    ])
    expect(influx.stored).toHaveLength(95)
    expect(most).toBe(3)
    await stop()
  })
})

describe('a refused request', () => {
  /** Refuses every request with a line of a metric called bad, without telling which. */
  const refusesBad = ({ body }: SeenRequest) =>
    / bad=/.test(body) ? { status: 400, body: '{"error":"something is wrong"}' } : { status: 204 }

  test('is halved until the bad lines are alone; these are dropped with the words of the server, the rest is kept', async () => {
    const { influx, sink, stop } = await pair(refusesBad)
    const points = Array.from({ length: 100 }, (_, at) => point(at === 17 || at === 80 ? 'bad' : 'good', at, at))
    const result = await sink.write([listOf(points)], never)
    expect(result).toEqual({
      status: 'sent',
      datapoints: 98,
      dropped: [
        {
          reason: 'rejected_by_sink',
          datapoints: 2,
          cause: new Error('InfluxDB refused "m bad=17 17": 400: something is wrong'),
        },
      ],
    })
    expect(new Set(influx.stored).size).toBe(98)
    await stop()
  })

  test('whose bad lines InfluxDB 1 quotes comes again once, without these', async () => {
    const { influx, sink, stop } = await pair(({ body }) => {
      const bad = body.split('\n').filter((line) => / bad=/.test(line))
      if (bad.length === 0) return { status: 204 }
      const words = bad.map((line) => `unable to parse '${line}': invalid number`).join('\n')
      return { status: 400, body: JSON.stringify({ error: `partial write: ${words} dropped=0` }) }
    })
    const points = Array.from({ length: 100 }, (_, at) => point(at % 10 === 0 ? 'bad' : 'good', at, at))
    const result = await sink.write([listOf(points)], never)
    expect(result).toMatchObject({ datapoints: 90, dropped: [{ datapoints: 10, reason: 'rejected_by_sink' }] })
    expect(causeOf(result)?.message).toBe('InfluxDB refused "m bad=0 0": invalid number')
    expect(influx.requests).toHaveLength(2)
    await stop()
  })

  test('whose bad lines InfluxDB 3 numbers comes again once, without these', async () => {
    const { influx, sink, stop } = await pair(
      ({ body }) => {
        const at = body.split('\n').findIndex((line) => / bad=/.test(line))
        if (at < 0) return { status: 204 }
        const data = [{ original_line: 'm b', line_number: at + 1, error_message: 'invalid column type' }]
        return { status: 400, body: JSON.stringify({ error: 'partial write of line protocol occurred', data }) }
      },
      { target: v3 },
    )
    const points = [point('good', 1), point('bad', 2), point('fine', 3)]
    const result = await sink.write([listOf(points)], never)
    expect(result).toMatchObject({ datapoints: 2, dropped: [{ datapoints: 1, reason: 'rejected_by_sink' }] })
    expect(influx.requests).toHaveLength(2)
    await stop()
  })

  test('of which InfluxDB 1 left out everything does not come again', async () => {
    const words = 'partial write: points beyond retention policy dropped=100'
    const { influx, sink, stop } = await pair(() => ({ status: 400, body: JSON.stringify({ error: words }) }))
    expect(await sink.write(numbered(100), never)).toMatchObject({
      status: 'sent',
      datapoints: 0,
      dropped: [{ datapoints: 100, reason: 'rejected_by_sink' }],
    })
    expect(influx.requests).toHaveLength(1)
    await stop()
  })

  test('that is too large is halved; a line that is too large alone is dropped as too_large', async () => {
    const { influx, sink, stop } = await pair(({ body }) => ({ status: body.length > 200 ? 413 : 204 }))
    const lists = [listOf([point('x'.repeat(300), 1), ...Array.from({ length: 40 }, (_, at) => point('n', at, at))])]
    expect(await sink.write(lists, never)).toMatchObject({
      status: 'sent',
      datapoints: 40,
      dropped: [{ datapoints: 1, reason: 'too_large' }],
    })
    expect(new Set(influx.stored).size).toBe(40)
    await stop()
  })

  test('while another answer is a retry settles nothing', async () => {
    let failures = 1
    const { influx, sink, stop } = await pair(
      (request) => (/ n=99 /.test(request.body) && failures-- > 0 ? { status: 503 } : refusesBad(request)),
      { batchPoints: 10 },
    )
    const lists = [...numbered(100), listOf([point('bad', 1)])]
    expect(await sink.write(lists, never)).toMatchObject({ status: 'retry' })
    expect(await sink.write(lists, never)).toMatchObject({
      status: 'sent',
      datapoints: 100,
      dropped: [{ datapoints: 1 }],
    })
    expect(new Set(influx.stored).size).toBe(100)
    await stop()
  })

  test('is told ten times, then counted only', async () => {
    const { sink, stop } = await pair(refusesBad, { clock: createFakeClock() })
    const causes: unknown[] = []
    for (let round = 0; round < 15; round++) {
      const result = await sink.write([listOf([point('bad', round, round)])], never)
      causes.push(causeOf(result))
    }
    expect(causes.filter((cause) => cause !== undefined)).toHaveLength(10)
    await stop()
  })
})

describe('answers that concern everything end the process with 69 and what to check', () => {
  test.each<[number, string, InfluxTarget, RegExp]>([
    [401, '{"error":"authorization failed"}', v1, /401: authorization failed.*--output-username and --output-password/],
    [403, '{"error":"u not authorized to write to metrics"}', v1, /403: u not authorized.*--output-username/],
    [404, '{"error":"database not found: \\"metrics\\""}', v1, /404: database not found.*--output-database/],
    [500, '{"error":"retention policy not found: week"}', v1, /retention policy not found.*--retention-policy/],
    [401, '{"code":"unauthorized","message":"unauthorized access"}', v2, /401: unauthorized access.*--token/],
    [
      404,
      '{"code":"not found","message":"bucket \\"metrics\\" not found"}',
      v2,
      /bucket "metrics" not found.*--org and --bucket/,
    ],
    [404, '404 page not found', v2, /404 page not found.*version 1 \(--output-database\)/],
    [403, '', v3, /403: no reason given.*--token.*--bucket/],
  ])('%p %s', async (status, body, target, message) => {
    const { sink, stop } = await pair(() => ({ status, body }), { target })
    const write = sink.write(numbered(3), never)
    await expect(write).rejects.toMatchObject({
      code: 'DS_INFLUX_REFUSED',
      exitCode: 69,
      message: expect.stringMatching(message),
    })
    await stop()
  })

  test('no message holds a secret', async () => {
    const { sink, stop } = await pair(() => ({ status: 401 }), { target: { ...v1, username: 'u', password: 'hidden' } })
    await expect(sink.write(numbered(1), never)).rejects.toMatchObject({
      message: expect.not.stringContaining('hidden'),
    })
    await stop()
  })
})

describe('answers that are a retry', () => {
  test.each<[string, DoubleAnswer, number | undefined, RegExp]>([
    ['429 with seconds', { status: 429, headers: { 'Retry-After': '7' } }, 7000, /429/],
    [
      '503 with a date',
      { status: 503, headers: { 'Retry-After': new Date(1_700_000_030_000).toUTCString() } },
      30_000,
      /503/,
    ],
    [
      '503 with a date that has passed',
      { status: 503, headers: { 'Retry-After': new Date(0).toUTCString() } },
      0,
      /503/,
    ],
    ['500', { status: 500, body: '{"error":"timeout"}' }, undefined, /500: timeout/],
    [
      '502 with a page of a proxy',
      { status: 502, body: '<html><h1>Bad\n Gateway</h1></html>' },
      undefined,
      /502: Bad Gateway/,
    ],
    ['a redirect', { status: 302, headers: { Location: 'http://login.invalid/' } }, undefined, /302/],
  ])('%s', async (_name, answer, afterMs, message) => {
    const { sink, stop } = await pair(() => answer, { clock: createFakeClock(1_700_000_000_000) })
    const result = (await sink.write(numbered(1), never)) as Extract<WriteResult, { status: 'retry' }>
    expect(result.status).toBe('retry')
    expect(result.afterMs).toBe(afterMs)
    expect(result.cause.message).toMatch(message)
    await stop()
  })

  test('an InfluxDB that hangs', async () => {
    const { sink, stop } = await pair(() => undefined, { timeoutMs: 50 })
    expect(await sink.write(numbered(1), never)).toMatchObject({
      status: 'retry',
      cause: { message: expect.stringContaining('no answer within 50 ms') },
    })
    await stop()
  })

  test.each([
    ['answers garbage', 'SSH-2.0-OpenSSH_9.2\r\n', /Parse Error/],
    ['closes without an answer', '', /hang up|closed/i],
    [
      'closes in the middle of its answer',
      'HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{"err',
      /closed|aborted|hang up/i,
    ],
  ])('a server that %s', async (_name, said, message) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(said))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sink = sinkTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const result = (await sink.write(numbered(1), never)) as Extract<WriteResult, { status: 'retry' }>
    expect(result.status).toBe('retry')
    expect(result.cause.message).toMatch(message)
    await sink.close()
    server.close()
  })
})

test('an answer of many megabytes is not read to its end', async () => {
  const { sink, stop } = await pair(() => ({ status: 400, body: 'x'.repeat(8 * 1024 * 1024) }))
  const result = (await sink.write(numbered(1), never)) as Extract<WriteResult, { status: 'retry' }>
  expect(result.status).toBe('retry')
  expect(result.cause.message).toMatch(/an answer of more than 1048576 bytes/)
  await stop()
})

test('what was not yet sent when the answer came is not sent any more', async () => {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    sockets.push(socket)
    // The first request is answered after its first bytes; the others do not fit into the buffers of both systems.
    socket.once('data', () => {
      if (sockets.length > 1) socket.end('HTTP/1.1 204 No Content\r\n\r\n')
      else socket.pause().write('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const sink = sinkTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const long = 'n'.repeat(20_000)
  const fortyMbytes = [listOf(Array.from({ length: 2000 }, (_, at) => point(long, at, at)))]
  expect(await sink.write(fortyMbytes, never)).toMatchObject({ status: 'retry' })
  expect(await sink.write(numbered(1), never)).toEqual({ status: 'sent', datapoints: 1 })
  const first = sockets[0] as Socket
  await once(first.resume(), 'close')
  expect(first.bytesRead).toBeLessThan(long.length * 2000)
  await sink.close()
  server.close()
})

describe('the database of InfluxDB 1', () => {
  const target: InfluxTarget = { ...v1, database: 'my "db"', createDatabase: true }

  test('is created before the first write, once, by a statement that is not compressed', async () => {
    const { influx, sink, stop } = await pair(({ path }) => ({ status: path === '/query' ? 200 : 204 }), {
      target,
      gzip: true,
    })
    await sink.open(never)
    await sink.write(numbered(1), never)
    await sink.write(numbered(1), never)
    expect(influx.requests.map(({ path }) => path)).toEqual(['/query', '/write', '/write'])
    expect(influx.requests[0]!.headers['content-encoding']).toBeUndefined()
    expect(new URLSearchParams(influx.requests[0]!.body).get('q')).toBe('CREATE DATABASE "my \\"db\\""')
    await stop()
  })

  test('is created later where InfluxDB was away at the start', async () => {
    let away = true
    const { influx, sink, stop } = await pair(({ path }) => ({ status: away ? 503 : path === '/query' ? 200 : 204 }), {
      target,
    })
    await sink.open(never)
    expect(await sink.write(numbered(1), never)).toMatchObject({ status: 'retry' })
    away = false
    expect(await sink.write(numbered(1), never)).toEqual({ status: 'sent', datapoints: 1 })
    expect(influx.requests.map(({ path }) => path)).toEqual(['/query', '/query', '/query', '/write'])
    await stop()
  })

  test('a wrong password is known at the start', async () => {
    const { sink, stop } = await pair(() => ({ status: 401, body: '{"error":"authorization failed"}' }), { target })
    await expect(sink.open(never)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('--output-password'),
    })
    await stop()
  })

  test('a user without the right to create it may still write', async () => {
    const warnings: unknown[] = []
    const log = { ...silentLog, warn: (fields: unknown) => void warnings.push(fields) }
    const { sink, stop } = await pair(({ path }) => ({ status: path === '/query' ? 403 : 204 }), {
      target,
      telemetry: { log, counters: new Counters() },
    })
    await sink.open(never)
    expect(warnings).toHaveLength(1)
    expect(await sink.write(numbered(1), never)).toEqual({ status: 'sent', datapoints: 1 })
    await stop()
  })

  test('that was dropped while we write is created again', async () => {
    let exists = false
    const { sink, stop } = await pair(
      ({ path }) => {
        if (path === '/query') exists = true
        return exists
          ? { status: path === '/query' ? 200 : 204 }
          : { status: 404, body: '{"error":"database not found"}' }
      },
      { target },
    )
    await sink.open(never)
    exists = false
    expect(await sink.write(numbered(1), never)).toMatchObject({ status: 'retry', afterMs: 0 })
    expect(await sink.write(numbered(1), never)).toEqual({ status: 'sent', datapoints: 1 })
    await stop()
  })

  test('that is not there after it was created ends the process', async () => {
    const { sink, stop } = await pair(
      ({ path }) => (path === '/query' ? { status: 200 } : { status: 404, body: '{"error":"database not found"}' }),
      { target },
    )
    await expect(sink.write(numbered(1), never)).rejects.toMatchObject({ exitCode: 69 })
    await stop()
  })
})

describe('collisions', () => {
  test.each([
    ['last', { status: 'sent', datapoints: 2, dropped: [{ datapoints: 1, reason: 'filtered' }] }],
    ['sum', { status: 'sent', datapoints: 3 }],
    ['spread', { status: 'sent', datapoints: 3 }],
  ] as const)('are counted and told once: %s', async (onCollision, expected) => {
    const warnings: unknown[] = []
    const counters = new Counters()
    const log = { ...silentLog, warn: (fields: unknown) => void warnings.push(fields) }
    const { sink, stop } = await pair(undefined, { onCollision, telemetry: { log, counters } })
    const lists = [listOf([point('a', 1), point('a', 2), point('b', 1)])]
    expect(await sink.write(lists, never)).toEqual(expected)
    expect(counters.value('sink.collisions', 'influx')).toBe(1)
    await sink.write([listOf([point('c', 1), point('c', 2)])], never)
    expect(counters.value('sink.collisions', 'influx')).toBe(2)
    expect(warnings).toHaveLength(1)
    await stop()
  })

  test('a sum that is refused counts all of its datapoints as dropped', async () => {
    const { sink, stop } = await pair(() => ({ status: 400 }), { onCollision: 'sum' })
    expect(await sink.write([listOf([point('a', 1), point('a', 2)])], never)).toMatchObject({
      datapoints: 0,
      dropped: [{ datapoints: 2, reason: 'rejected_by_sink' }],
    })
    await stop()
  })
})

test.each(['', '#comment'])('the measurement "%s" is refused at the start', (measurement) => {
  expect(() => sinkTo('http://127.0.0.1:1', { measurement })).toThrow(/--measurement-name/)
})
