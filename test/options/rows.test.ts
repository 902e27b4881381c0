import { auditOptions } from '../../src/options/audit.js'
import { checkCollector, collectorOptions } from '../../src/options/collector.js'
import { checkConsume, consumeOptions } from '../../src/options/consume.js'
import { effectiveForLog } from '../../src/options/effective.js'
import { checkEmitAvro, emitAvroOptions, emitStatsdOptions } from '../../src/options/emit.js'
import { checkLocalStack, localStackOptions } from '../../src/options/local-stack.js'
import { type OptionRows, type Parsed, variablesOf } from '../../src/options/option.js'
import { type Request, resolveOptions, type Sources } from '../../src/options/resolve.js'
import {
  checkStatsdProxy,
  checkStatsdProxyExec,
  statsdProxyExecOptions,
  statsdProxyOptions,
} from '../../src/options/statsd-proxy.js'
import { topOptions } from '../../src/options/top.js'

const requests = {
  'statsd-proxy': { name: 'statsd-proxy', rows: statsdProxyOptions, check: checkStatsdProxy },
  'statsd-proxy exec': { name: 'statsd-proxy exec', rows: statsdProxyExecOptions, check: checkStatsdProxyExec },
  collector: { name: 'collector', rows: collectorOptions, check: checkCollector },
  consume: { name: 'consume', rows: consumeOptions, check: checkConsume, variablePrefix: 'KAFKA_OVERRIDE_' },
  'emit statsd': { name: 'emit statsd', rows: emitStatsdOptions },
  'emit avro': { name: 'emit avro', rows: emitAvroOptions, check: checkEmitAvro },
  'local-stack': { name: 'local-stack', rows: localStackOptions, check: checkLocalStack },
  audit: { name: 'audit', rows: auditOptions },
  top: { name: 'top', rows: topOptions },
}
type Name = keyof typeof requests

const everyRows = Object.entries(requests).map(([name, { rows }]) => [name, rows] as [string, OptionRows])

describe.each(everyRows)('the rows of %s', (_name, rows) => {
  test('share no flag and no variable', () => {
    const flags = Object.entries(rows).flatMap(([name, { aliases = [], secret }]) => [
      name,
      ...aliases,
      ...(secret ? [`${name}-file`] : []),
    ])
    const variables = Object.entries(rows).flatMap(([name, row]) => variablesOf(name, row))
    expect(repeated(flags)).toEqual([])
    expect(repeated(variables)).toEqual([])
  })

  test('have defaults that are right by their own rules', async () => {
    const variables = { STATSD_UDP_HOST: '127.0.0.1', STATSD_UDP_PORT: '8125', ADMIN: '127.0.0.1:9100' }
    const { effective } = await resolveOptions({ name: 'x', rows }, from(variables))
    const faulty = await resolveOptions({ name: 'x', rows }, from({ ...variables, ...defaultsAsVariables(rows) }))
    expect(faulty.effective.map(({ name, value }) => [name, value])).toEqual(
      effective.map(({ name, value }) => [name, value]),
    )
  })

  test('say what they do in whole sentences', () => {
    expect(Object.entries(rows).filter(([, { help }]) => !/^[A-Z].*\.$|^[a-z]+(:| is ).*\.$/.test(help))).toEqual([])
  })
})

test.each<[rule: string, command: Name, variables: Record<string, string>, mistake: string | undefined]>([
  ['ephemeral needs no port', 'statsd-proxy', {}, undefined],
  ['single needs its port', 'statsd-proxy', { LISTEN_PORT_MODE: 'single' }, 'needs --listen-port'],
  ['single with its port', 'statsd-proxy', { LISTEN_PORT_MODE: 'single', LISTEN_PORT: '8125' }, undefined],
  [
    'range needs both ends',
    'statsd-proxy',
    { LISTEN_PORT_MODE: 'range', LISTEN_PORT_START: '9' },
    'needs --listen-port-start',
  ],
  [
    'a range of one port is refused',
    'statsd-proxy',
    { LISTEN_PORT_MODE: 'range', LISTEN_PORT_START: '9', LISTEN_PORT_END: '9' },
    'the start must be less than the end',
  ],
  [
    'a range of two ports',
    'statsd-proxy',
    { LISTEN_PORT_MODE: 'range', LISTEN_PORT_START: '9', LISTEN_PORT_END: '10' },
    undefined,
  ],
  ['some output is on for a command', 'statsd-proxy exec', { OUTPUT_COLLECTOR_ENABLED: 'false' }, 'No output is on'],
  ['some output is on', 'statsd-proxy', { OUTPUT_COLLECTOR_ENABLED: 'false' }, 'No output is on'],
  ['both outputs', 'statsd-proxy', { OUTPUT_STATSD_ENABLED: 'true' }, undefined],
  ['interface or address', 'statsd-proxy', { LISTEN_INTERFACE: 'lo', LISTEN_HOST: '::1' }, 'exclude each other'],
  ['admin on loopback', 'statsd-proxy', { ADMIN_LISTEN: '127.0.0.1:0' }, undefined],
  ['admin for others needs a token', 'collector', { ADMIN_LISTEN: '0.0.0.0:9000' }, 'give --admin-token-file'],
  ['admin for others with a token', 'collector', { ADMIN_LISTEN: '0.0.0.0:9000', ADMIN_TOKEN: 'x' }, undefined],
  ['profiles need the admin server', 'collector', { HTTP_PROFILE: 'true' }, 'needs --admin-listen on a loopback'],
  [
    'profiles are for loopback only, with a token too',
    'collector',
    { HTTP_PROFILE: 'true', ADMIN_LISTEN: '0.0.0.0:9100', ADMIN_TOKEN: 'x' },
    '0.0.0.0:9100 is none',
  ],
  ['profiles on loopback', 'collector', { HTTP_PROFILE: 'true', ADMIN_LISTEN: '[::1]:9100' }, undefined],
  ['own metrics need host and port', 'collector', { STATSD_UDP_HOST: 'h' }, '--statsd-udp-port is missing'],
  ['influx needs a host', 'consume', { SINK: 'influx', OUTPUT_DATABASE: 'd' }, 'needs --output-host (OUTPUT_HOST)'],
  ['influx needs a database', 'consume', { SINK: 'influx', OUTPUT_HOST: 'h' }, 'needs --output-database'],
  ['influx 1', 'consume', { SINK: 'influx', OUTPUT_HOST: 'h', OUTPUT_DATABASE: 'd' }, undefined],
  [
    'a bucket needs its token',
    'consume',
    { SINK: 'influx', OUTPUT_HOST: 'h', BUCKET: 'b' },
    '--bucket needs --token-file',
  ],
  ['influx 2', 'consume', { SINK: 'influx', OUTPUT_HOST: 'h', BUCKET: 'b', TOKEN: 't' }, undefined],
  ['graphite needs a host', 'local-stack', { SINK: 'graphite' }, 'needs --output-host (OUTPUT_HOST)'],
  ['stdout and graphite', 'consume', { SINK: 'stdout,graphite', OUTPUT_HOST: 'h' }, undefined],
  [
    'two stores on one host, each at its usual port',
    'consume',
    { SINK: 'influx,graphite', OUTPUT_HOST: 'h', OUTPUT_DATABASE: 'd' },
    undefined,
  ],
  [
    'two stores need two ports',
    'consume',
    { SINK: 'influx,graphite', OUTPUT_HOST: 'h', OUTPUT_DATABASE: 'd', OUTPUT_PORT: '1' },
    'give --influx-port and --graphite-port',
  ],
  [
    'one port of its own is enough',
    'consume',
    { SINK: 'influx,graphite', OUTPUT_HOST: 'h', OUTPUT_DATABASE: 'd', OUTPUT_PORT: '1', GRAPHITE_PORT: '2' },
    undefined,
  ],
  [
    'each of two stores needs a host',
    'consume',
    { SINK: 'influx,graphite', INFLUX_HOST: 'h', OUTPUT_DATABASE: 'd' },
    '--sink graphite needs --output-host (OUTPUT_HOST) or --graphite-host',
  ],
  ['times are counted back from a last one', 'emit avro', { STEP_MS: '1000' }, '--step-ms needs --count'],
  ['of which there is one', 'emit avro', { STEP_MS: '1000', COUNT: '10' }, undefined],
  ['TLS files without TLS', 'collector', { KAFKA_TLS_CA_FILE: 'ca.pem' }, '--kafka-tls-ca-file count only with'],
  ['TLS by its own name', 'collector', { KAFKA_TLS: 'true', KAFKA_TLS_CA_FILE: 'ca.pem' }, undefined],
  ["TLS by Kafka's name", 'consume', { KAFKA_SECURITY_PROTOCOL: 'SSL', KAFKA_TLS_CA_FILE: 'ca.pem' }, undefined],
  [
    'TLS and its opposite',
    'consume',
    { KAFKA_SECURITY_PROTOCOL: 'PLAINTEXT', KAFKA_TLS: 'true' },
    'Leave one of them out',
  ],
  [
    'a certificate needs its key',
    'collector',
    { KAFKA_TLS: '1', KAFKA_TLS_CERT_FILE: 'c' },
    '--kafka-tls-key-file is missing',
  ],
  [
    'a key needs its certificate',
    'collector',
    { KAFKA_TLS: '1', KAFKA_TLS_KEY_FILE: 'k' },
    '--kafka-tls-cert-file is missing',
  ],
  [
    'scram needs a user',
    'collector',
    { KAFKA_SASL_MECHANISM: 'scram-sha-256', KAFKA_SASL_PASSWORD: 'p' },
    'needs --kafka-sasl-username',
  ],
  [
    'plain needs a password',
    'consume',
    { KAFKA_SASL_MECHANISM: 'PLAIN', KAFKA_SASL_USERNAME: 'u' },
    'needs --kafka-sasl-password-file',
  ],
  ['oauthbearer needs its token', 'consume', { KAFKA_SASL_MECHANISM: 'OAUTHBEARER' }, 'needs --kafka-sasl-token-file'],
  ['a login without a mechanism', 'collector', { KAFKA_SASL_USERNAME: 'u' }, 'count only with --kafka-sasl-mechanism'],
  ['a protocol with a login', 'collector', { KAFKA_SECURITY_PROTOCOL: 'sasl_ssl' }, 'needs --kafka-sasl-mechanism'],
  [
    'a protocol without a login',
    'collector',
    {
      KAFKA_SECURITY_PROTOCOL: 'ssl',
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_SASL_USERNAME: 'u',
      KAFKA_SASL_PASSWORD: 'p',
    },
    'or choose sasl_ssl',
  ],
  [
    'signs of life within the session',
    'consume',
    { KAFKA_HEARTBEAT_INTERVAL_MS: '30000', KAFKA_SESSION_TIMEOUT_MS: '10000' },
    'must be less than',
  ],
  [
    'an override without a counterpart',
    'consume',
    { KAFKA_OVERRIDE_FOO_BAR: '1' },
    'KAFKA_OVERRIDE_FOO_BAR stands for nothing',
  ],
  ['the collector has no overrides to refuse', 'collector', { KAFKA_OVERRIDE_FOO_BAR: '1' }, undefined],
])('%s (%s)', async (_rule, command, variables, mistake) => {
  const outcome = await attempt(command, variables)
  if (mistake === undefined) expect(outcome).toBe('accepted')
  else expect(outcome).toContain(mistake)
})

test("variables of the Java client's properties set their counterparts", async () => {
  const { options } = await resolveOptions(
    requests.consume,
    from({
      KAFKA_OVERRIDE_GROUP_ID: 'g',
      KAFKA_OVERRIDE_AUTO_OFFSET_RESET: 'earliest',
      KAFKA_OVERRIDE_BOOTSTRAP_SERVERS: 'a:9092,b:9092',
      KAFKA_OVERRIDE_SESSION_TIMEOUT_MS: '45000',
      KAFKA_OVERRIDE_MAX_POLL_RECORDS: '500',
      KAFKA_OVERRIDE_CLIENT_ID: 'c',
    }),
  )
  const expected: Partial<Parsed<typeof consumeOptions>> = {
    groupId: 'g',
    from: 'earliest',
    kafkaBrokers: ['a:9092', 'b:9092'],
    kafkaSessionTimeoutMs: 45_000,
    kafkaMaxPollRecords: 500,
    kafkaClientId: 'c',
  }
  expect(options).toMatchObject(expected)
})

test('the collector understands how the first one was started', async () => {
  const flags = new Map(
    Object.entries({
      'listen-endpont': '0.0.0.0:8124',
      kafka: 'false',
      'agent-polling': 'f',
      'kafka-compress-snappy': 'false',
    }),
  )
  const { options, effective } = await resolveOptions(requests.collector, {
    ...from({ KAFKA_PRODUCE_COUNT: '10' }),
    flags: new Map([...flags].map(([name, value]) => [name, [value]])),
  })
  expect(options).toMatchObject({
    listenEndpoint: { host: '0.0.0.0', port: 8124 },
    bus: 'none',
    agentPolling: false,
    kafkaCompression: 'none',
    kafkaProduceCount: 10,
  })
  expect(effectiveForLog(effective)).toMatchObject({
    'listen-endpoint': '0.0.0.0:8124 (flag --listen-endpont)',
    'kafka-produce-count': '10 (variable KAFKA_PRODUCE_COUNT)',
    'kafka-produce-kbytes': '512',
  })
})

function from(environment: Record<string, string>): Sources {
  return { flags: new Map(), strays: [], environment, home: '/home/me', readFile: () => '' }
}

async function attempt(command: Name, variables: Record<string, string>): Promise<string> {
  try {
    await resolveOptions(requests[command] as Request<OptionRows>, from(variables))
    return 'accepted'
  } catch (thrown) {
    return (thrown as Error).message
  }
}

/** Written out as a user would; the reader must take each of them. */
function defaultsAsVariables(rows: OptionRows): Record<string, string> {
  const given = Object.entries(rows).filter(([, row]) => row.default !== undefined && !row.notYet)
  return Object.fromEntries(given.map(([name, row]) => [variablesOf(name, row)[0]!, [row.default!].flat().join(',')]))
}

function repeated(names: readonly string[]): string[] {
  return names.filter((name, index) => names.indexOf(name) !== index)
}
