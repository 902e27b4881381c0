import { createKafkaBus } from '../../src/bus/kafka.js'
import type { KafkaOptions } from '../../src/bus/kafka-options.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'

const telemetry = { log: silentLog, counters: new Counters() }
const brokers = ['127.0.0.1:9092']

test.each<[string, Partial<KafkaOptions>, RegExp]>([
  ['no broker', { brokers: [] }, /at least one host:port in --kafka-brokers/],
  ['a broker without a port', { brokers: ['kafka'] }, /expected host:port.*got "kafka"/],
  ['a port out of range', { brokers: ['kafka:99999'] }, /got "kafka:99999"/],
  [
    'an IPv6 literal, which kafkajs cannot take',
    { brokers: ['[::1]:9092'] },
    /a name or an IPv4 address.*got "\[::1\]:9092"/,
  ],
  ['a URL', { brokers: ['http://kafka:9092'] }, /got "http:\/\/kafka:9092"/],
  ['a certificate without its key', { brokers, tls: { certFile: 'x' } }, /belong together/],
  ['a codec that cannot be had', { brokers, compression: 'lz4' }, /lz4 cannot be written here/],
])('refused before any connection: %s', (_what, options, expected) => {
  expect(() => createKafkaBus({ brokers, telemetry, ...options })).toThrow(
    expect.objectContaining({ exitCode: 78, message: expect.stringMatching(expected) }),
  )
})

test.each<[string, Partial<KafkaOptions>, RegExp]>([
  ['the authority', { tls: { caFile: '/no/such/ca.pem' } }, /--kafka-tls-ca-file.*ENOENT/],
  ['the token', { sasl: { mechanism: 'oauthbearer', tokenFile: '/no/such/token' } }, /--kafka-sasl-token-file.*ENOENT/],
])('a file that cannot be read is named with its option: %s', async (_what, options, expected) => {
  const bus = createKafkaBus({ brokers, telemetry, ...options })
  await expect(bus.open(new AbortController().signal)).rejects.toThrow(
    expect.objectContaining({ exitCode: 78, message: expect.stringMatching(expected) }),
  )
  await bus.close()
})

test('a bus that was not opened says so', async () => {
  const bus = createKafkaBus({ brokers, telemetry })
  await expect(bus.publish('t', [{ key: '', bytes: Buffer.from('x') }])).rejects.toMatchObject({
    code: 'DS_BUS_CLOSED',
  })
  expect(bus.lag()).toEqual([])
  await bus.close()
})
