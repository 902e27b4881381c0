import { commonOptions } from './common.js'
import { flag, group, hostPort, integer, milliseconds, number, port, seconds, text } from './option.js'

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
  connections: integer({ default: 1, max: 100_000, notYet: true, help: 'Senders at once.' }),
}

export const emitStatsdOptions = {
  ...group('Emitter', {
    'statsd-udp-host': text({ required: true, placeholder: 'HOST', help: 'Where StatsD is sent to.' }),
    'statsd-udp-port': port({ required: true, help: 'Its UDP port.' }),
    debug: flag({ default: false, help: 'Log every packet.' }),
    flood: flag({ default: false, help: 'Send without a pause.' }),
    'lines-per-packet': integer({ default: 1, max: 1000, help: 'Lines in a packet.' }),
    containers: integer({ default: 1, max: 100_000, notYet: true, help: 'Simulated containers.' }),
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
    agents: integer({ default: 1, max: 100_000, notYet: true, help: 'Simulated agents.' }),
    ...loadOptions,
  }),
  ...commonOptions,
}
