import { decodeDatapoints } from '../../src/codec/datapoints.js'
import { createGenerator, createNumbering } from '../../src/inputs/generator.js'
import { instanceLine, numberedStatsdLine, sampleStatsdLines } from '../../src/inputs/sample-statsd.js'
import type { MetricList } from '../../src/model/metric-list.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { createFakeClock } from '../support/fake-clock.js'

const common = { topic: 't', tags: [[{ key: 'hostname', value: 'a' }]], pid: 7, uid: 0 }

describe('sampleStatsdLines', () => {
  test("are the reference emitter's sixteen, with its types and its tag", () => {
    const memory = { alloc: 1, total_alloc: 2, sys: 3, lookups: 0, mallocs: 5, frees: 6 }
    const clock = createFakeClock(1_700_000_000_123)
    const sent = { success: 40, failed: 2 }
    const lines = [...sampleStatsdLines({ clock, startMs: clock.nowMs() - 1500, pid: 9, loop: 3, sent }, memory)]
    expect(lines).toEqual(
      [
        'time.unix:1700000000|g',
        'time.unix_nano:1700000000123000000|g',
        'time.unix_float:1700000000.123|g',
        'time.uptime_gauge_ms:1500|g',
        'time.uptime_timer_ms:1500|ms',
        'proc.pid:9|g',
        'mem.alloc:1|g',
        'mem.total_alloc:2|g',
        'mem.sys:3|g',
        'mem.lookups:0|g',
        'mem.mallocs:5|g',
        'mem.frees:6|g',
        'sent.loop_counter:1|c',
        'sent.loop_gauge:3|g',
        'sent.bytes_success:40|g',
        'sent.bytes_failed:2|g',
      ].map((line) => `statsd_emitter.${line}|#sample_tag:sample_val`),
    )
    expect(instanceLine).toBe('statsd_emitter.proc.instance_counter:1|c|#sample_tag:sample_val')
    expect(numberedStatsdLine(5)).toBe('statsd_emitter.numbered:5|g|#sample_tag:sample_val')
  })
})

describe('createNumbering', () => {
  test('gives each number once, up to the count, to whoever asks', () => {
    const numbering = createNumbering({ count: 25, due: () => Infinity })
    const taken = [numbering.take(10), numbering.take(10), numbering.take(10), numbering.take(10)]
    expect(taken).toEqual([{ first: 1, last: 10 }, { first: 11, last: 20 }, { first: 21, last: 25 }, undefined])
    expect(numbering.done).toBe(true)
  })

  test('gives no more than are due', () => {
    let due = 3
    const numbering = createNumbering({ due: () => due })
    expect([numbering.take(10), numbering.take(10)]).toEqual([{ first: 1, last: 3 }, undefined])
    due = 5
    expect(numbering.take(10)).toEqual({ first: 4, last: 5 })
    expect(numbering.done).toBe(false)
  })
})

describe('createGenerator', () => {
  test('one list of eleven figures for each node and period', async () => {
    const clock = createFakeClock()
    const ledger = new Ledger('emit')
    const stop = new AbortController()
    const lists: MetricList[] = []
    const tags = [...common.tags, [{ key: 'hostname', value: 'b' }]]
    const source = createGenerator({ ...common, tags, clock, ledger, periodMs: 1000 })
    const running = source.run(async (emitted) => void lists.push(...emitted), stop.signal)
    await clock.advance(2000)
    stop.abort()
    await running
    expect(lists.map((list) => list.tags[0]?.value)).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
    const names = decodeDatapoints((lists[0] as MetricList).datapoints).map(({ name }) => name)
    expect(names).toEqual([
      ...['time.unix', 'time.unix_ms', 'time.uptime_ms'],
      ...['mem.alloc', 'mem.total_alloc', 'mem.sys', 'mem.lookups', 'mem.mallocs', 'mem.frees'],
      ...['proc.pid', 'proc.uid'],
    ])
    expect(ledger.received).toBe(66)
  })

  test('numbered datapoints end with their count', async () => {
    const clock = createFakeClock()
    const ledger = new Ledger('emit')
    const numbers: number[] = []
    const numbering = createNumbering({ count: 250, due: () => Infinity })
    const source = createGenerator({ ...common, clock, ledger, periodMs: 1000, numbering })
    await source.run(async ([list]) => {
      numbers.push(...decodeDatapoints((list as MetricList).datapoints).map(({ value }) => value))
    }, new AbortController().signal)
    expect(numbers).toEqual(Array.from({ length: 250 }, (_, i) => i + 1))
    expect(ledger.received).toBe(250)
  })

  test('numbered datapoints have times of their own where these are given', async () => {
    const times: number[] = []
    const numbering = createNumbering({ count: 3, due: () => Infinity })
    const timeMsOf = (number: number) => 1000 * number
    const parts = { clock: createFakeClock(), ledger: new Ledger('emit'), periodMs: 1000, numbering, timeMsOf }
    await createGenerator({ ...common, ...parts }).run(async ([list]) => {
      times.push(...decodeDatapoints((list as MetricList).datapoints).map(({ timeMs }) => timeMs))
    }, new AbortController().signal)
    expect(times).toEqual([1000, 2000, 3000])
  })
})
