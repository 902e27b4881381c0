/** What a number of ours means. One row a metric: /metrics, the StatsD names, dashboards and documents are made from it. */
export interface CatalogRow {
  /** counter: only grows while the process lives; gauge: the value now. */
  readonly kind: 'counter' | 'gauge'
  readonly unit:
    | 'datapoints'
    | 'lists'
    | 'messages'
    | 'packets'
    | 'bytes'
    | 'connections'
    | 'containers'
    | 'events'
    | 'milliseconds'
  readonly help: string
  /** The name of the one label that divides it; absent where there is none. */
  readonly label?: 'topic' | 'reason' | 'container_id' | 'hop' | 'sink' | 'framework'
  /** True where a count above 0 means that data was lost. */
  readonly meansLoss?: true
}

/**
 * Every metric of our own. The key is its id: `<role>.<what>`. By StatsD it is called `dcos.metrics.<id>` (R78 of the
 * first implementation), on /metrics `dcos_stats_<id with _>`, with `_total` behind a counter.
 */
export const catalog = {
  'hop.received': { kind: 'counter', unit: 'datapoints', help: 'Datapoints that came into a hop.', label: 'hop' },
  'hop.forwarded': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints that a hop handed on for good.',
    label: 'hop',
  },
  'hop.held': { kind: 'gauge', unit: 'datapoints', help: 'Datapoints that a hop keeps right now.', label: 'hop' },
} as const satisfies Record<string, CatalogRow>

export type MetricId = keyof typeof catalog
