import { embeddedBusOptions } from './bus.js'
import { checkDaemon, daemonOptions } from './common.js'
import { checkKafkaClient, checkKafkaConsumer, kafkaClientOptions, kafkaConsumerOptions } from './kafka.js'
import type { Complaint } from './mistake.js'
import { choice, directory, group, integer, list, milliseconds, moment, type Parsed, pattern, text } from './option.js'
import { checkSinks, sinkOptions } from './sinks.js'

const busOptions = group('Bus', {
  bus: choice(['kafka', 'embedded'], { default: 'kafka', help: 'Where metrics come from.' }),
  ...embeddedBusOptions,
})

const readingOptions = group('Reading', {
  'kafka-topics': list({
    placeholder: 'NAME',
    help: 'Topics, separated by commas; nothing else is then read and --kafka-topic-pattern does not count.',
  }),
  'kafka-topic-pattern': pattern({
    default: 'metrics-.*',
    help: 'Regular expression that matches the whole name of the topics to read.',
  }),
  'kafka-topic-poll-period-ms': milliseconds({ default: 60_000, help: 'How often new topics are looked for.' }),
  'group-id': text({
    defaultText: 'metrics-consumer-<sink>',
    variables: ['KAFKA_OVERRIDE_GROUP_ID'],
    help: 'Consumers of one group share the work; each group gets everything.',
  }),
  from: moment(['earliest', 'latest'], {
    default: 'latest',
    variables: ['KAFKA_OVERRIDE_AUTO_OFFSET_RESET'],
    help: 'Where a new group begins. A topic that appears later is read from its beginning.',
  }),
  to: moment([], {
    defaultText: 'no end',
    help: 'Replays what was published from --from until this time, then ends; the positions of the group stay as they are.',
  }),
  'framework-names': list({
    placeholder: 'NAME',
    defaultText: 'all',
    help: 'Only lists of these frameworks, separated by commas; null stands for lists without a framework.',
  }),
  'consumer-threads': integer({ default: 1, max: 1000, help: 'Partitions handled at the same time.' }),
  'dead-letter-dir': directory({
    defaultText: 'off',
    help: 'Directory that keeps messages which could not be decoded.',
  }),
  'dead-letter-limit-mbytes': integer({
    default: 100,
    max: 16 * 1024 * 1024,
    unit: 'MiB',
    help: 'What it keeps at most; then the oldest go.',
  }),
  'stats-print-period-ms': milliseconds({
    default: 5000,
    min: 0,
    help: 'How often a line tells what was read; 0 for never.',
  }),
})

export const consumeOptions = {
  ...sinkOptions,
  ...readingOptions,
  ...busOptions,
  ...kafkaClientOptions,
  ...kafkaConsumerOptions,
  ...daemonOptions,
}

export function checkConsume(options: Parsed<typeof consumeOptions>): readonly Complaint[] {
  return [...checkSinks(options), ...checkKafkaClient(options), ...checkKafkaConsumer(options), ...checkDaemon(options)]
}
