import fc from 'fast-check'
import { createInfluxSink, type InfluxSinkOptions } from '../../src/outputs/influx.js'
import type { InfluxTarget } from '../../src/outputs/influx-target.js'
import type { Sink, WriteResult } from '../../src/outputs/sink.js'
import { systemClock } from '../../src/platform/clock.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { awkwardTexts, listOf, point, runSinkContract } from '../support/sink-contract.js'
import { type Influxd, type InfluxSeries, startInfluxd } from './support/influxd.js'

const never = new AbortController().signal
let influxd: Influxd
let databases = 0

beforeAll(async () => {
  influxd = await startInfluxd()
})
afterAll(() => influxd?.stop())

function sinkTo(
  server: Influxd,
  target: Partial<InfluxTarget & { version: 1 }>,
  options: Partial<InfluxSinkOptions> = {},
): Sink {
  return createInfluxSink({
    url: server.url,
    target: { version: 1, database: 'metrics', createDatabase: true, ...target },
    measurement: 'm',
    onCollision: 'last',
    gzip: true,
    batchPoints: 2000,
    clock: systemClock,
    telemetry: { log: silentLog, counters: new Counters() },
    ...options,
  })
}

/** A sink to a database of its own, and how to read it back. */
function freshSink(options: Partial<InfluxSinkOptions> = {}) {
  const database = `test "${++databases}"`
  return {
    database,
    sink: sinkTo(influxd, { database }, options),
    series: (epoch: 'ms' | 'ns' = 'ms') => influxd.query('SELECT * FROM /.*/ GROUP BY *', { db: database, epoch }),
  }
}

interface Stored {
  readonly tags: Readonly<Record<string, string>>
  readonly field: string
  readonly time: number
  readonly value: number
}

function storedPoints(series: readonly InfluxSeries[]): Stored[] {
  return series.flatMap(({ columns, values, tags = {} }) =>
    values.flatMap(([time, ...fields]) =>
      fields.flatMap((value, at) =>
        value === null ? [] : [{ tags, field: columns[at + 1] ?? '', time: Number(time), value: Number(value) }],
      ),
    ),
  )
}

describe('the contract of every sink', () => {
  runSinkContract({
    takesNotFinite: false,
    present: async () => {
      const { sink, series } = freshSink()
      return {
        sink,
        values: async () => storedPoints(await series()).map(({ value }) => value),
        dispose: async () => {},
      }
    },
  })
})

/** What InfluxDB 1 can keep of a text: see createInfluxNames. */
function asStored(text: string): string {
  return text
    .replace(/\\(?=[,= "\t\n\f\r\0]|$)/g, '/')
    .replace(/\t/g, '\\t')
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')
    .replace(/\0/g, '\\0')
}

describe('texts are read back as they were written', () => {
  test.each(awkwardTexts.filter((text) => !['time', '_field'].includes(text)))('%j', async (text) => {
    const { sink, series } = freshSink()
    const tags = [
      { key: text, value: text },
      { key: 'plain', value: 'x' },
    ]
    expect(await sink.write([listOf([point(text, 1)], { tags })], never)).toEqual({ status: 'sent', datapoints: 1 })
    const stored = asStored(text)
    expect(storedPoints(await series())).toEqual([
      { tags: { [stored]: stored, plain: 'x' }, field: stored, time: 1_700_000_000_123, value: 1 },
    ])
    await sink.close()
  })

  test('names that InfluxDB keeps for itself', async () => {
    const { sink, series } = freshSink()
    await sink.write([listOf([point('time', 1)], { tags: [{ key: 'time', value: 'v' }] })], never)
    expect(storedPoints(await series())).toMatchObject([{ tags: { time_: 'v' }, field: 'time_', value: 1 }])
    await sink.close()
  })

  test('random texts of the worst characters, all in one request (seed 63)', async () => {
    const { sink, series } = freshSink({ measurement: 'a measurement, with "quotes"=' })
    const nasty = fc.string({
      unit: fc.constantFrom('a', 'b', '\\', ',', '=', ' ', '"', '\n', '\r', '\t', 'ü'),
      minLength: 1,
    })
    const samples = fc.sample(fc.tuple(nasty, nasty, nasty), { seed: 63, numRuns: 1000 })
    const lists = samples.map(([key, value, name], n) =>
      listOf([point(name, n, n)], {
        tags: [
          { key, value },
          { key: 'number', value: String(n) },
        ],
      }),
    )
    expect(await sink.write(lists, never)).toEqual({ status: 'sent', datapoints: 1000 })
    const stored = storedPoints(await series()).sort((left, right) => left.value - right.value)
    // A series of the statement has a column for each tag key of the measurement; those without a value are not its own.
    const seen = stored.map(({ tags, ...rest }) => ({ ...rest, tags: nonEmpty(tags) }))
    expect(seen).toEqual(
      samples.map(([key, value, name], n) => ({
        field: asStored(name),
        time: n,
        value: n,
        tags: { [asStored(key)]: asStored(value), number: String(n) },
      })),
    )
    await sink.close()
  })

  test.each([1e21, -1e-7, 5e-324, 1.7976931348623157e308, 0.1, -3, 123456789.123])('the value %p', async (value) => {
    const { sink, series } = freshSink()
    await sink.write([listOf([point('n', value)])], never)
    expect(storedPoints(await series())).toMatchObject([{ value }])
    await sink.close()
  })
})

function nonEmpty(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== ''))
}

describe('bad lines among good ones', () => {
  test('a field that has another type: dropped with the words of InfluxDB, the rest is kept', async () => {
    const { sink, series, database } = freshSink()
    await sink.open(never)
    await fetch(`${influxd.url}/write?${new URLSearchParams({ db: database })}`, {
      method: 'POST',
      body: 'm typed=1i 1',
    })
    const points = Array.from({ length: 50 }, (_, n) => point(n % 10 === 3 ? 'typed' : 'good', n, n))
    const result = await sink.write([listOf(points)], never)
    expect(result).toMatchObject({
      datapoints: 45,
      dropped: [
        {
          datapoints: 5,
          reason: 'rejected_by_sink',
          cause: { message: expect.stringContaining('field type conflict') },
        },
      ],
    })
    expect(storedPoints(await series()).filter(({ field }) => field === 'good')).toHaveLength(45)
    await sink.close()
  })

  test('times that InfluxDB cannot hold', async () => {
    const { sink, series } = freshSink()
    const points = [point('good', 1, 1), point('far', 2, 9_300_000_000_000_000 / 2), point('good', 3, 3)]
    expect(await sink.write([listOf([...points, point('far', 4, -9_300_000_000_000_000 / 2)])], never)).toMatchObject({
      datapoints: 2,
      dropped: [
        { datapoints: 2, reason: 'rejected_by_sink', cause: { message: expect.stringContaining('outside range') } },
      ],
    })
    expect(storedPoints(await series()).map(({ value }) => value)).toEqual([1, 3])
    await sink.close()
  })

  test('points older than the retention policy', async () => {
    const { sink, series, database } = freshSink()
    await sink.open(never)
    await influxd.query(
      `ALTER RETENTION POLICY "autogen" ON "${database.replaceAll('"', '\\"')}" DURATION 1h SHARD DURATION 1h`,
    )
    const now = Date.now()
    const result = await sink.write(
      [listOf([point('a', 1, now), point('a', 2, now - 86_400_000), point('a', 3, now - 1)])],
      never,
    )
    expect(result).toMatchObject({ datapoints: 2, dropped: [{ datapoints: 1, reason: 'rejected_by_sink' }] })
    expect(
      storedPoints(await series())
        .map(({ value }) => value)
        .sort(),
    ).toEqual([1, 3])
    await sink.close()
  })
})

describe('datapoints of one series in the same millisecond', () => {
  const lists = [listOf([point('a', 1, 1000), point('a', 2, 1000)])]

  test.each([
    ['last', [[1_000_000_000, 2]]],
    ['sum', [[1_000_000_000, 6]]],
    [
      'spread',
      [
        [1_000_000_000, 1],
        [1_000_000_001, 2],
        [1_000_000_002, 1],
        [1_000_000_003, 2],
      ],
    ],
  ] as const)('%s, over two writes', async (onCollision, expected) => {
    const { sink, series } = freshSink({ onCollision })
    await sink.write(lists, never)
    await sink.write(lists, never)
    const stored = storedPoints(await series('ns')).map(({ time, value }) => [time, value])
    expect(stored).toEqual(expected)
    await sink.close()
  })
})

describe('what ends the process', () => {
  test('a database that is not there', async () => {
    const sink = sinkTo(influxd, { database: 'nowhere', createDatabase: false })
    await expect(sink.write([listOf([point('a', 1)])], never)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/database not found.*--output-database, --create-db/),
    })
    await sink.close()
  })

  test('a retention policy that is not there', async () => {
    const sink = sinkTo(influxd, { database: 'with-policy', retentionPolicy: 'nowhere' })
    await expect(sink.write([listOf([point('a', 1)])], never)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/retention policy not found.*--retention-policy/),
    })
    await sink.close()
  })

  test('InfluxDB 2 wanted where there is an older one', async () => {
    const sink = sinkTo(influxd, {}, { target: { version: 2, org: 'o', bucket: 'b', token: 't' } })
    await expect(sink.write([listOf([point('a', 1)])], never)).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/404.*version 1 \(--output-database\)/),
    })
    await sink.close()
  })
})

test('a retention policy of its own', async () => {
  const { sink, database } = freshSink()
  await sink.open(never)
  const name = database.replaceAll('"', '\\"')
  await influxd.query(`CREATE RETENTION POLICY "week" ON "${name}" DURATION 7d REPLICATION 1`)
  const toWeek = sinkTo(influxd, { database, retentionPolicy: 'week' })
  const now = Date.now()
  expect(await toWeek.write([listOf([point('a', 1, now)])], never)).toEqual({ status: 'sent', datapoints: 1 })
  expect(storedPoints(await influxd.query('SELECT * FROM "week"."m"', { db: database }))).toMatchObject([
    { time: now, value: 1 },
  ])
  await sink.close()
  await toWeek.close()
})

describe('with users', () => {
  let guarded: Influxd
  beforeAll(async () => {
    guarded = await startInfluxd({ auth: true })
    await guarded.query(`CREATE USER admin WITH PASSWORD 'p w:"' WITH ALL PRIVILEGES`)
    const credential = 'admin:p w:"'
    await guarded.query(`CREATE USER writer WITH PASSWORD 'w'`, { credential })
    await guarded.query('CREATE DATABASE shared', { credential })
    await guarded.query('GRANT WRITE ON shared TO writer', { credential })
  })
  afterAll(() => guarded?.stop())

  test('the right password', async () => {
    const sink = sinkTo(guarded, { username: 'admin', password: 'p w:"' })
    expect(await sink.write([listOf([point('a', 1)])], never)).toEqual({ status: 'sent', datapoints: 1 })
    await sink.close()
  })

  test('a user who may write to a database and not create one', async () => {
    const sink = sinkTo(guarded, { username: 'writer', password: 'w', database: 'shared' })
    await sink.open(never)
    expect(await sink.write([listOf([point('a', 1)])], never)).toEqual({ status: 'sent', datapoints: 1 })
    await sink.close()
  })

  test.each([
    ['none', {}, /401.*--output-username and --output-password/],
    ['a wrong one', { username: 'admin', password: 'x' }, /401.*--output-username and --output-password/],
  ])('the password: %s', async (_name, credential, message) => {
    const sink = sinkTo(guarded, credential)
    await expect(sink.open(never)).rejects.toMatchObject({ exitCode: 69, message: expect.stringMatching(message) })
    await sink.close()
  })

  test('a user who may not write there', async () => {
    const sink = sinkTo(guarded, { username: 'writer', password: 'w', database: 'other', createDatabase: false })
    const write = sink.write([listOf([point('a', 1)])], never)
    await expect(write).rejects.toMatchObject({ exitCode: 69, message: expect.stringMatching(/40[134].*--output-/) })
    await sink.close()
  })
})

describe('an InfluxDB that comes and goes', () => {
  let server: Influxd
  beforeEach(async () => {
    server = await startInfluxd()
  })
  afterEach(() => server?.stop())

  test('killed and started again while 20,000 points are written: every one is there', async () => {
    const sink = sinkTo(server, {}, { timeoutMs: 5000 })
    await sink.open(never)
    for (let batch = 0; batch < 20; batch++) {
      const points = Array.from({ length: 1000 }, (_, n) => point('n', batch * 1000 + n, batch * 1000 + n))
      const written = writeUntilSent(sink, [listOf(points)])
      if (batch % 7 === 3) {
        await server.kill()
        await server.start()
      }
      expect(await written).toMatchObject({ status: 'sent', datapoints: 1000 })
    }
    const stored = storedPoints(await server.query('SELECT * FROM m', { db: 'metrics' }))
    expect(stored.map(({ value }) => value)).toEqual(Array.from({ length: 20_000 }, (_, n) => n))
    await sink.close()
  })

  test('hanging: a retry after the timeout, and nothing is lost when it goes on', async () => {
    const sink = sinkTo(server, {}, { timeoutMs: 300 })
    await sink.open(never)
    server.freeze()
    expect(await sink.write([listOf([point('a', 1)])], never)).toMatchObject({
      status: 'retry',
      cause: { message: expect.stringContaining('no answer within 300 ms') },
    })
    server.thaw()
    expect(await writeUntilSent(sink, [listOf([point('a', 1)])])).toMatchObject({ status: 'sent' })
    await sink.close()
  })
})

async function writeUntilSent(sink: Sink, lists: ReturnType<typeof listOf>[]): Promise<WriteResult> {
  for (;;) {
    const result = await sink.write(lists, never)
    if (result.status === 'sent') return result
    await systemClock.sleep(100)
  }
}
