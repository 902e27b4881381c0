import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KafkaOptions, KafkaSasl } from '../../src/bus/kafka-options.js'
import { type Certificates, makeCertificates } from './support/certificates.js'
import { type KafkaBroker, startKafkaBroker } from './support/kafka-broker.js'
import { collect, createTestBus, message, openTestBus, uniqueName } from './support/kafka-bus.js'
import { freePorts } from './support/ports.js'

const login = { username: 'alice', password: 'alice-secret' } as const
let folder: string
let certificates: Certificates
let tokenFile: string
let kafka: KafkaBroker

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dcos-stats-certificates-'))
  certificates = await makeCertificates(folder)
  tokenFile = join(folder, 'token')
  await writeFile(tokenFile, `${unsecuredToken('alice')}\n`)
  const store = {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificates.serverStore,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.caFile,
  }
  kafka = await startKafkaBroker({
    scramUsers: { [login.username]: login.password },
    listeners: [
      { name: 'TLS', protocol: 'SSL', properties: store },
      { name: 'MUTUAL', protocol: 'SSL', properties: { ...store, 'ssl.client.auth': 'required' } },
      { name: 'LOGIN', protocol: 'SASL_PLAINTEXT', properties: saslProperties },
      { name: 'BOTH', protocol: 'SASL_SSL', properties: { ...store, ...saslProperties } },
    ],
  })
})

afterAll(async () => {
  await kafka?.stop()
  await rm(folder, { recursive: true, force: true })
})

const loginRows: [string, () => KafkaSasl][] = [
  ['PLAIN', () => ({ mechanism: 'plain', ...login })],
  ['SCRAM-SHA-256', () => ({ mechanism: 'scram-sha-256', ...login })],
  ['SCRAM-SHA-512', () => ({ mechanism: 'scram-sha-512', ...login })],
  ['OAUTHBEARER from a file', () => ({ mechanism: 'oauthbearer', tokenFile })],
]

describe('messages go there and back', () => {
  test.each(loginRows)('with %s', async (_name, sasl) => {
    await expectRoundTrip('LOGIN', { sasl: sasl() })
  })

  test('over TLS', async () => {
    await expectRoundTrip('TLS', { tls: { caFile: certificates.caFile } })
  })

  test('over TLS with a certificate of our own', async () => {
    const { caFile, clientCertFile: certFile, clientKeyFile: keyFile } = certificates
    await expectRoundTrip('MUTUAL', { tls: { caFile, certFile, keyFile } })
  })

  test('over TLS with a login', async () => {
    const tls = { caFile: certificates.caFile }
    await expectRoundTrip('BOTH', { tls, sasl: { mechanism: 'scram-sha-512', ...login } })
  })
})

describe('a refused login ends the program with 69, within 10 s', () => {
  test.each([
    ['a wrong password with PLAIN', { mechanism: 'plain', username: 'alice', password: 'wrong' }],
    ['a wrong password with SCRAM', { mechanism: 'scram-sha-256', username: 'alice', password: 'wrong' }],
    ['an unknown user', { mechanism: 'scram-sha-512', username: 'mallory', password: 'x' }],
  ] as const)('%s', async (_what, sasl) => {
    const { bus } = createTestBus([kafka.listeners.LOGIN!], { sasl })
    await expect(bus.open(AbortSignal.timeout(10_000))).rejects.toMatchObject({
      code: 'DS_BUS_AUTH',
      exitCode: 69,
      message: expect.stringContaining('--kafka-sasl-password'),
    })
    await bus.close()
  })

  test('a login where none is asked for', async () => {
    const { bus } = createTestBus(kafka.brokers, { sasl: { mechanism: 'plain', ...login } })
    await expect(bus.open(AbortSignal.timeout(10_000))).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringContaining('leave --kafka-sasl-mechanism out'),
    })
    await bus.close()
  })
})

describe('what stands in the way is said within 10 s, naming broker and option, and tried again', () => {
  test('a broker that speaks TLS only', () => expectTold('TLS', {}, /speaks TLS only; give --kafka-tls/))

  test('a broker that does not speak TLS', async () => {
    await expectTold(
      kafka.brokers[0]!,
      { tls: { caFile: certificates.caFile } },
      /does not speak TLS; leave --kafka-tls out/,
    )
  })

  test('a certificate that nobody vouches for', () =>
    expectTold('TLS', { tls: {} }, /not trusted; check --kafka-tls-ca-file/))

  test('a missing certificate of our own', async () => {
    await expectTold(
      'MUTUAL',
      { tls: { caFile: certificates.caFile } },
      /check --kafka-tls-cert-file and --kafka-tls-key-file/,
    )
  })

  test('a broker that asks for a login', () => expectTold('LOGIN', {}, /asks for a login, give --kafka-sasl-mechanism/))

  test('nobody there', async () => {
    const [port] = await freePorts(1)
    await expectTold(`127.0.0.1:${port}`, {}, /nothing listens there; check --kafka-brokers/)
  })

  test('a name that does not exist', () =>
    expectTold('no-such-host.invalid:9092', {}, /name does not resolve.*--kafka-brokers/))

  test.each([
    ['says nothing', () => {}, /did not answer|no answer/],
    ['hangs up', (socket: net.Socket) => socket.destroy(), /check --kafka-brokers|hung up/],
    ['answers garbage', (socket: net.Socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), /--kafka/],
  ])('a server that %s', async (_what, onConnection, expected) => {
    const sockets = new Set<net.Socket>()
    const server = net.createServer((socket) => {
      sockets.add(socket.on('error', () => {}))
      onConnection(socket)
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    await expectTold(`127.0.0.1:${(server.address() as net.AddressInfo).port}`, {}, expected)
    for (const socket of sockets) socket.destroy()
    await new Promise((closed) => server.close(closed))
  })
})

async function expectRoundTrip(listener: string, options: Partial<KafkaOptions>): Promise<void> {
  const { bus } = await openTestBus([kafka.listeners[listener]!], options)
  const topic = uniqueName('secure')
  await bus.publish(topic, [message('1')])
  const reader = collect(bus, { topics: [topic], group: uniqueName('group'), from: 'earliest' })
  await reader.atLeast(1)
  await reader.stop()
  await bus.close()
}

async function expectTold(listener: string, options: Partial<KafkaOptions>, expected: RegExp): Promise<void> {
  const broker = kafka.listeners[listener] ?? listener
  const { bus, log, counters } = createTestBus([broker], options)
  const stopping = new AbortController()
  const opened = bus.open(stopping.signal)
  const until = Date.now() + 10_000
  const own = () => log.lines.filter(({ level, text }) => level === 'warn' && !text.startsWith('kafkajs'))
  while (own().length === 0 && Date.now() < until) await new Promise((go) => setTimeout(go, 20))
  stopping.abort()
  await opened
  await bus.close()
  expect(own()[0]?.text).toMatch(expected)
  expect(own()[0]?.text).toContain(broker)
  expect(counters.value('bus.connection_failures')).toBeGreaterThan(0)
}

const jaas = 'org.apache.kafka.common.security'
const saslProperties = {
  'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
  'plain.sasl.jaas.config': `${jaas}.plain.PlainLoginModule required user_${login.username}="${login.password}";`,
  'scram-sha-256.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`,
  'scram-sha-512.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`,
  'oauthbearer.sasl.jaas.config': `${jaas}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
}

/** A token without a signature, which Kafka takes where it is not told otherwise. */
function unsecuredToken(subject: string): string {
  const nowSeconds = Math.floor(Date.now() / 1_000)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: nowSeconds, exp: nowSeconds + 3_600 })}.`
}
