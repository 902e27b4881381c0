import { formatAddress, isLoopback } from '../platform/hosts.js'
import { agentMetricsOptions, agentOptions } from './agent.js'
import { busRetentionOptions, embeddedBusOptions } from './bus.js'
import { checkDaemon, daemonOptions } from './common.js'
import { checkKafkaClient, kafkaClientOptions, kafkaProducerOptions } from './kafka.js'
import type { Complaint } from './mistake.js'
import {
  choice,
  directory,
  flag,
  group,
  hostPort,
  integer,
  milliseconds,
  type Parsed,
  port,
  seconds,
  text,
} from './option.js'
import { partnerOptions } from './partners.js'

const inputOptions = group('Input', {
  'listen-endpoint': hostPort({
    default: '127.0.0.1:8124',
    aliases: ['listen-endpont'],
    variables: ['LISTEN_ENDPONT'],
    help: 'Where Avro streams are taken in by TCP.',
  }),
  'record-input-log': flag({
    default: false,
    help: 'Log every list that comes in. For a close look, not for operation.',
  }),
  'record-input-hexdump': flag({ default: false, help: 'Log the bytes that come in, in hexadecimal.' }),
  'input-limit-amount-kbytes': integer({
    default: 20_480,
    min: 0,
    unit: 'KB',
    help: 'What each connection may send in a period; the rest is dropped and counted.',
  }),
  'input-limit-period': seconds({ default: 60, help: 'That period.' }),
})

const outputOptions = group('Output', {
  'global-limit-amount-kbytes': integer({
    default: 40_960,
    min: 0,
    unit: 'KB',
    help: 'What all together may put on the bus in a period; the rest is dropped and counted.',
  }),
  'global-limit-period': seconds({ default: 60, help: 'That period.' }),
  'kafka-topic-prefix': text({
    default: 'metrics-',
    help: "Put in front of a list's topic to make the topic on the bus.",
  }),
  'kafka-single-topic': text({ help: 'One topic for everything, in place of prefix and list topic.' }),
  'kafka-produce-count': integer({
    default: 1024,
    unit: 'lists',
    help: 'A message leaves once it has this many lists.',
  }),
  'kafka-produce-kbytes': integer({ default: 512, max: 1024 * 1024, unit: 'KiB', help: 'Or is this large.' }),
  'kafka-produce-period-ms': milliseconds({ default: 15_000, help: 'Or its first list has waited this long.' }),
  'record-output-log': flag({ default: false, help: 'Log every list that goes out.' }),
  'record-output-hexdump': flag({ default: false, help: 'Log the bytes that go out, in hexadecimal.' }),
})

const busOptions = group('Bus', {
  bus: choice(['kafka', 'embedded', 'none'], {
    default: 'kafka',
    help: 'Where metrics go: Kafka, a directory on this machine, or nowhere (what would be written is logged).',
  }),
  kafka: flag({
    default: true,
    shorthand: { option: 'bus', values: { false: 'none' } },
    help: 'As in the first releases: false stands for --bus=none.',
  }),
  ...embeddedBusOptions,
  ...busRetentionOptions,
  'queue-limit-kbytes': integer({
    default: 32 * 1024,
    min: 1024,
    max: 4 * 1024 * 1024,
    unit: 'KiB',
    help: 'What waits for the bus in memory; then senders wait, or, with --spool-dir, it waits on disk.',
  }),
  'spool-dir': directory({
    defaultText: 'off',
    help: 'Directory that keeps what the bus has not taken, over restarts and kills. Each collector needs its own.',
  }),
  'spool-limit-mbytes': integer({
    default: 1024,
    max: 16 * 1024 * 1024,
    unit: 'MiB',
    help: 'What it keeps at most; then the oldest is dropped and counted.',
  }),
})

const ownMetricsOptions = group("The collector's own metrics", {
  'statsd-udp-host': text({ placeholder: 'HOST', help: 'Where they are sent to as StatsD, with --statsd-udp-port.' }),
  'statsd-udp-port': port({ help: 'Its UDP port.' }),
  'statsd-period': seconds({ default: 15, help: 'How often.' }),
  'http-profile': flag({
    default: false,
    help: 'CPU and heap profiles at --admin-listen (/profile/cpu?seconds=10, /profile/heap), on loopback only.',
  }),
})

export const collectorOptions = {
  ...inputOptions,
  ...agentOptions,
  ...agentMetricsOptions,
  ...outputOptions,
  ...busOptions,
  ...kafkaClientOptions,
  ...kafkaProducerOptions,
  ...partnerOptions,
  ...ownMetricsOptions,
  ...daemonOptions,
}

type Options = Parsed<typeof collectorOptions>

export function checkCollector(options: Options): readonly Complaint[] {
  return [...checkKafkaClient(options), ...checkOwnMetrics(options), ...checkProfile(options), ...checkDaemon(options)]
}

function checkOwnMetrics({ statsdUdpHost, statsdUdpPort }: Options): readonly Complaint[] {
  if ((statsdUdpHost === undefined) === (statsdUdpPort === undefined)) return []
  const missing = statsdUdpHost === undefined ? 'statsd-udp-host' : 'statsd-udp-port'
  return [{ options: ['statsd-udp-host', 'statsd-udp-port'], text: `--${missing} is missing: both or neither.` }]
}

// A profile shows names and texts of what runs here, and taking it costs time: nobody else's business, with no token either.
function checkProfile({ httpProfile, adminListen }: Options): readonly Complaint[] {
  if (!httpProfile || (adminListen !== undefined && isLoopback(adminListen.host))) return []
  const wants = '--http-profile needs --admin-listen on a loopback address, such as 127.0.0.1:9100'
  const got = adminListen === undefined ? '' : `, and ${formatAddress(adminListen)} is none`
  return [{ options: ['http-profile', 'admin-listen'], text: `${wants}${got}.` }]
}
