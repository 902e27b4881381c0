import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { type CatalogRow, catalog, type MetricId } from './catalog.js'
import type { Counters } from './counters.js'
import type { Ledger } from './ledger.js'
import { prometheusName } from './names.js'

/** Gives the newest numbers in Prometheus' text form. */
export interface MetricsPage {
  readonly contentType: string
  render(): Promise<string>
}

/**
 * The page behind /metrics: every metric of the catalogue that has been seen, the ledgers, and the process's own figures
 * (memory, CPU, event loop) by prom-client.
 */
export function createMetricsPage({
  counters,
  ledgers,
}: {
  counters: Counters
  ledgers: readonly Ledger[]
}): MetricsPage {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const id of Object.keys(catalog) as MetricId[]) registerMetric(registry, id, counters)
  registerLedgers(registry, ledgers)
  return {
    contentType: registry.contentType,
    render() {
      counters.refresh()
      return registry.metrics()
    },
  }
}

function registerMetric(registry: Registry, id: MetricId, counters: Counters): void {
  const row: CatalogRow = catalog[id]
  const labelNames = row.label === undefined ? [] : [row.label]
  const config = { name: prometheusName(id), help: row.help, labelNames, registers: [registry] }
  const metric = row.kind === 'counter' ? new Counter({ ...config, collect }) : new Gauge({ ...config, collect })
  function collect() {
    metric.reset()
    for (const reading of counters.readingsOf(id)) {
      if (row.label === undefined) metric.inc(reading.value)
      // The total is what the labels add up to: shown too, it would count twice in a sum().
      else if (reading.label !== undefined) metric.inc({ [row.label]: reading.label }, reading.value)
    }
  }
}

function registerLedgers(registry: Registry, ledgers: readonly Ledger[]): void {
  const registers = [registry]
  const snapshots = () => ledgers.map((ledger) => ledger.snapshot())
  const received = new Counter({
    name: 'dcos_stats_hop_received_total',
    help: 'Datapoints that came into a hop.',
    labelNames: ['hop'],
    registers,
    collect() {
      received.reset()
      for (const snapshot of snapshots()) received.inc({ hop: snapshot.hop }, snapshot.received)
    },
  })
  const forwarded = new Counter({
    name: 'dcos_stats_hop_forwarded_total',
    help: 'Datapoints that a hop handed on for good.',
    labelNames: ['hop'],
    registers,
    collect() {
      forwarded.reset()
      for (const snapshot of snapshots()) forwarded.inc({ hop: snapshot.hop }, snapshot.forwarded)
    },
  })
  const dropped = new Counter({
    name: 'dcos_stats_hop_dropped_total',
    help: 'Datapoints that left the stream at a hop, by reason.',
    labelNames: ['hop', 'reason'],
    registers,
    collect() {
      dropped.reset()
      for (const snapshot of snapshots()) {
        const { hop } = snapshot
        for (const [reason, count] of Object.entries(snapshot.dropped)) dropped.inc({ hop, reason }, count)
      }
    },
  })
  const repeated = new Counter({
    name: 'dcos_stats_hop_repeated_total',
    help: 'Datapoints sent again because the first try had no answer: the next hop may have them twice.',
    labelNames: ['hop'],
    registers,
    collect() {
      repeated.reset()
      for (const snapshot of snapshots()) repeated.inc({ hop: snapshot.hop }, snapshot.repeated ?? 0)
    },
  })
  const held = new Gauge({
    name: 'dcos_stats_hop_held',
    help: 'Datapoints that a hop keeps right now.',
    labelNames: ['hop'],
    registers,
    collect() {
      for (const snapshot of snapshots()) held.set({ hop: snapshot.hop }, snapshot.held)
    },
  })
}
