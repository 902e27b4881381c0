import { auditOptions } from '../options/audit.js'
import { checkCollector, collectorOptions } from '../options/collector.js'
import { checkConsume, consumeOptions } from '../options/consume.js'
import { checkEmitAvro, checkEmitStatsd, emitAvroOptions, emitStatsdOptions } from '../options/emit.js'
import { kafkaOverridePrefix } from '../options/kafka.js'
import { checkLocalStack, localStackOptions } from '../options/local-stack.js'
import {
  checkStatsdProxy,
  checkStatsdProxyExec,
  statsdProxyExecOptions,
  statsdProxyOptions,
} from '../options/statsd-proxy.js'
import { topOptions } from '../options/top.js'
import { configShowCommand, validateCommand } from './about.js'
import { type AnyCommand, defineCommand, type WorkingCommand } from './command.js'
import {
  auditPeers,
  collectorPeers,
  consumePeers,
  emitAvroPeers,
  emitStatsdPeers,
  localStackPeers,
  statsdProxyExecPeers,
  statsdProxyPeers,
  topPeers,
} from './peers.js'

/** Every command that does something by itself, in the order of the stream. */
export const workingCommands: readonly WorkingCommand[] = [
  defineCommand({
    name: 'statsd-proxy',
    summary: 'Gives every container a StatsD endpoint of its own and sends what comes in to the collector.',
    examples: [
      { line: 'statsd-proxy', does: 'Isolator API on 127.0.0.1:8127, an ephemeral port for each container' },
      {
        line: 'statsd-proxy --listen-port-mode range --listen-port-start 20000 --listen-port-end 20999',
        does: 'Ports from a range that a firewall can name',
      },
      {
        line: 'statsd-proxy --output-collector-enabled=false --output-statsd-enabled --output-statsd-host 127.0.0.1',
        does: 'Annotated StatsD to a server on this machine',
      },
    ],
    options: statsdProxyOptions,
    check: checkStatsdProxy,
    peers: statsdProxyPeers,
    load: () => import('./statsd-proxy.js'),
  }),
  defineCommand({
    name: 'statsd-proxy exec',
    summary: 'Runs a command with a StatsD endpoint of its own, for people without Mesos.',
    description:
      'The command finds the endpoint in STATSD_UDP_HOST and STATSD_UDP_PORT. It gets the signals that this process gets, ' +
      'and its exit code is returned; the endpoint is read out and closed when it ends.',
    examples: [
      { line: 'statsd-proxy exec -- ./app --port 80', does: 'Metrics of ./app to the collector on this machine' },
      {
        line: 'statsd-proxy exec --container-id web-1 --framework-id shop -- ./app',
        does: 'With tags that say more',
      },
    ],
    exitCodes: {
      126: 'the command could not be run',
      127: 'there is no such command',
      '128+n': 'the command was ended by signal n',
    },
    options: statsdProxyExecOptions,
    check: checkStatsdProxyExec,
    peers: statsdProxyExecPeers,
    load: () => import('./statsd-proxy-exec.js'),
  }),
  defineCommand({
    name: 'collector',
    summary: 'Gathers Avro streams and the local Mesos agent, adds tags, and writes to Kafka or the embedded bus.',
    examples: [
      { line: 'collector --kafka-brokers broker-0:9092,broker-1:9092', does: 'To a Kafka whose brokers are known' },
      { line: 'collector --bus embedded --agent-polling=false', does: 'Without Kafka and without Mesos' },
      { line: 'collector --config /etc/dcos-stats/collector.yaml', does: 'Options from a file' },
    ],
    options: collectorOptions,
    check: checkCollector,
    peers: collectorPeers,
    load: () => import('./collector.js'),
  }),
  defineCommand({
    name: 'consume',
    summary: 'Reads metrics from Kafka or the embedded bus and writes them to stdout, InfluxDB or Graphite.',
    examples: [
      { line: 'consume --bus embedded --from earliest', does: 'Everything on the embedded bus, an object a line' },
      {
        line: 'consume --sink influx --output-host influxdb --output-database dcos --kafka-brokers broker-0:9092',
        does: 'From Kafka to InfluxDB',
      },
      { line: 'consume --sink graphite --output-host carbon --graphite-prefix dcos', does: 'To Graphite' },
    ],
    options: consumeOptions,
    check: checkConsume,
    variablePrefix: kafkaOverridePrefix,
    peers: consumePeers,
    load: () => import('./consume.js'),
  }),
  defineCommand({
    name: 'emit statsd',
    summary: 'Sends sample metrics by StatsD; also what `emit` alone does.',
    examples: [
      { line: 'emit statsd', does: 'Sixteen metrics a second to STATSD_UDP_HOST and STATSD_UDP_PORT' },
      {
        line: 'emit statsd --statsd-udp-host 127.0.0.1 --statsd-udp-port 8125 --rate 1000 --count 60000',
        does: 'Numbered datapoints for a minute',
      },
      {
        line: 'emit statsd --containers 100 --rate 20000 --lines-per-packet 30',
        does: 'The load of a hundred containers, announced at the proxy of this machine',
      },
    ],
    options: emitStatsdOptions,
    check: checkEmitStatsd,
    peers: emitStatsdPeers,
    load: () => import('./emit-statsd.js'),
  }),
  defineCommand({
    name: 'emit avro',
    summary: 'Sends sample metrics as Avro to a collector.',
    examples: [
      { line: 'emit avro --endpoint 127.0.0.1:8124 --topic sample', does: 'A list a second' },
      { line: 'emit avro --rate 1000 --count 60000', does: 'Numbered datapoints for a minute' },
      { line: 'emit avro --connections 20 --count 1000000', does: 'A million of them, as fast as they are taken' },
    ],
    options: emitAvroOptions,
    check: checkEmitAvro,
    peers: emitAvroPeers,
    load: () => import('./emit-avro.js'),
  }),
  defineCommand({
    name: 'local-stack',
    summary: 'Runs all of it in one process, with a simulated Mesos agent and containers, and prints the metrics.',
    examples: [
      { line: 'local-stack', does: 'Metrics on stdout, what happens on stderr; Ctrl-C ends it' },
      { line: 'local-stack --duration 15 --format json', does: 'For 15 seconds' },
      { line: 'local-stack --kafka-brokers 127.0.0.1:9092', does: 'Through a real Kafka' },
    ],
    options: localStackOptions,
    check: checkLocalStack,
    peers: localStackPeers,
    load: () => import('./local-stack.js'),
  }),
  defineCommand({
    name: 'audit',
    summary: 'Adds up the ledgers of running daemons: what came in must have gone on, been dropped, or be held.',
    description:
      'Each daemon is asked by its --admin-listen, twice or more: what one hop had forwarded at the first reading the ' +
      'next must have received at the last, so that data on its way is not taken for lost. Several proxies, several ' +
      'collectors, and the consumers of one group are added up: name all of them. What a hop received from senders that are ' +
      'not named here, or twice, can hide a loss between hops; what is found missing is missing.',
    examples: [
      {
        line: 'audit --admin 127.0.0.1:9101,127.0.0.1:9102,127.0.0.1:9103',
        does: 'A proxy, its collector and a consumer',
      },
      { line: 'audit --admin 127.0.0.1:9102 --wait 0 --json', does: 'One daemon by itself, for a script' },
      {
        line: 'audit --admin node-1:9101 --admin node-1:9102 --admin-token-file /etc/dcos-stats/admin-token',
        does: 'Of another machine',
      },
    ],
    exitCodes: {
      0: 'nothing is missing',
      1: 'datapoints are missing without a reason',
      69: 'a daemon does not answer',
    },
    options: auditOptions,
    peers: auditPeers,
    load: () => import('./audit.js'),
  }),
  defineCommand({
    name: 'top',
    summary:
      'Shows what goes through a running daemon: hops, containers, frameworks and metric names, by rate, bytes and drops.',
    description:
      'The same figures as the live page at --admin-listen. On a terminal they are drawn anew each second: q quits; tab, ' +
      'or 1, 2 and 3, choose containers, frameworks or metric names; r, b, d, a and n sort by rate, bytes, drops, age and ' +
      'name; / searches. Elsewhere they are printed each second. Metric names have no drops: what a limit drops is counted, ' +
      'and not read as far as its name.',
    examples: [
      { line: 'top', does: 'Of a local stack on this machine' },
      { line: 'top --admin node-1:9101 --sort drops', does: 'Of a proxy, those that lose something first' },
      { line: 'top --show names --search web --once', does: 'Once, and only what is called like it' },
      { line: 'top --once --json --limit 1000', does: 'For a script' },
    ],
    exitCodes: { 69: 'the daemon does not answer' },
    options: topOptions,
    peers: topPeers,
    load: () => import('./top.js'),
  }),
]

/** Every subcommand. */
export const commands: readonly AnyCommand[] = [
  ...workingCommands,
  ...workingCommands.map(validateCommand),
  ...workingCommands.map(configShowCommand),
]

/** Words in front of commands. Where there is a `usual` one, the group alone stands for it. */
export const commandGroups: Readonly<Record<string, { readonly summary: string; readonly usual?: string }>> = {
  emit: { summary: 'Sends sample metrics: statsd (the usual) or avro.', usual: 'emit statsd' },
  validate: { summary: 'Checks the options of a command, and with --connect its peers, without starting it.' },
  'validate emit': { summary: 'Of emit: statsd (the usual) or avro.', usual: 'validate emit statsd' },
  config: { summary: 'Shows how the options of a command hold, and where that was said.' },
  'config show': { summary: 'Shows the options of a command.' },
  'config show emit': { summary: 'Of emit: statsd (the usual) or avro.', usual: 'config show emit statsd' },
}
