import { agentOptions } from './agent.js'
import { checkDaemon, daemonOptions } from './common.js'
import type { Complaint } from './mistake.js'
import {
  choice,
  directory,
  fileMode,
  flag,
  group,
  integer,
  listenAddressOrOff,
  milliseconds,
  type Parsed,
  port,
  seconds,
  text,
} from './option.js'

const endpointOptions = group('StatsD endpoints', {
  'listen-interface': text({
    default: 'lo',
    placeholder: 'NAME',
    help: 'Network interface whose address is bound and told to containers.',
  }),
  'listen-host': text({
    placeholder: 'ADDRESS',
    defaultText: 'from --listen-interface',
    help: 'Address that is bound and told to containers, in place of --listen-interface.',
  }),
  'listen-port-mode': choice(['ephemeral', 'single', 'range'], {
    default: 'ephemeral',
    help: 'ephemeral: any free port for each container; single: --listen-port for all; range: the lowest free port from --listen-port-start to --listen-port-end.',
  }),
  'listen-port': port({ help: 'The one UDP port of mode single.' }),
  'listen-port-start': port({ help: 'First UDP port of mode range.' }),
  'listen-port-end': port({ help: 'Last UDP port of mode range.' }),
  'receive-buffer-kbytes': integer({
    default: 4096,
    min: 0,
    max: 1024 * 1024,
    unit: 'KiB',
    help: "Receive buffer asked for each socket; 0 keeps the kernel's default. net.core.rmem_max caps it.",
  }),
  takeover: flag({
    default: false,
    help: 'Take the sockets over from the proxy that is running with the same --state-path-dir, which then ends.',
  }),
})

const isolatorOptions = group('Isolator', {
  'isolator-listen': listenAddressOrOff({
    default: '127.0.0.1:8127',
    help: 'Where the Mesos isolator module announces containers.',
  }),
  'isolator-socket-mode': fileMode({ default: '0660', help: 'Permissions of the unix socket of --isolator-listen.' }),
  'state-path-dir': directory({
    default: '/var/run/mesos/isolators/com_mesosphere_MetricsIsolatorModule/',
    help: 'Directory that keeps the ports of living containers over a restart.',
  }),
  'unknown-hold-ms': milliseconds({
    default: 2000,
    min: 0,
    help: 'How long datapoints of a new container wait for the agent to name it.',
  }),
})

const limitOptions = group('Limits', {
  'container-limit-amount-kbytes': integer({
    default: 10_240,
    min: 0,
    unit: 'KB',
    help: 'What each container may send in a period; the rest is dropped and counted.',
  }),
  'container-limit-period-secs': seconds({ default: 60, help: 'That period.' }),
  'name-limit-bytes': integer({ default: 1024, max: 65_507, unit: 'bytes', help: 'Longest name of a metric.' }),
  'tag-limit-bytes': integer({ default: 8192, max: 65_507, unit: 'bytes', help: 'Longest tag section of a line.' }),
})

const readingOptions = group('Reading StatsD', {
  malformed: choice(['zero', 'drop'], {
    default: 'zero',
    help: 'What becomes of a value that is missing or no number: stored as 0, or dropped. Counted either way.',
  }),
  'rate-scaling': choice(['counters', 'all'], {
    default: 'counters',
    help: 'Which values are divided by their sample rate: counters and lines without a type, or all.',
  }),
  'gauge-deltas': flag({
    default: false,
    help: 'Gauges with a sign (+5, -5) change the value before, as in statsd; otherwise they are values.',
  }),
})

const collectorOutputOptions = group('Output to the collector', {
  'output-collector-enabled': flag({ default: true, help: 'Send Avro to a collector.' }),
  'output-collector-ip': text({
    default: '127.0.0.1',
    placeholder: 'ADDRESS',
    help: 'Address of the collector.',
  }),
  'output-collector-port': port({ default: 8124, help: 'Its TCP port.' }),
  'output-collector-chunking': flag({
    default: true,
    help: 'Gather datapoints into blocks; off: a block for each packet.',
  }),
  'output-collector-chunk-size-datapoints': integer({ default: 100, unit: 'datapoints', help: 'Block size.' }),
  'output-collector-chunk-timeout-seconds': seconds({
    default: 10,
    help: 'A block that is not full leaves after this time.',
  }),
  'output-collector-buffer-kbytes': integer({
    default: 8192,
    unit: 'KiB',
    help: 'What is kept while the collector is away; then the oldest is dropped and counted.',
  }),
})

const statsdOutputOptions = group('Output as StatsD', {
  'output-statsd-enabled': flag({ default: false, help: 'Pass the lines on as StatsD.' }),
  'output-statsd-host': text({ default: 'metrics.marathon.mesos', placeholder: 'HOST', help: 'Where to.' }),
  'output-statsd-port': port({ default: 8125, help: 'Its UDP port.' }),
  'output-statsd-host-refresh-seconds': seconds({ default: 60, help: 'How often the name is resolved again.' }),
  'output-statsd-annotation-mode': choice(['key_prefix', 'tag_datadog', 'none'], {
    default: 'key_prefix',
    help: 'How a line tells its container: ids in front of the name, ids as DogStatsD tags, or not at all.',
  }),
  'output-statsd-chunking': flag({ default: true, help: 'Put several lines into a packet.' }),
  'output-statsd-chunk-size-bytes': integer({ default: 512, max: 65_507, unit: 'bytes', help: 'Largest packet.' }),
})

export const statsdProxyOptions = {
  ...endpointOptions,
  ...isolatorOptions,
  ...limitOptions,
  ...readingOptions,
  ...collectorOutputOptions,
  ...statsdOutputOptions,
  ...agentOptions,
  ...daemonOptions,
}

const containerOptions = group('Container', {
  'container-id': text({
    placeholder: 'ID',
    defaultText: 'a new one each time',
    help: 'Names the command in the tag container_id.',
  }),
  'executor-id': text({ placeholder: 'ID', defaultText: "the command's name", help: 'The tag executor_id.' }),
  'framework-id': text({ default: 'exec', placeholder: 'ID', help: 'The tag framework_id, and the topic.' }),
})

const {
  'listen-interface': listenInterface,
  'listen-host': listenHost,
  'receive-buffer-kbytes': receiveBufferKbytes,
} = endpointOptions

/** For one command in place of containers: no agent tells who it is, and its endpoint ends with it. */
export const statsdProxyExecOptions = {
  ...containerOptions,
  'listen-interface': listenInterface,
  'listen-host': listenHost,
  ...group('StatsD endpoints', {
    'listen-port': port({ defaultText: 'any free one', help: 'The UDP port of the endpoint.' }),
  }),
  'receive-buffer-kbytes': receiveBufferKbytes,
  ...limitOptions,
  ...readingOptions,
  ...collectorOutputOptions,
  ...statsdOutputOptions,
  ...daemonOptions,
  // The command's stderr is the user's: only what is wrong is told besides.
  'log-level': { ...daemonOptions['log-level'], default: 'warn' },
}

export function checkStatsdProxyExec(
  options: Parsed<typeof statsdProxyExecOptions>,
  isGiven: (name: string) => boolean,
): readonly Complaint[] {
  return [...checkHost(isGiven), ...checkOutputs(options), ...checkDaemon(options)]
}

type Options = Parsed<typeof statsdProxyOptions>

export function checkStatsdProxy(options: Options, isGiven: (name: string) => boolean): readonly Complaint[] {
  return [...checkPorts(options), ...checkHost(isGiven), ...checkOutputs(options), ...checkDaemon(options)]
}

function checkPorts({ listenPortMode, listenPort, listenPortStart, listenPortEnd }: Options): readonly Complaint[] {
  if (listenPortMode === 'single' && listenPort === undefined) {
    return [{ options: ['listen-port-mode', 'listen-port'], text: '--listen-port-mode single needs --listen-port.' }]
  }
  if (listenPortMode !== 'range') return []
  const names = ['listen-port-mode', 'listen-port-start', 'listen-port-end']
  if (listenPortStart === undefined || listenPortEnd === undefined) {
    return [{ options: names, text: '--listen-port-mode range needs --listen-port-start and --listen-port-end.' }]
  }
  if (listenPortStart < listenPortEnd) return []
  const came = `--listen-port-start ${listenPortStart} and --listen-port-end ${listenPortEnd}`
  return [{ options: names, text: `${came}: the start must be less than the end.` }]
}

function checkHost(isGiven: (name: string) => boolean): readonly Complaint[] {
  const names = ['listen-interface', 'listen-host']
  if (!names.every(isGiven)) return []
  return [{ options: names, text: '--listen-interface and --listen-host exclude each other: give one of them.' }]
}

function checkOutputs({
  outputCollectorEnabled,
  outputStatsdEnabled,
}: Pick<Options, 'outputCollectorEnabled' | 'outputStatsdEnabled'>): readonly Complaint[] {
  if (outputCollectorEnabled || outputStatsdEnabled) return []
  return [
    {
      options: ['output-collector-enabled', 'output-statsd-enabled'],
      text: 'No output is on: set --output-collector-enabled or --output-statsd-enabled to true.',
    },
  ]
}
