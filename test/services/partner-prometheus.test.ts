import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPartnerPrometheus } from '../../src/outputs/partner-prometheus.js'
import { systemClock } from '../../src/platform/clock.js'
import type { ListenAddress } from '../../src/platform/hosts.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { listWith } from '../support/partner.js'
import { freePorts } from './support/ports.js'
import { programPath, startProgram } from './support/program.js'

const tools = await Promise.all(['prometheus', 'promtool'].map((name) => programPath(name, 'prometheus'))).catch(
  () => undefined,
)
const whereInstalled = tools === undefined ? describe.skip : describe
const signal = new AbortController().signal
const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Names and tags that a page must not be broken by. */
const hostile = [
  listWith({ 'app.id': 'a"b\\c\nd', __name__: 'x', '1st': 'é\u{1f600}', empty: '' }, [
    ['requests.rate', 1],
    ['requests_rate', 2],
    ['9 lives{}', Number.NaN],
    ['größe', Number.POSITIVE_INFINITY],
  ]),
  listWith(
    [
      { key: 'role', value: 'web\0\r' },
      { key: 'role', value: 'db' },
      { key: '', value: '{}' },
      { key: 'quantile.', value: '0.5' },
    ],
    [
      ['latency_max', -1e300],
      ['', 5e-324],
    ],
  ),
]

whereInstalled('Prometheus (Debian: apt-get install prometheus)', () => {
  const [prometheus = '', promtool = ''] = tools ?? []

  async function serve(expiryMs?: number) {
    let port = 0
    const tap = createPartnerPrometheus({
      listen: { host: '127.0.0.1', port: 0 },
      log: silentLog,
      counters: new Counters(),
      clock: systemClock,
      ...(expiryMs !== undefined && { expiryMs }),
      onListening: (address: ListenAddress) => {
        if (address.kind === 'tcp') port = address.port
      },
    })
    await tap.open(signal)
    closers.push(() => tap.close())
    return { tap, port }
  }

  async function startPrometheus(target: number) {
    const folder = await mkdtemp(join(tmpdir(), 'dcos-stats-prometheus-'))
    closers.push(() => rm(folder, { recursive: true, force: true }))
    const [port = 0] = await freePorts(1)
    const scrape = {
      job_name: 'partner',
      scrape_interval: '250ms',
      static_configs: [{ targets: [`127.0.0.1:${target}`] }],
    }
    // JSON is YAML too.
    await writeFile(
      join(folder, 'prometheus.yml'),
      JSON.stringify({ scrape_configs: [{ ...scrape, scrape_timeout: '250ms' }] }),
    )
    const url = `http://127.0.0.1:${port}`
    const program = await startProgram({
      path: prometheus,
      args: ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`],
      cwd: folder,
      logPath: join(folder, 'log'),
      isReady: () =>
        fetch(`${url}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        ),
    })
    closers.push(() => program.end())
    return (query: string) => ask(url, query)
  }

  test('promtool finds nothing wrong with a page of hostile names and tags', async () => {
    const { tap, port } = await serve()
    tap.push(hostile)
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    const { code, output } = await run(promtool, ['check', 'metrics'], page)
    expect({ code, output }).toEqual({ code: 0, output: '' })
  })

  test('a real Prometheus takes every series with its labels, and sees one end that expires', async () => {
    const { tap, port } = await serve(2000)
    const sent = [listWith({}, [['alive', 1]]), ...hostile]
    const sending = setInterval(() => tap.push(sent), 200)
    closers.push(async () => clearInterval(sending))
    const query = await startPrometheus(port)
    const first = { app_id: 'a"b\\c\nd', _name__: 'x', _1st: 'é\u{1f600}', empty: 'true' }
    const second = { role: 'web\ufffd\ufffd', role_2: 'db', _: '{}', quantile_: '0.5' }
    expect(
      await until(
        () => query('{job="partner",__name__!~"up|scrape_.*|alive"}'),
        (found) => found.length === 6,
      ),
    ).toEqual(
      [
        { __name__: '_', ...second, value: '5e-324' },
        { __name__: '_9_lives__', ...first, value: 'NaN' },
        { __name__: 'gr__e', ...first, value: '+Inf' },
        { __name__: 'latency_max', ...second, value: '-1e+300' },
        { __name__: 'requests_rate', ...first, value: '1' },
        { __name__: 'requests_rate', ...first, original_name: 'requests_rate', value: '2' },
      ].map((series) => expect.objectContaining(series)),
    )
    sent.splice(1)
    await until(
      () => query('requests_rate'),
      (found) => found.length === 0,
    )
    expect(await query('alive')).toHaveLength(1)
    expect(await query('up')).toEqual([expect.objectContaining({ value: '1' })])
  })
})

type Found = Record<string, string>[]

async function ask(url: string, query: string): Promise<Found> {
  const reply = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`)
  const { data } = (await reply.json()) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] }
  }
  const found = data.result.map(({ metric, value: [, value] }) => ({ ...metric, value }))
  return found.sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1))
}

function textOf(series: Record<string, string>): string {
  return `${series.__name__} ${series.value}`
}

/** Asks until the answer is as it should be; after ten seconds the answer is given as it is. */
async function until(question: () => Promise<Found>, isEnough: (found: Found) => boolean): Promise<Found> {
  const endMs = performance.now() + 10_000
  for (;;) {
    const found = await question()
    if (isEnough(found)) return found
    if (performance.now() > endMs) throw new Error(`Prometheus has ${JSON.stringify(found)}`)
    await sleep(100)
  }
}

function run(path: string, args: readonly string[], input: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    let output = ''
    const collect = (bytes: Buffer) => {
      output += bytes
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
    child.stdin.end(input)
  })
}
