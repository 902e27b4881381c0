import { PassThrough } from 'node:stream'
import { imbalance } from '../../src/model/ledger.js'
import { type CatalogRow, catalog, type MetricId } from '../../src/telemetry/catalog.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { createLog } from '../../src/telemetry/log.js'
import { prometheusName, statsdName } from '../../src/telemetry/names.js'
import { sendOwnMetrics } from '../../src/telemetry/own-metrics.js'
import { logLedgers, renderLedgers } from '../../src/telemetry/report.js'
import { createFakeClock } from '../support/fake-clock.js'

describe('catalog', () => {
  const rows = Object.entries(catalog) as [MetricId, CatalogRow][]

  test.each(rows)('%s says in a sentence what it counts', (_id, row) => {
    expect(row.help).toMatch(/^[A-Z].*\.$/)
  })

  test('every name is legal for Prometheus and for StatsD, and no two are alike', () => {
    for (const [id] of rows) {
      expect(prometheusName(id)).toMatch(/^[a-z_][a-z0-9_]*$/)
      expect(statsdName(id)).toMatch(/^dcos\.metrics\.[a-z0-9_.]+$/)
    }
    expect(new Set(rows.map(([id]) => prometheusName(id))).size).toBe(rows.length)
  })
})

describe('Ledger', () => {
  test('held is what the holders say, so that the balance can show a mistake', () => {
    const ledger = new Ledger('hop')
    ledger.received += 5
    ledger.forwarded += 2
    ledger.drop('filtered', 1)
    ledger.drop('filtered', 0)
    expect(imbalance(ledger.snapshot())).toBe(2)
    const leave = ledger.addHolder(() => 2)
    expect(imbalance(ledger.snapshot())).toBe(0)
    leave()
    expect(ledger.snapshot()).toEqual({ hop: 'hop', received: 5, forwarded: 2, dropped: { filtered: 1 }, held: 0 })
  })
})

describe('Counters', () => {
  test('cells are shared by id and label, refreshed before a reading, and can be forgotten', () => {
    const counters = new Counters()
    counters.cell('admin.requests_refused').value += 2
    counters.add('admin.requests_refused')
    counters.add('admin.requests_refused', 5, 'x')
    counters.onRead(() => counters.set('admin.requests_refused', 9, 'y'))
    const shown = () => [...counters.read()].map(({ label, value }) => [label, value])
    expect(shown()).toEqual([
      [undefined, 3],
      ['x', 5],
      ['y', 9],
    ])
    counters.forget('admin.requests_refused', 'x')
    expect(shown()).toEqual([
      [undefined, 3],
      ['y', 9],
    ])
  })
})

describe('sendOwnMetrics', () => {
  test("each period what was counted since the last one, zeros too, under the first releases' names", async () => {
    const clock = createFakeClock()
    const counters = new Counters()
    const lines: string[] = []
    const stop = sendOwnMetrics({
      counters,
      clock,
      periodMs: 1000,
      idPrefix: 'admin.',
      send: (line) => lines.push(line),
    })
    counters.add('admin.requests_refused', 3)
    counters.add('admin.requests_refused', 1, 'a:b|c')
    await clock.advance(1000)
    expect(lines.splice(0)).toEqual([
      'dcos.metrics.admin.requests_refused:3|g',
      'dcos.metrics.admin.requests_refused.a_b_c:1|g',
    ])
    counters.add('admin.requests_refused', 2)
    await clock.advance(1000)
    expect(lines.splice(0)).toEqual([
      'dcos.metrics.admin.requests_refused:2|g',
      'dcos.metrics.admin.requests_refused.a_b_c:0|g',
    ])
    stop()
    await clock.advance(5000)
    expect(lines).toEqual([])
  })
})

describe('ledger report', () => {
  const balanced = { hop: 'proxy', received: 3, forwarded: 1, dropped: { malformed: 1 }, held: 1 }

  test('the table says what may be there twice', () => {
    expect(renderLedgers([{ ...balanced, repeated: 2 }])).toContain('balanced, up to 2 sent twice')
  })

  test('the table says balanced, or what is missing', () => {
    const broken = { hop: 'collector', received: 3, forwarded: 1, dropped: {}, held: 0 }
    expect(renderLedgers([balanced, broken])).toBe(
      [
        'hop        received  forwarded  dropped      held',
        'proxy      3         1          1 malformed  1     balanced',
        'collector  3         1          0            0     2 MISSING',
        '',
      ].join('\n'),
    )
  })

  test('the log has one JSON object a hop; a hop that does not balance is an error', async () => {
    const destination = new PassThrough()
    const log = await createLog({ level: 'info', format: 'json', role: 'test', destination })
    const good = new Ledger('good')
    const bad = new Ledger('bad')
    bad.received += 1
    logLedgers(log, [good, bad], 'at exit')
    const lines = destination
      .read()
      .toString()
      .trim()
      .split('\n')
      .map((line: string) => JSON.parse(line))
    expect(lines).toMatchObject([
      { level: 'info', role: 'test', hop: 'good', received: 0, forwarded: 0, dropped: {}, held: 0, msg: 'at exit' },
      { level: 'error', hop: 'bad', missing: 1 },
    ])
  })

  test('pretty lines are for people', async () => {
    const destination = new PassThrough()
    const log = await createLog({ level: 'info', format: 'pretty', role: 'test', destination })
    log.debug('not shown')
    log.warn({ sink: 'stdout' }, 'waiting')
    const text = destination.read().toString()
    expect(text).toMatch(/^\[\d\d:\d\d:\d\d\] WARN: waiting \{"sink":"stdout"\}\n/)
    expect(text).not.toContain('not shown')
  })
})
