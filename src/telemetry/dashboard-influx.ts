import { groupCatalog, type MetricGroup, shortName } from './dashboard-groups.js'
import { type Dashboard, type DataSource, layOut, type Plot, type Section, timeSeries } from './dashboard-model.js'
import { statsdName } from './names.js'

const datasource: DataSource = { type: 'influxdb', uid: '$' + '{datasource}' }

/** Ids of the metrics that a collector sends by StatsD (--statsd-udp-host), so that they end up in InfluxDB like all others. */
const sentByStatsd = 'collector.'

/** The dashboard over what `consume --sink influx` has written: nodes, containers, and the collectors' own metrics. */
export function influxDashboard(): Dashboard {
  const own = groupCatalog(sentByStatsd).map(({ title, groups }) => ({
    title,
    collapsed: true,
    plots: groups.map(plotOf),
  }))
  return {
    uid: 'dcos-stats-influxdb',
    title: 'dcos-stats (InfluxDB)',
    description: 'Nodes, containers and collectors, from what consume --sink influx writes. InfluxQL.',
    tags: ['dcos-stats'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'InfluxDB', type: 'datasource', query: 'influxdb' },
        { name: 'measurement', label: 'Measurement', type: 'textbox', query: 'dcos' },
        tagVariable('agent', 'Agent', 'agent_id'),
        tagVariable('framework', 'Framework', 'framework_name'),
      ],
    },
    panels: layOut([nodeSection(), containerSection(), limitSection(), ...own]),
  }
}

function tagVariable(name: string, label: string, key: string) {
  const query = `SHOW TAG VALUES FROM "$measurement" WITH KEY = "${key}"`
  const choice = { multi: true, includeAll: true, allValue: '.*', refresh: 2, sort: 1 } as const
  return { name, label, type: 'query', query, definition: query, datasource, ...choice } as const
}

function nodeSection(): Section {
  const agent = (key: string) => `mean("dcos.metrics.agent.${key}")`
  const plot = (title: string, unit: string, ...values: readonly (readonly [string, string])[]) =>
    influxPlot({
      title,
      unit,
      description: 'From the Mesos agents.',
      by: ['agent_id'],
      where: '"agent_id" =~ /^$agent$/',
      values,
    })
  const plots = [
    plot('Load', 'short', ['1 min', agent('system.load_1min')], ['15 min', agent('system.load_15min')]),
    plot('CPU given to tasks', 'percentunit', ['', agent('slave.cpus_percent')]),
    plot('Memory given to tasks', 'percentunit', ['', agent('slave.mem_percent')]),
    plot('Free memory', 'bytes', ['', agent('system.mem_free_bytes')]),
    plot('Tasks running', 'short', ['', agent('slave.tasks_running')]),
    plot('Tasks failed, lost', 'short', ['failed', agent('slave.tasks_failed')], ['lost', agent('slave.tasks_lost')]),
  ]
  return { title: 'Nodes', collapsed: false, plots }
}

function containerSection(): Section {
  const metric = (key: string) => `"dcos.metrics.container.${key}"`
  const rate = (key: string) => `non_negative_derivative(mean(${metric(key)}), 1s)`
  const plot = (title: string, unit: string, ...values: readonly (readonly [string, string])[]) =>
    influxPlot({ title, unit, description: 'From the Mesos agents.', ...containers, values })
  const plots = [
    plot('CPU, user', 'percentunit', ['', rate('cpus_user_time_secs')]),
    plot('CPU, system', 'percentunit', ['', rate('cpus_system_time_secs')]),
    plot('CPU, throttled', 'percentunit', ['', rate('cpus_throttled_time_secs')]),
    plot('Memory', 'bytes', ['', `mean(${metric('mem_rss_bytes')})`]),
    plot('Memory of what is allowed', 'percentunit', [
      '',
      `mean(${metric('mem_rss_bytes')}) / mean(${metric('mem_limit_bytes')})`,
    ]),
  ]
  return { title: 'Containers', collapsed: false, plots }
}

function limitSection(): Section {
  const plot = (title: string, key: string, loss: boolean) =>
    influxPlot({
      title,
      unit: 'Bps',
      loss,
      description: 'From the StatsD proxies, with the tags of the container.',
      ...containers,
      values: [['', `mean("dcos.metrics.module.container_${key}_bytes_per_sec")`]],
    })
  const plots = [plot('StatsD received', 'received', false), plot('StatsD over the limit, dropped', 'throttled', true)]
  return { title: 'What containers emit', collapsed: false, plots }
}

const containers = {
  by: ['executor_id', 'container_id'],
  where: '"agent_id" =~ /^$agent$/ AND "framework_name" =~ /^$framework$/',
} as const

/** Our own gauges say what was counted since the last ones; their sum over a while is what happened in it. */
function plotOf({ title, description, row, ids }: MetricGroup): Plot {
  const { kind, unit, label, meansLoss = false } = row
  const value = (name: string) => (kind === 'counter' ? `sum(${name}) * 1000 / $__interval_ms` : `mean(${name})`)
  // A topic stands behind the name, and a pattern of names allows for no arithmetic.
  const byLabel = (name: string) => `${kind === 'counter' ? 'sum' : 'mean'}(/^${escapePattern(name)}\\./)`
  const perInterval = label !== undefined && kind === 'counter'
  return influxPlot({
    title: perInterval ? title.replace(' per second', ' in each interval') : title,
    description,
    unit: unit === 'bytes' ? (kind === 'counter' && !perInterval ? 'Bps' : 'bytes') : 'short',
    loss: meansLoss,
    by: [],
    where: '"agent_id" =~ /^$agent$/',
    values: ids.map((id) => {
      const name = statsdName(id)
      return label === undefined ? [shortName(id), value(`"${name}"`)] : ['$col', byLabel(name)]
    }),
  })
}

function escapePattern(name: string): string {
  return name.replaceAll('.', '\\.')
}

function influxPlot(plot: {
  title: string
  description: string
  unit: string
  loss?: boolean
  /** Tags; a line for each of their values. */
  by: readonly string[]
  where: string
  /** Name and value of each line. */
  values: readonly (readonly [name: string, value: string])[]
}): Plot {
  const { by, where, values, ...rest } = plot
  const groups = ['time($__interval)', ...by.map((tag) => `"${tag}"`)].join(', ')
  const tags = by.map((tag) => `$tag_${tag}`).join(' ')
  const targets = values.map(([name, value]) => ({
    query: `SELECT ${value} FROM "$measurement" WHERE $timeFilter AND ${where} GROUP BY ${groups} fill(none)`,
    rawQuery: true as const,
    resultFormat: 'time_series' as const,
    alias: [name, tags].filter((text) => text !== '').join(' '),
  }))
  return timeSeries({ ...rest, datasource, targets })
}
