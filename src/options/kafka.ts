import type { Complaint } from './mistake.js'
import { brokers, choice, file, flag, group, integer, milliseconds, type Parsed, text } from './option.js'

/** How a Kafka cluster is reached, for whoever writes to it or reads from it. */
export const kafkaClientOptions = group('Kafka', {
  'kafka-brokers': brokers({
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
  'kafka-verbose': flag({ default: false, help: "Tell the Kafka client's own messages, too." }),
  'kafka-security-protocol': choice(['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl'], {
    variables: ['KAFKA_OVERRIDE_SECURITY_PROTOCOL'],
    shorthand: {
      option: 'kafka-tls',
      values: { plaintext: 'false', sasl_plaintext: 'false', ssl: 'true', sasl_ssl: 'true' },
    },
    help: "By Kafka's own names, how the connection is protected.",
  }),
  'kafka-tls': flag({ default: false, help: 'Connect by TLS.' }),
  'kafka-tls-ca-file': file({ help: 'Certificate of the authority that signed the brokers (PEM).' }),
  'kafka-tls-cert-file': file({ help: 'Own certificate (PEM).' }),
  'kafka-tls-key-file': file({ help: 'Its key (PEM).' }),
  'kafka-tls-key-passphrase': text({ secret: true, help: 'Passphrase of that key.' }),
  'kafka-tls-server-name': text({
    help: "Name in the brokers' certificate, where it is not the name they are reached by.",
  }),
  'kafka-sasl-mechanism': choice(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'], {
    variables: ['KAFKA_OVERRIDE_SASL_MECHANISM'],
    help: 'How to log in at the brokers.',
  }),
  'kafka-sasl-username': text({ help: 'User, for plain and scram.' }),
  'kafka-sasl-password': text({ secret: true, help: 'Password, for plain and scram.' }),
  'kafka-sasl-token-file': file({
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
  'kafka-create-topics': flag({ default: false, help: 'Create topics that the brokers do not create.' }),
  'kafka-topic-partitions': integer({
    default: 1,
    max: 10_000,

    help: 'Partitions of such a topic.',
  }),
  'kafka-topic-replication': integer({ default: 1, max: 100, help: 'Its replicas.' }),
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

type ClientOptions = Parsed<typeof kafkaClientOptions>

/** Whether what is said about TLS and the login fits together. */
export function checkKafkaClient(options: ClientOptions): readonly Complaint[] {
  return [...checkTls(options), ...checkLogin(options)]
}

function checkTls(options: ClientOptions): readonly Complaint[] {
  const { kafkaTls, kafkaTlsCaFile, kafkaTlsCertFile, kafkaTlsKeyFile, kafkaTlsKeyPassphrase } = options
  const parts: Record<string, string | undefined> = {
    'kafka-tls-ca-file': kafkaTlsCaFile,
    'kafka-tls-cert-file': kafkaTlsCertFile,
    'kafka-tls-key-file': kafkaTlsKeyFile,
    'kafka-tls-key-passphrase': kafkaTlsKeyPassphrase,
    'kafka-tls-server-name': options.kafkaTlsServerName,
  }
  const given = Object.keys(parts).filter((name) => parts[name] !== undefined)
  const complaints: Complaint[] = []
  if (!kafkaTls && given.length > 0) {
    const flags = given.map((name) => `--${name}`).join(', ')
    complaints.push({ options: ['kafka-tls', ...given], text: `${flags} count only with --kafka-tls: give it too.` })
  }
  if ((kafkaTlsCertFile === undefined) !== (kafkaTlsKeyFile === undefined)) {
    const missing = kafkaTlsCertFile === undefined ? 'kafka-tls-cert-file' : 'kafka-tls-key-file'
    const text = `--${missing} is missing: an own certificate and its key belong together.`
    complaints.push({ options: ['kafka-tls-cert-file', 'kafka-tls-key-file'], text })
  }
  return complaints
}

function checkLogin(options: ClientOptions): readonly Complaint[] {
  const { kafkaSaslMechanism: mechanism, kafkaSecurityProtocol: protocol } = options
  const values: Record<string, string | undefined> = {
    'kafka-sasl-username': options.kafkaSaslUsername,
    'kafka-sasl-password': options.kafkaSaslPassword,
    'kafka-sasl-token-file': options.kafkaSaslTokenFile,
  }
  const given = Object.keys(values).filter((name) => values[name] !== undefined)
  if (mechanism === undefined) {
    if (protocol?.startsWith('sasl_')) {
      const text = `--kafka-security-protocol ${protocol} needs --kafka-sasl-mechanism.`
      return [{ options: ['kafka-security-protocol', 'kafka-sasl-mechanism'], text }]
    }
    if (given.length === 0) return []
    const flags = given.map((name) => `--${name}`).join(', ')
    const text = `${flags} count only with --kafka-sasl-mechanism: give it too.`
    return [{ options: ['kafka-sasl-mechanism', ...given], text }]
  }
  const needed =
    mechanism === 'oauthbearer' ? ['kafka-sasl-token-file'] : ['kafka-sasl-username', 'kafka-sasl-password']
  const complaints: Complaint[] = []
  if (protocol !== undefined && !protocol.startsWith('sasl_')) {
    const text = `--kafka-security-protocol ${protocol} has no login: leave --kafka-sasl-mechanism out, or choose sasl_${protocol}.`
    complaints.push({ options: ['kafka-security-protocol', 'kafka-sasl-mechanism'], text })
  }
  const missing = needed.filter((name) => values[name] === undefined).map(withFile)
  if (missing.length > 0) {
    const text = `--kafka-sasl-mechanism ${mechanism} needs ${missing.join(' and ')}.`
    complaints.push({ options: ['kafka-sasl-mechanism', ...needed], text })
  }
  return complaints
}

// A secret is better given by its file.
function withFile(name: string): string {
  return name === 'kafka-sasl-password' ? '--kafka-sasl-password-file' : `--${name}`
}

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
