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
    | 'series'
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
  'proxy.collector_connects': { kind: 'counter', unit: 'connections', help: 'Connections made to the collector.' },
  'proxy.collector_connect_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Attempts to connect to the collector that failed.',
  },
  'proxy.collector_connections_lost': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections that the collector or the network ended.',
  },
  'proxy.collector_sent_bytes': { kind: 'counter', unit: 'bytes', help: 'Bytes of blocks sent to the collector.' },
  'proxy.statsd_out_packets': { kind: 'counter', unit: 'packets', help: 'Packets sent to --output-statsd-host.' },
  'proxy.statsd_out_bytes': { kind: 'counter', unit: 'bytes', help: 'Bytes in these packets.' },
  'proxy.statsd_out_rows': { kind: 'counter', unit: 'events', help: 'StatsD rows in these packets.' },
  'proxy.statsd_out_dropped_bytes': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes not sent to --output-statsd-host: its name did not resolve, or the kernel refused them.',
    meansLoss: true,
  },
  'proxy.statsd_out_dropped_rows': {
    kind: 'counter',
    unit: 'events',
    help: 'StatsD rows in these bytes.',
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
  'proxy.packets': {
    kind: 'counter',
    unit: 'packets',
    help: 'Datagrams received by StatsD sockets, throttled ones too.',
  },
  'proxy.bytes': { kind: 'counter', unit: 'bytes', help: 'Bytes of datagrams received by StatsD sockets.' },
  'proxy.lines': { kind: 'counter', unit: 'events', help: 'StatsD lines read, of whatever kind.' },
  'proxy.throttled_packets': {
    kind: 'counter',
    unit: 'packets',
    help: 'Datagrams of containers over --container-limit-amount-kbytes; their datapoints are dropped as container_limit.',
    meansLoss: true,
  },
  'proxy.throttled_bytes': { kind: 'counter', unit: 'bytes', help: 'Bytes of these datagrams.', meansLoss: true },
  'proxy.kernel_drops': {
    kind: 'counter',
    unit: 'packets',
    help: 'Datagrams that the kernel dropped at a StatsD socket, mostly because its receive buffer was full.',
    label: 'container_id',
    meansLoss: true,
  },
  'proxy.malformed_as_zero': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints stored as 0 because their value was missing or no finite number.',
  },
  'proxy.bad_rate': {
    kind: 'counter',
    unit: 'events',
    help: 'Sample rates that were ignored because they were no number above 0 and at most 1.',
  },
  'proxy.unknown_section': {
    kind: 'counter',
    unit: 'events',
    help: 'Sections of StatsD lines that were skipped, such as |c: and |card:; the line was taken.',
  },
  'proxy.reserved_tag': {
    kind: 'counter',
    unit: 'events',
    help: 'Tags left out because they would have spoken for the container: framework_id, executor_id, container_id.',
  },
  'proxy.invalid_utf8': {
    kind: 'counter',
    unit: 'events',
    help: 'Names and tag sections in which bytes that are not UTF-8 were replaced by U+FFFD.',
  },
  'collector.tcp_input.tcp_listen_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Times that --listen-endpoint could not be bound.',
  },
  'collector.tcp_input.tcp_accept_failures': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections to --listen-endpoint that could not be accepted, mostly for want of file descriptors.',
  },
  'collector.tcp_input.tcp_sessions_opened': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections accepted at --listen-endpoint.',
  },
  'collector.tcp_input.tcp_sessions_closed': { kind: 'counter', unit: 'connections', help: 'Those that have ended.' },
  'collector.tcp_input.avro_reader_open_failures': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections closed because they did not begin with an Avro header that can be read.',
    meansLoss: true,
  },
  'collector.tcp_input.avro_reader_close_failures': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections closed because their Avro stream was corrupt or ended inside a block.',
    meansLoss: true,
  },
  'collector.tcp_input.records': {
    kind: 'counter',
    unit: 'lists',
    help: "Lists received by TCP, throttled ones too; in total, and by the lists' topic.",
    label: 'topic',
  },
  'collector.tcp_input.records_throttled': {
    kind: 'counter',
    unit: 'lists',
    help: 'Lists of connections over --input-limit-amount-kbytes; their datapoints are dropped as connection_limit.',
    label: 'topic',
    meansLoss: true,
  },
  'collector.tcp_input.bytes': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes received by TCP, throttled ones too; by topic only those of datapoints, after inflating.',
    label: 'topic',
  },
  'collector.tcp_input.bytes_throttled': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes over --input-limit-amount-kbytes; by topic only those of datapoints, after inflating.',
    label: 'topic',
    meansLoss: true,
  },
  'collector.tcp_input.bytes_undecoded': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of Avro streams that made no list, because the stream was corrupt or ended inside a block.',
    meansLoss: true,
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
  'collector.topic_sorter.records': {
    kind: 'counter',
    unit: 'lists',
    help: 'Lists that were put into batches for the bus.',
    label: 'topic',
  },
  'collector.topic_sorter.records_throttled': {
    kind: 'counter',
    unit: 'lists',
    help: 'Lists that were dropped because of --global-limit-amount-kbytes.',
    label: 'topic',
    meansLoss: true,
  },
  'collector.topic_sorter.bytes': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Size of the lists that were put into batches for the bus, about.',
    label: 'topic',
  },
  'collector.topic_sorter.bytes_throttled': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Size of the lists that were dropped because of --global-limit-amount-kbytes, about.',
    label: 'topic',
    meansLoss: true,
  },
  'collector.topic_sorter.no_agent_state_available': {
    kind: 'counter',
    unit: 'lists',
    help: 'Lists that were sent with UNKNOWN_AGENT_STATE, before the Mesos agent had answered.',
  },
  'collector.partner.datapoints_queue_full': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints that no partner agent got, because too many waited for their turn.',
    meansLoss: true,
  },
  'collector.partner.listen_sessions_opened': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections accepted at --partner-listen.',
  },
  'collector.partner.listen_sessions_closed': { kind: 'counter', unit: 'connections', help: 'Those that have ended.' },
  'collector.partner.listen_sessions_refused': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections to --partner-listen closed at once because there were too many.',
  },
  'collector.partner.listen_sessions_cut_off': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections at --partner-listen closed because their reader was too slow; it missed what waited and what came after.',
    meansLoss: true,
  },
  'collector.partner.listen_datapoints': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints given to connections at --partner-listen, once for each connection.',
  },
  'collector.partner.listen_bytes': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of blocks given to these connections.',
  },
  'collector.partner.listen_datapoints_too_large': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints not given to them because their list is larger than a block may be.',
    meansLoss: true,
  },
  'collector.partner.statsd_packets': { kind: 'counter', unit: 'packets', help: 'Packets sent to --partner-statsd.' },
  'collector.partner.statsd_bytes': { kind: 'counter', unit: 'bytes', help: 'Bytes in these packets.' },
  'collector.partner.statsd_datapoints': { kind: 'counter', unit: 'datapoints', help: 'Datapoints in these packets.' },
  'collector.partner.statsd_datapoints_failed': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints not sent to --partner-statsd: its name did not resolve, or the kernel refused them.',
    meansLoss: true,
  },
  'collector.partner.statsd_left_out': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints that cannot be sent to --partner-statsd: no finite number, a line longer than a packet, or unreadable.',
    label: 'reason',
    meansLoss: true,
  },
  'collector.partner.prometheus_series': {
    kind: 'gauge',
    unit: 'series',
    help: 'Series kept for --partner-prometheus.',
  },
  'collector.partner.prometheus_scrapes': {
    kind: 'counter',
    unit: 'events',
    help: 'Requests for the metrics at --partner-prometheus that were answered.',
  },
  'collector.partner.prometheus_requests_refused': {
    kind: 'counter',
    unit: 'events',
    help: 'Requests to --partner-prometheus that were meant for a foreign host.',
  },
  'collector.partner.prometheus_left_out': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints not kept for --partner-prometheus: too many series, a name or tags too long, or unreadable.',
    label: 'reason',
    meansLoss: true,
  },
  'collector.partner.prometheus_name_collisions': {
    kind: 'counter',
    unit: 'events',
    help: 'Names that are the same as another once they are legal for Prometheus; they have the label original_name.',
  },
  'collector.kafka_output.connection_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Failed attempts to reach the brokers of Kafka.',
  },
  'collector.kafka_output.sessions_opened': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections to Kafka that were opened.',
  },
  'collector.kafka_output.sessions_closed': {
    kind: 'counter',
    unit: 'connections',
    help: 'Connections to Kafka that ended.',
  },
  'collector.kafka_output.framework_lookup_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Lookups of the brokers by the name of their framework that failed.',
  },
  'collector.kafka_output.avro_records_sent': {
    kind: 'counter',
    unit: 'lists',
    help: 'Lists that the bus has taken for good; in total, and by topic of the bus.',
    label: 'topic',
  },
  'collector.kafka_output.messages_sent': {
    kind: 'counter',
    unit: 'messages',
    help: 'Messages that the bus has taken for good; in total, and by topic of the bus.',
    label: 'topic',
  },
  'collector.kafka_output.bytes_sent': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of those messages, before the compression of the bus; in total, and by topic of the bus.',
    label: 'topic',
  },
  'collector.spool.datapoints': {
    kind: 'gauge',
    unit: 'datapoints',
    help: 'Datapoints in --spool-dir: the bus has not taken them, or it has only just.',
  },
  'collector.spool.bytes': { kind: 'gauge', unit: 'bytes', help: 'What they take on disk, about.' },
  'collector.spool.datapoints_recovered': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints found in --spool-dir at the start: a process before this one had not sent them.',
  },
  'collector.spool.write_failures': {
    kind: 'counter',
    unit: 'events',
    help: 'Times that --spool-dir could not be written; what comes in is then kept in memory.',
  },
  'consume.messages': {
    kind: 'counter',
    unit: 'messages',
    help: 'Messages read from the bus, repeated ones too; in total, and by topic of the bus.',
    label: 'topic',
  },
  'consume.lists': {
    kind: 'counter',
    unit: 'lists',
    help: 'Lists in those messages, filtered ones too; in total, and by topic of the bus.',
    label: 'topic',
  },
  'consume.datapoints': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints in those messages, filtered ones too; in total, and by topic of the bus.',
    label: 'topic',
  },
  'consume.bytes': {
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of those messages; in total, and by topic of the bus.',
    label: 'topic',
  },
  'consume.errors': {
    kind: 'counter',
    unit: 'messages',
    help: 'Messages that could not be decoded, wholly or from some point on; in total, and by topic of the bus.',
    label: 'topic',
    meansLoss: true,
  },
  'consume.lag': {
    kind: 'gauge',
    unit: 'messages',
    help: 'Messages that this process has still to read; in total, and by topic of the bus.',
    label: 'topic',
  },
  'consume.dead_letters_kept': {
    kind: 'counter',
    unit: 'messages',
    help: 'Messages that could not be decoded and were written to --dead-letter-dir.',
  },
  'consume.dead_letters_removed': {
    kind: 'counter',
    unit: 'messages',
    help: 'The oldest of them, removed for want of room (--dead-letter-limit-mbytes).',
  },
  'consume.dead_letters_not_kept': {
    kind: 'counter',
    unit: 'messages',
    help: 'Messages that could not be decoded and could not be written to --dead-letter-dir either.',
    meansLoss: true,
  },
  'bus.messages_missed': {
    kind: 'counter',
    unit: 'messages',
    help: 'Messages of the embedded bus that retention removed before a group had read them, or that the disk has not kept.',
    label: 'topic',
    meansLoss: true,
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
  'sink.collisions': {
    kind: 'counter',
    unit: 'datapoints',
    help: 'Datapoints that met another one of their series in the same millisecond; --on-collision decides about them.',
    label: 'sink',
  },
} as const satisfies Record<string, CatalogRow>

export type MetricId = keyof typeof catalog
