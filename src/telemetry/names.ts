import { type CatalogRow, catalog, type MetricId } from './catalog.js'

/**
 * What a metric is called by StatsD: the first releases' names (R78, R79), with what divides it behind.
 *
 * @param label a topic, framework or container; undefined for the total
 */
export function statsdName(id: MetricId, label?: string): string {
  const name = `dcos.metrics.${id}`
  // A colon or a bar in a label would end the name.
  return label === undefined ? name : `${name}.${label.replace(/[:|\s]/g, '_')}`
}

/** What a metric is called on /metrics: Prometheus wants `_total` behind a counter. */
export function prometheusName(id: MetricId): string {
  const row: CatalogRow = catalog[id]
  return `dcos_stats_${id.replace(/[.-]/g, '_')}${row.kind === 'counter' ? '_total' : ''}`
}
