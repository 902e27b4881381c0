import { groupCatalog, type MetricGroup, shortName } from './dashboard-groups.js'
import { type Dashboard, type DataSource, layOut, type Plot, type Section, timeSeries } from './dashboard-model.js'
import { prometheusName } from './names.js'

const datasource: DataSource = { type: 'prometheus', uid: '$' + '{datasource}' }
const chosen = '{job=~"$job", instance=~"$instance"}'

/** The dashboard over the /metrics of all daemons: the ledgers first, then every metric of the catalogue. */
export function prometheusDashboard(): Dashboard {
  const sections = groupCatalog().map(({ title, groups }) => ({ title, collapsed: true, plots: groups.map(plotOf) }))
  return {
    uid: 'dcos-stats-prometheus',
    title: 'dcos-stats (Prometheus)',
    description: 'The way of a datapoint through all hops, and every metric that the daemons have of themselves.',
    tags: ['dcos-stats'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
        labelVariable('job', 'Job', 'dcos_stats_hop_received_total'),
        labelVariable('instance', 'Daemon', 'dcos_stats_hop_received_total{job=~"$job"}'),
      ],
    },
    panels: layOut([ledgerSection(), ...sections, processSection()]),
  }
}

function labelVariable(name: string, label: string, series: string) {
  const query = `label_values(${series}, ${name})`
  const choice = { multi: true, includeAll: true, allValue: '.*', refresh: 2, sort: 1 } as const
  return { name, label, type: 'query', query, definition: query, datasource, ...choice } as const
}

function ledgerSection(): Section {
  const perHop = (name: string) => `sum by (hop) (rate(${name}${chosen}[$__rate_interval]))`
  const plot = (title: string, description: string, expr: string, legendFormat = '{{hop}}', loss = false) =>
    timeSeries({ title, description, datasource, unit: 'short', loss, targets: [{ expr, legendFormat }] })
  const byReason = `sum by (hop, reason) (rate(dcos_stats_hop_dropped_total${chosen}[$__rate_interval]))`
  const held = `sum by (hop) (dcos_stats_hop_held${chosen})`
  const plots = [
    plot('Received per second', 'Datapoints that came into a hop.', perHop('dcos_stats_hop_received_total')),
    plot('Forwarded per second', 'Datapoints that a hop handed on for good.', perHop('dcos_stats_hop_forwarded_total')),
    plot('Dropped per second', 'Datapoints that left the stream, by reason.', byReason, '{{hop}}: {{reason}}', true),
    plot('Held', 'Datapoints that a hop keeps right now.', held),
    plot(
      'Repeated per second',
      'Datapoints sent again: the next hop may have them twice.',
      perHop('dcos_stats_hop_repeated_total'),
    ),
  ]
  return { title: 'The way of a datapoint', collapsed: false, plots }
}

function plotOf({ title, description, row, ids }: MetricGroup): Plot {
  const { kind, unit, label, meansLoss = false } = row
  const by = label === undefined ? 'job' : label
  const targets = ids.map((id) => {
    const series = `${prometheusName(id)}${chosen}`
    const value = kind === 'counter' ? `rate(${series}[$__rate_interval])` : series
    const sum = `sum by (${by}) (${value})`
    const legend = label === undefined ? (ids.length > 1 ? shortName(id) : '{{job}}') : `${shortName(id)}: {{${label}}}`
    return label === undefined
      ? { expr: ids.length > 1 ? `sum(${value})` : sum, legendFormat: legend }
      : { expr: `topk(20, ${sum})`, legendFormat: legend }
  })
  const grafanaUnit =
    unit === 'bytes' ? (kind === 'counter' ? 'Bps' : 'bytes') : unit === 'milliseconds' ? 'ms' : 'short'
  return timeSeries({ title, description, datasource, unit: grafanaUnit, loss: meansLoss, targets })
}

function processSection(): Section {
  const plot = (title: string, unit: string, expr: string) =>
    timeSeries({
      title,
      description: 'As prom-client has it.',
      datasource,
      unit,
      targets: [{ expr, legendFormat: '{{job}} {{instance}}' }],
    })
  const plots = [
    plot('CPU', 'percentunit', `rate(process_cpu_seconds_total${chosen}[$__rate_interval])`),
    plot('Memory', 'bytes', `process_resident_memory_bytes${chosen}`),
    plot('Event loop lag, 99th percentile', 's', `nodejs_eventloop_lag_p99_seconds${chosen}`),
  ]
  return { title: 'Processes', collapsed: true, plots }
}
