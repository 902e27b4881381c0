import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { influxDashboard } from '../../src/telemetry/dashboard-influx.js'
import type { Dashboard, Panel } from '../../src/telemetry/dashboard-model.js'
import { prometheusDashboard } from '../../src/telemetry/dashboard-prometheus.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { endPrograms, startProgram as startCli } from '../support/program.js'
import { startInfluxd } from './support/influxd.js'
import { freePorts } from './support/ports.js'
import { programPath, startProgram } from './support/program.js'

let cli: BuiltCli
beforeAll(async () => {
  cli = await buildCli()
}, 60_000)
afterAll(() => cli.remove())
afterEach(endPrograms)

/** Queries with what Grafana would put in place of its variables. */
function queriesOf(
  { panels }: Dashboard,
  values: Readonly<Record<string, string>>,
): { title: string; query: string }[] {
  const all = panels.flatMap((panel): readonly Panel[] => (panel.type === 'row' ? panel.panels : [panel]))
  return all.flatMap(({ title, targets }) =>
    targets.map(({ expr, query }) => ({
      title,
      query: (expr ?? query ?? '').replace(/\$(\w+)/g, (_, name: string) => values[name] ?? `unknown variable ${name}`),
    })),
  )
}

test('InfluxDB understands every query, and those for nodes and containers have answers', async () => {
  const influxd = await startInfluxd()
  try {
    const sink = ['--sink', 'influx', '--output-host', '127.0.0.1', '--output-port', String(influxd.port)]
    const stack = startCli(cli.path, ['local-stack', ...sink, '--output-database', 'dcos', '--duration', '14'])
    expect((await stack.ended).code).toBe(0)
    const every = { measurement: 'dcos', timeFilter: 'time > now() - 1h', __interval: '2s', __interval_ms: '2000' }
    const queries = queriesOf(influxDashboard(), { ...every, agent: '.*', framework: '.*' })
    const answered = new Set<string>()
    for (const { title, query } of queries) {
      // Rejects where the server cannot read it.
      const series = await influxd.query(query, { db: 'dcos' })
      if (series.length > 0) answered.add(title)
    }
    const open = influxDashboard().panels.filter(({ type }) => type !== 'row')
    const wanted = open.map(({ title }) => title)
    expect(wanted.filter((title) => !answered.has(title))).toEqual([])
    for (const { name, query } of influxDashboard().templating.list.filter(({ type }) => type === 'query')) {
      const [series] = await influxd.query(query.replace('$measurement', 'dcos'), { db: 'dcos' })
      expect({ name, values: series?.values.length ?? 0 }).not.toMatchObject({ values: 0 })
    }
  } finally {
    await influxd.stop()
  }
})

test('Prometheus understands every query, and those for the ledgers have answers', async () => {
  const path = await programPath('prometheus', 'prometheus')
  const dir = await mkdtemp(join(tmpdir(), 'dcos-stats-prometheus-'))
  const [admin = 0, port = 0] = await freePorts(2)
  const stack = startCli(cli.path, ['local-stack', '--admin-listen', `127.0.0.1:${admin}`])
  const scrape = `{job_name: dcos-stats, static_configs: [{targets: ['127.0.0.1:${admin}']}]}`
  await writeFile(
    join(dir, 'p.yml'),
    `global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [${scrape}]\n`,
  )
  const address = `127.0.0.1:${port}`
  const prometheus = await startProgram({
    path,
    args: [`--config.file=${dir}/p.yml`, `--storage.tsdb.path=${dir}/data`, `--web.listen-address=${address}`],
    cwd: dir,
    logPath: join(dir, 'log'),
    isReady: async () => (await fetch(`http://${address}/-/ready`).catch(() => undefined))?.ok ?? false,
  })
  try {
    const ask = async (query: string) => {
      const response = await fetch(`http://${address}/api/v1/query?${new URLSearchParams({ query })}`)
      return (await response.json()) as { status: string; error?: string; data?: { result: unknown[] } }
    }
    const received = 'rate(dcos_stats_hop_received_total[10s])'
    const endMs = performance.now() + 40_000
    while ((await ask(received)).data?.result.length !== 3 && performance.now() < endMs) await sleep(300)
    const queries = queriesOf(prometheusDashboard(), { job: '.*', instance: '.*', __rate_interval: '10s' })
    const answers = await Promise.all(queries.map(async ({ query }) => ({ query, ...(await ask(query)) })))
    expect(answers.filter(({ status }) => status !== 'success')).toEqual([])
    const empty = answers.filter(({ data }) => data?.result.length === 0).map(({ query }) => query)
    const ledgers = empty.filter((query) => /hop_(received|forwarded|held)|process_|nodejs_/.test(query))
    expect(ledgers).toEqual([])
  } finally {
    await prometheus.end()
    await stack.stop()
    await rm(dir, { recursive: true, force: true })
  }
})
