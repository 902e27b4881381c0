import { request } from 'node:http'
import { connect } from 'node:net'
import { createPartnerPrometheus, type PartnerPrometheusOptions } from '../../src/outputs/partner-prometheus.js'
import type { ListenAddress } from '../../src/platform/hosts.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { parseExposition } from '../support/exposition.js'
import { createFakeClock } from '../support/fake-clock.js'
import { listWith } from '../support/partner.js'

const signal = new AbortController().signal
const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function serve(options: Partial<PartnerPrometheusOptions> = {}) {
  const counters = new Counters()
  const clock = createFakeClock()
  const warnings: string[] = []
  let bound = { host: '', port: 0 }
  const tap = createPartnerPrometheus({
    listen: { host: '127.0.0.1', port: 0 },
    log: { ...silentLog, warn: (_fields: unknown, text?: string) => void warnings.push(text ?? '') },
    counters,
    clock,
    onListening: (address: ListenAddress) => {
      if (address.kind === 'tcp') bound = address
    },
    ...options,
  })
  await tap.open(signal)
  closers.push(() => tap.close())
  const { port } = bound
  const count = (what: string, label?: string) =>
    [...counters.read()].find(({ id, label: its }) => id === `collector.partner.prometheus_${what}` && its === label)
      ?.value ?? 0
  const scrape = async () => parseExposition((await get(port, '/metrics')).body)
  return { tap, clock, warnings, port, count, scrape }
}

function get(port: number, path: string, { method = 'GET', headers = {} as Record<string, string> } = {}) {
  return new Promise<{ status: number; body: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        body += part
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

test('a scrape gets the newest value of every series, in the text form', async () => {
  const { tap, port, scrape, count } = await serve()
  tap.push([listWith({ framework_name: 'marathon', 'app.id': 'a"b\\c\nd' }, [['requests.count', 1]])])
  tap.push([listWith({ framework_name: 'marathon', 'app.id': 'a"b\\c\nd' }, [['requests.count', 2]])])
  expect(await scrape()).toEqual([
    { name: 'requests_count', labels: { framework_name: 'marathon', app_id: 'a"b\\c\nd' }, value: 2 },
  ])
  const { headers, body } = await get(port, '/metrics?x=1')
  expect(headers).toMatchObject({ 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
  expect(body).toBe(
    [
      '# HELP requests_count Newest value of requests.count',
      '# TYPE requests_count gauge',
      'requests_count{app_id="a\\"b\\\\c\\nd",framework_name="marathon"} 2\n',
    ].join('\n'),
  )
  expect([count('scrapes'), count('series')]).toEqual([2, 1])
})

test('before there is anything, the page is empty', async () => {
  const { port } = await serve()
  expect(await get(port, '/metrics')).toMatchObject({ status: 200, body: '' })
})

test('series expire', async () => {
  const { tap, clock, scrape, count } = await serve({ expiryMs: 60_000 })
  tap.push([
    listWith({}, [
      ['a', 1],
      ['b', 1],
    ]),
  ])
  await clock.advance(30_000)
  tap.push([listWith({}, [['b', 2]])])
  await clock.advance(30_000)
  expect(await scrape()).toEqual([{ name: 'b', labels: {}, value: 2 }])
  expect(count('series')).toBe(1)
  await clock.advance(36_000)
  expect(count('series')).toBe(0)
})

test('series over the limit are counted, and told once until the next sweep', async () => {
  const { tap, clock, warnings, scrape, count } = await serve({ seriesLimit: 10, expiryMs: 60_000 })
  const many = listWith(
    {},
    Array.from({ length: 1000 }, (_, n) => [`m${n}`, n] as const),
  )
  tap.push([many])
  tap.push([many])
  expect(await scrape()).toHaveLength(10)
  expect([count('left_out', 'series_limit'), count('series')]).toEqual([1980, 10])
  expect(warnings).toHaveLength(1)
  await clock.advance(6000)
  tap.push([many])
  expect(warnings).toHaveLength(2)
})

test('names that collide are counted and told once', async () => {
  const { tap, warnings, scrape, count } = await serve()
  tap.push([
    listWith({}, [
      ['a.b', 1],
      ['a_b', 2],
      ['a-b', 3],
    ]),
  ])
  expect((await scrape()).map(({ labels }) => labels)).toEqual([{}, { original_name: 'a_b' }, { original_name: 'a-b' }])
  expect([count('name_collisions'), warnings.length]).toEqual([2, 1])
})

test.each([
  ['another path', '/', {}, 404],
  ['another method', '/metrics', { method: 'POST' }, 405],
  ['a name of a web page (DNS rebinding)', '/metrics', { headers: { host: 'evil.example:9100' } }, 403],
  ['the loopback name', '/metrics', { headers: { host: 'localhost:9100' } }, 200],
  ['the IPv6 loopback address', '/metrics', { headers: { host: '[::1]:9100' } }, 200],
  ['HEAD', '/metrics', { method: 'HEAD' }, 200],
])('%s', async (_what, path, options, status) => {
  const { port, count } = await serve()
  expect((await get(port, path, options)).status).toBe(status)
  expect(count('requests_refused')).toBe(status === 403 ? 1 : 0)
})

test('on an address that others can reach any Host is taken, and the log says that others can', async () => {
  const { port, warnings } = await serve({ listen: { host: '0.0.0.0', port: 0 } })
  expect((await get(port, '/metrics', { headers: { host: 'node-7.example:9100' } })).status).toBe(200)
  expect(warnings).toEqual(['other nodes can read the metrics too: --partner-prometheus'])
})

test('a port that is taken is refused with the name of the option', async () => {
  const { port } = await serve()
  await expect(serve({ listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({
    code: 'DS_PARTNER_PROMETHEUS',
    exitCode: 69,
    message: expect.stringMatching(/^--partner-prometheus 127\.0\.0\.1:\d+ cannot be used: the port is taken/),
  })
})

test('the end does not wait for a client that says nothing, nor for one that keeps its connection', async () => {
  const { tap, port } = await serve()
  const silent = connect(port, '127.0.0.1').on('error', () => {})
  const keeping = connect(port, '127.0.0.1').on('error', () => {})
  keeping.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise((resolve) => keeping.once('data', resolve))
  const startedMs = performance.now()
  await tap.close()
  expect(performance.now() - startedMs).toBeLessThan(2000)
  silent.destroy()
  keeping.destroy()
})

test('a page of 20,000 series is whole and legal', async () => {
  const { tap, scrape } = await serve()
  const lists = Array.from({ length: 200 }, (_, container) =>
    listWith(
      { framework_id: 'f', container_id: `c${container}` },
      Array.from({ length: 100 }, (_, n) => [`metric.${n}`, container * n] as const),
    ),
  )
  tap.push(lists)
  const samples = await scrape()
  expect(samples).toHaveLength(20_000)
  expect(samples.at(-1)).toEqual({
    name: 'metric_99',
    labels: { container_id: 'c199', framework_id: 'f' },
    value: 199 * 99,
  })
})
