import type { Complaint } from './mistake.js'
import { choice, file, flag, group, integer, list, milliseconds, type Parsed, text } from './option.js'

/** How a Kafka cluster is reached, for whoever writes to it or reads from it. */
export const kafkaClientOptions = group('Kafka', {
  'kafka-brokers': list({
    placeholder: 'HOST:PORT',
    variables: ['KAFKA_OVERRIDE_BOOTSTRAP_SERVERS'],
    help: "Brokers, separated by commas; without them the framework's name is looked up.",
  }),
  'kafka-client-id': text({
    default: 'dcos-stats',
    variables: ['KAFKA_OVERRIDE_CLIENT_ID'],
    help: 'Name this program gives itself to the brokers.',
  }),
  'kafka-request-timeout-ms': milliseconds({
    default: 30_000,
    variables: ['KAFKA_OVERRIDE_REQUEST_TIMEOUT_MS'],
    help: 'How long a broker may take for one answer.',
  }),
  'kafka-verbose': flag({ default: false, notYet: true, help: "Tell the Kafka client's own messages, too." }),
  'kafka-security-protocol': choice(['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl'], {
    notYet: true,
    variables: ['KAFKA_OVERRIDE_SECURITY_PROTOCOL'],
    shorthand: { option: 'kafka-tls', values: { ssl: 'true', sasl_ssl: 'true' } },
    help: "By Kafka's own names, how the connection is protected.",
  }),
  'kafka-tls': flag({ default: false, notYet: true, help: 'Connect by TLS.' }),
  'kafka-tls-ca-file': file({ notYet: true, help: 'Certificate of the authority that signed the brokers (PEM).' }),
  'kafka-tls-cert-file': file({ notYet: true, help: 'Own certificate (PEM).' }),
  'kafka-tls-key-file': file({ notYet: true, help: 'Its key (PEM).' }),
  'kafka-tls-key-passphrase': text({ notYet: true, secret: true, help: 'Passphrase of that key.' }),
  'kafka-tls-server-name': text({
    notYet: true,
    help: "Name in the brokers' certificate, where it is not the name they are reached by.",
  }),
  'kafka-sasl-mechanism': choice(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'], {
    notYet: true,
    variables: ['KAFKA_OVERRIDE_SASL_MECHANISM'],
    help: 'How to log in at the brokers.',
  }),
  'kafka-sasl-username': text({ notYet: true, help: 'User, for plain and scram.' }),
  'kafka-sasl-password': text({ notYet: true, secret: true, help: 'Password, for plain and scram.' }),
  'kafka-sasl-token-file': file({
    notYet: true,
    help: 'File with the token, for oauthbearer; read anew when it expires.',
  }),
})

/** What only a writer has. */
export const kafkaProducerOptions = group('Kafka', {
  'kafka-framework': text({
    default: 'kafka',
    placeholder: 'NAME',
    help: 'Framework whose brokers are looked up where --kafka-brokers is not given.',
  }),
  'kafka-compression': choice(['snappy', 'gzip', 'none'], { default: 'snappy', help: 'How messages are compressed.' }),
  'kafka-compress-snappy': flag({
    default: true,
    shorthand: { option: 'kafka-compression', values: { false: 'none' } },
    help: 'As in the first releases: false stands for --kafka-compression=none.',
  }),
  'kafka-require-all-acks': flag({
    default: false,
    help: 'A message counts as written when all in-sync replicas have it, not the leader alone.',
  }),
  'kafka-idempotent': flag({
    default: false,
    help: 'No message is stored twice when a connection breaks; implies --kafka-require-all-acks.',
  }),
  'kafka-flush-ms': milliseconds({
    default: 5000,
    help: 'Pause before brokers that could not be found or reached are tried again.',
  }),
  'kafka-create-topics': flag({ default: false, notYet: true, help: 'Create topics that the brokers do not create.' }),
  'kafka-topic-partitions': integer({
    default: 1,
    max: 10_000,
    notYet: true,
    help: 'Partitions of such a topic.',
  }),
  'kafka-topic-replication': integer({ default: 1, max: 100, notYet: true, help: 'Its replicas.' }),
})

/** What only a reader has. Names behind KAFKA_OVERRIDE_ are those of the Java client with a counterpart here. */
export const kafkaConsumerOptions = group('Kafka', {
  'kafka-framework-name': text({
    default: 'kafka',
    placeholder: 'NAME',
    help: 'Framework whose brokers are looked up where --kafka-brokers is not given.',
  }),
  'kafka-session-timeout-ms': milliseconds({
    default: 10_000,
    variables: ['KAFKA_OVERRIDE_SESSION_TIMEOUT_MS'],
    help: 'A reader not heard of for this long loses its partitions to the others of its group.',
  }),
  'kafka-rebalance-timeout-ms': milliseconds({
    default: 60_000,
    variables: ['KAFKA_OVERRIDE_MAX_POLL_INTERVAL_MS'],
    help: 'How long readers of a group may take to share partitions anew.',
  }),
  'kafka-heartbeat-interval-ms': milliseconds({
    default: 1000,
    variables: ['KAFKA_OVERRIDE_HEARTBEAT_INTERVAL_MS'],
    help: 'Time between two signs of life.',
  }),
  'kafka-fetch-min-bytes': integer({
    default: 1,
    unit: 'bytes',
    variables: ['KAFKA_OVERRIDE_FETCH_MIN_BYTES'],
    help: 'A broker answers once it has this much.',
  }),
  'poll-timeout-ms': milliseconds({
    default: 1000,
    variables: ['KAFKA_OVERRIDE_FETCH_MAX_WAIT_MS'],
    help: 'Or once this time has passed.',
  }),
  'kafka-fetch-max-bytes': integer({
    default: 10_485_760,
    unit: 'bytes',
    variables: ['KAFKA_OVERRIDE_FETCH_MAX_BYTES'],
    help: 'Most that one answer brings.',
  }),
  'kafka-partition-fetch-bytes': integer({
    default: 1_048_576,
    unit: 'bytes',
    variables: ['KAFKA_OVERRIDE_MAX_PARTITION_FETCH_BYTES'],
    help: 'Most that one answer brings of one partition.',
  }),
  'kafka-max-poll-records': integer({
    default: 1000,
    unit: 'messages',
    variables: ['KAFKA_OVERRIDE_MAX_POLL_RECORDS'],
    help: 'Most messages of a partition that are handled, and committed, at once.',
  }),
})

/** Variables of the first consumers that stood for a property of Kafka's Java client. */
export const kafkaOverridePrefix = 'KAFKA_OVERRIDE_'

export function checkKafkaConsumer(
  options: Pick<Parsed<typeof kafkaConsumerOptions>, 'kafkaHeartbeatIntervalMs' | 'kafkaSessionTimeoutMs'>,
): readonly Complaint[] {
  if (options.kafkaHeartbeatIntervalMs < options.kafkaSessionTimeoutMs) return []
  return [
    {
      options: ['kafka-heartbeat-interval-ms', 'kafka-session-timeout-ms'],
      text:
        `--kafka-heartbeat-interval-ms ${options.kafkaHeartbeatIntervalMs} must be less than ` +
        `--kafka-session-timeout-ms ${options.kafkaSessionTimeoutMs}; a third of it is usual.`,
    },
  ]
}
