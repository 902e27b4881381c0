import { commonOptions } from './common.js'
import type { Complaint } from './mistake.js'
import { flag, group, hostPort, integer, milliseconds, number, type Parsed, port, seconds, text } from './option.js'

const loadOptions = {
  rate: number({
    defaultText: 'the usual sample metrics at their own pace',
    min: 0.001,
    unit: 'datapoints a second',
    help: 'How fast numbered datapoints are sent, in place of the usual ones.',
  }),
  count: integer({
    defaultText: 'no end',
    unit: 'datapoints',
    max: Number.MAX_SAFE_INTEGER,
    help: 'End after this many datapoints.',
  }),
}

export const emitStatsdOptions = {
  ...group('Emitter', {
    'statsd-udp-host': text({
      placeholder: 'HOST',
      help: 'Where StatsD is sent to. Required, but with several --containers.',
    }),
    'statsd-udp-port': port({ help: 'Its UDP port.' }),
    debug: flag({ default: false, help: 'Log every packet.' }),
    flood: flag({ default: false, help: 'Send without a pause.' }),
    'lines-per-packet': integer({ default: 1, max: 1000, help: 'Lines in a packet.' }),
    containers: integer({
      default: 1,
      max: 100_000,
      help: 'Simulated containers: more than one are announced at --isolator-endpoint, and each is sent its share.',
    }),
    'isolator-endpoint': hostPort({
      default: '127.0.0.1:8127',
      help: "The proxy's --isolator-listen, for several --containers.",
    }),
    ...loadOptions,
  }),
  ...commonOptions,
}

export const emitAvroOptions = {
  ...group('Emitter', {
    endpoint: hostPort({ default: '127.0.0.1:8124', help: 'Where Avro is sent to.' }),
    topic: text({ default: 'collector-client', help: 'Topic of every list.' }),
    period: seconds({ default: 1, help: 'Time between two lists.' }),
    'block-size': integer({ default: 10, max: 100_000, unit: 'lists', help: 'Lists in a block.' }),
    'block-tick-ms': milliseconds({
      default: 500,
      min: 0,
      help: 'A block that is not full leaves after this time; 0 for never.',
    }),
    'record-output-log': flag({ default: false, help: 'Log every list that is sent.' }),
    connections: integer({ default: 1, max: 100_000, help: 'Connections at once; each sends its share.' }),
    agents: integer({
      default: 1,
      max: 100_000,
      help: 'Simulated nodes: their lists carry host names of their own, <hostname>-1 and so on.',
    }),
    ...loadOptions,
    'step-ms': milliseconds({
      defaultText: 'the time of sending',
      help: 'Time between two numbered datapoints, whenever they are sent; the last one is now. Needs --count.',
    }),
  }),
  ...commonOptions,
}

/** Where the last datapoint is now, their number says when the first one was. */
export function checkEmitAvro({ count, stepMs }: Parsed<typeof emitAvroOptions>): readonly Complaint[] {
  if (stepMs === undefined || count !== undefined) return []
  return [
    { options: ['step-ms', 'count'], text: '--step-ms needs --count: it is counted back from the last datapoint.' },
  ]
}

/** One container is sent to where its variables say; several are given endpoints by the proxy. */
export function checkEmitStatsd({
  containers,
  statsdUdpHost,
  statsdUdpPort,
}: Parsed<typeof emitStatsdOptions>): readonly Complaint[] {
  if (containers > 1) return []
  const missing = (['statsd-udp-host', 'statsd-udp-port'] as const).filter((_, i) =>
    i === 0 ? statsdUdpHost === undefined : statsdUdpPort === undefined,
  )
  return missing.map((name) => ({
    options: [name],
    text: `--${name} (${variableOf(name)}) is missing: where StatsD is sent to.`,
  }))
}

function variableOf(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}
