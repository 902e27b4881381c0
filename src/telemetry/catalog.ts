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
  'admin.requests_refused': {
    kind: 'counter',
    unit: 'events',
    help: 'Requests to --admin-listen with a foreign Host header or without the token.',
  },
  'proxy.containers': { kind: 'gauge', unit: 'containers', help: 'Containers that have been announced and not ended.' },
  'proxy.containers_without_endpoint': {
    kind: 'counter',
    unit: 'containers',
    help: 'Containers that run without an endpoint: port range depleted, socket not opened, or port not had again.',
    label: 'reason',
    meansLoss: true,
  },
  'proxy.isolator_requests': { kind: 'counter', unit: 'events', help: 'Requests to --isolator-listen.' },
  'proxy.isolator_requests_refused': {
    kind: 'counter',
    unit: 'events',
    help: 'Requests to --isolator-listen that a web page or a foreign host sent.',
  },
  'proxy.state_files_set_aside': {
    kind: 'counter',
    unit: 'events',
    help: 'Files in --state-path-dir that could not be used and were moved to its folder set-aside.',
  },
  'proxy.state_write_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Endpoints that could not be written to --state-path-dir; a restart would lose them.',
  },
  'collector.agent_poll.ip_lookups': {
    kind: 'counter',
    unit: 'events',
    help: 'Times that --agent-ip-command was run.',
  },
  'collector.agent_poll.ip_lookup_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Times that --agent-ip-command failed or printed no address.',
  },
  'collector.agent_poll.ip_lookup_empties': {
    kind: 'counter',
    unit: 'events',
    help: 'Times that --agent-ip-command printed nothing.',
  },
  'collector.agent_poll.queries': { kind: 'counter', unit: 'events', help: 'Questions put to the Mesos agent.' },
  'collector.agent_poll.query_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Questions that the Mesos agent did not answer, or not with a 2xx status.',
  },
  'collector.agent_poll.query_bad_data': {
    kind: 'counter',
    unit: 'events',
    help: 'Replies of the Mesos agent that were not JSON or missed what is needed; the older ones stay in use.',
  },
  'collector.agent_poll.parts_skipped': {
    kind: 'counter',
    unit: 'events',
    help: 'Frameworks, executors, tasks and containers that a reply of the Mesos agent described incompletely, and containers without statistics.',
    label: 'reason',
  },
  'collector.agent_poll.metrics_values': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Numbers read from the Mesos agent.',
  },
  'collector.agent_poll.metrics_values_unsupported': {
    kind: 'counter',
    unit: 'events',
    help: 'Values among the metrics of the Mesos agent that are no numbers.',
  },
  'collector.topic_sorter.no_agent_state_available': {
    kind: 'counter',
    unit: 'lists',
    help: 'Lists that were sent with UNKNOWN_AGENT_STATE, before the Mesos agent had answered.',
  },
  'bus.client_errors': {
    kind: 'counter',
    unit: 'events',
    help: 'Failed tries inside the Kafka client, which it repeats by itself.',
  },
  'bus.connection_failures': { kind: 'counter', unit: 'events', help: 'Times that no Kafka broker could be reached.' },
  'bus.lookup_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Failed lookups of the Kafka brokers by their framework.',
    label: 'framework',
  },
  'bus.sessions_opened': { kind: 'counter', unit: 'connections', help: 'Kafka producers and consumers started.' },
  'bus.sessions_closed': { kind: 'counter', unit: 'connections', help: 'Kafka producers and consumers ended.' },
  'bus.renewals': {
    kind: 'counter',
    unit: 'events',
    help: 'Kafka producers and consumers that failed or were stuck and were replaced by new ones.',
  },
} as const satisfies Record<string, CatalogRow>

export type MetricId = keyof typeof catalog
