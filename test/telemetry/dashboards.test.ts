import { readFileSync } from 'node:fs'
import { type CatalogRow, catalog, type MetricId } from '../../src/telemetry/catalog.js'
import { Counters } from '../../src/telemetry/counters.js'
import { influxDashboard } from '../../src/telemetry/dashboard-influx.js'
import { type Dashboard, type Panel, renderDashboard } from '../../src/telemetry/dashboard-model.js'
import { prometheusDashboard } from '../../src/telemetry/dashboard-prometheus.js'
import { prometheusName, statsdName } from '../../src/telemetry/names.js'
import { createMetricsPage } from '../../src/telemetry/prometheus.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { endPrograms, startProgram } from '../support/program.js'

const dashboards = { 'influxdb.json': influxDashboard(), 'prometheus.json': prometheusDashboard() }
const ids = Object.keys(catalog) as MetricId[]

function panelsOf({ panels }: Dashboard): Panel[] {
  return panels.flatMap((panel) => (panel.type === 'row' ? panel.panels : [panel]))
}

const queries = (dashboard: Dashboard) =>
  panelsOf(dashboard).flatMap(({ targets }) => targets.map(({ expr, query }) => expr ?? query ?? ''))

describe.each(Object.entries(dashboards))('deploy/grafana/%s', (name, dashboard) => {
  test('is what the catalogue makes of it: `npm run docs` writes it anew', () => {
    const file = readFileSync(new URL(`../../deploy/grafana/${name}`, import.meta.url), 'utf8')
    expect(file).toBe(renderDashboard(dashboard))
  })

  test('is JSON with panels of different numbers that do not overlap', () => {
    const { panels } = JSON.parse(renderDashboard(dashboard)) as Dashboard
    const everyId = panels.flatMap((panel) => [
      panel.id,
      ...(panel.type === 'row' ? panel.panels.map(({ id }) => id) : []),
    ])
    expect(new Set(everyId).size).toBe(everyId.length)
    const areas = panels.map(({ gridPos: { x, y, w, h } }) => ({ left: x, right: x + w, top: y, bottom: y + h }))
    const overlaps = areas.filter((one, at) =>
      areas.some(
        (other, index) =>
          index > at &&
          one.left < other.right &&
          other.left < one.right &&
          one.top < other.bottom &&
          other.top < one.bottom,
      ),
    )
    expect(overlaps).toEqual([])
    expect(Math.max(...areas.map(({ right }) => right))).toBeLessThanOrEqual(24)
  })

  test('every panel has a title, an explanation and a query of its own letter', () => {
    for (const { title, description, targets } of panelsOf(dashboard)) {
      expect(title).toMatch(/^[A-Z]/)
      expect(description).toMatch(/\.$/)
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length)
    }
  })
})

describe('for Prometheus', () => {
  test('no query names a metric that /metrics does not have, and each metric of the catalogue has its query', async () => {
    const page = await createMetricsPage({ counters: new Counters(), ledgers: [] }).render()
    const served = new Set([...page.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name))
    const named = queries(dashboards['prometheus.json']).flatMap((expr) => {
      const names = [...expr.matchAll(/\b([a-z][a-z0-9_]*)\{/g)].map(([, metric]) => metric)
      expect(names).toHaveLength(1)
      return names
    })
    expect(named.filter((name) => !served.has(name))).toEqual([])
    const variables = dashboards['prometheus.json'].templating.list.map(
      ({ query }) => /label_values\((\w+)/.exec(query)?.[1],
    )
    expect(variables.filter((name) => name !== undefined && !served.has(name))).toEqual([])
    expect(ids.map(prometheusName).filter((name) => !named.includes(name))).toEqual([])
  })

  test('what divides a metric is the label that it has', () => {
    const exprs = queries(dashboards['prometheus.json'])
    for (const id of ids) {
      const { label }: CatalogRow = catalog[id]
      const expr = exprs.find((text) => text.includes(`${prometheusName(id)}{`)) ?? ''
      expect(/sum by \((\w+)\)/.exec(expr)?.[1] ?? 'job').toBe(label ?? 'job')
    }
  })
})

describe('for InfluxDB', () => {
  let cli: BuiltCli
  beforeAll(async () => {
    cli = await buildCli()
  }, 60_000)
  afterAll(() => cli.remove())
  afterEach(endPrograms)

  test('no query names a field that a running stack does not write', async () => {
    const stack = startProgram(cli.path, ['local-stack', '--admin-listen', '127.0.0.1:0'])
    const own = statsdName('collector.tcp_input.records')
    const module = 'dcos.metrics.module.container_throttled_bytes_per_sec'
    await stack.dataUntil((data) => [own, module].every((wanted) => data.some(({ name }) => name === wanted)))
    await stack.stop()
    const written = new Set(stack.data.map(({ name }) => name))
    const fields = queries(dashboards['influxdb.json']).flatMap((query) => {
      const selected = query.slice(0, query.indexOf(' FROM '))
      return [...selected.matchAll(/"([^"]+)"/g)].map(([, field]) => field ?? '')
    })
    expect(fields.length).toBeGreaterThan(20)
    // Only some machines limit the CPU of a container.
    const sometimes = new Set(['dcos.metrics.container.cpus_throttled_time_secs'])
    expect(fields.filter((field) => !written.has(field) && !sometimes.has(field))).toEqual([])
    const tags = new Set(stack.data.flatMap(({ tags }) => Object.keys(tags)))
    const grouped = queries(dashboards['influxdb.json']).flatMap((query) => {
      const behind = query.slice(query.indexOf(' WHERE '))
      return [...behind.matchAll(/"([^"]+)"/g)].map(([, tag]) => tag ?? '')
    })
    expect([...new Set(grouped)].filter((tag) => !tags.has(tag))).toEqual([])
  }, 60_000)

  test('what a collector counts by topic is found behind its name', () => {
    const patterns = queries(dashboards['influxdb.json']).flatMap((query) => {
      const [, pattern] = /\(\/(.*?)\/\) FROM/.exec(query) ?? []
      return pattern === undefined ? [] : [new RegExp(pattern)]
    })
    const divided = ids.filter((id) => id.startsWith('collector.') && (catalog[id] as CatalogRow).label !== undefined)
    expect(patterns).toHaveLength(divided.length)
    for (const id of divided) {
      expect(patterns.filter((pattern) => pattern.test(statsdName(id, 'some-topic')))).toHaveLength(1)
      expect(patterns.filter((pattern) => pattern.test(statsdName(id)))).toHaveLength(0)
    }
  })
})
