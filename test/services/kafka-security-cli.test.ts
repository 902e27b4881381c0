import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { expectEachOf, numbersOf } from '../support/numbers.js'
import { endPrograms, startProgram } from '../support/program.js'
import { type Certificates, makeCertificates } from './support/certificates.js'
import { emitNumbers, startCollector } from './support/collector-stack.js'
import { type KafkaBroker, startKafkaBroker } from './support/kafka-broker.js'
import { uniqueName } from './support/kafka-bus.js'

const login = { username: 'alice', password: 'alice-secret' }
let cli: BuiltCli
let folder: string
let certificates: Certificates
let kafka: KafkaBroker

beforeAll(async () => {
  cli = await buildCli()
  folder = await mkdtemp(join(tmpdir(), 'dcos-stats-security-'))
  certificates = await makeCertificates(folder)
  const tls = {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': certificates.serverStore,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.caFile,
  }
  const sasl = {
    'sasl.enabled.mechanisms': 'SCRAM-SHA-256',
    'scram-sha-256.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  }
  kafka = await startKafkaBroker({
    scramUsers: { [login.username]: login.password },
    properties: { 'auto.create.topics.enable': 'false' },
    listeners: [
      { name: 'MUTUAL', protocol: 'SSL', properties: { ...tls, 'ssl.client.auth': 'required' } },
      { name: 'BOTH', protocol: 'SASL_SSL', properties: { ...tls, ...sasl } },
    ],
  })
})
afterAll(async () => {
  await kafka?.stop()
  await cli?.remove()
  await rm(folder, { recursive: true, force: true })
})
afterEach(endPrograms)

/** Secrets in a file, as they should be given. */
async function scram(password: string): Promise<string[]> {
  const passwordFile = join(folder, uniqueName('password'))
  await writeFile(passwordFile, `${password}\n`)
  return [
    ...['--kafka-tls', '--kafka-tls-ca-file', certificates.caFile],
    ...['--kafka-sasl-mechanism', 'scram-sha-256', '--kafka-sasl-username', login.username],
    ...['--kafka-sasl-password-file', passwordFile],
  ]
}

const ofListener = (name: string) => [kafka.listeners[name] ?? '']

test('collector and consumer by TLS with a SCRAM login; the topic is made by the collector', async () => {
  await expectThrough(ofListener('BOTH'), await scram(login.password))
})

test('both by TLS with certificates of their own', async () => {
  const { caFile, clientCertFile, clientKeyFile } = certificates
  const own = ['--kafka-tls-cert-file', clientCertFile, '--kafka-tls-key-file', clientKeyFile]
  await expectThrough(ofListener('MUTUAL'), ['--kafka-security-protocol', 'SSL', '--kafka-tls-ca-file', caFile, ...own])
})

test.each([
  'collector',
  'consume',
])('%s ends with 69 where the password is wrong, and never shows it', async (command) => {
  const brokers = ['--kafka-brokers', ofListener('BOTH').join()]
  const own =
    command === 'collector' ? ['--agent-polling=false', '--listen-endpoint', '127.0.0.1:0'] : ['--sink', 'stdout']
  const program = startProgram(cli.path, [command, ...own, ...brokers, ...(await scram('not-the-password'))])
  expect(await program.ended).toEqual({ code: 69, signal: null })
  const talk = program.stderr.join('\n')
  expect(talk).toMatch(/Check --kafka-sasl-mechanism, --kafka-sasl-username and --kafka-sasl-password/)
  expect(talk).not.toContain('not-the-password')
}, 30_000)

test.each<[what: string, flags: () => string[], broker: () => string, message: RegExp]>([
  ['without --kafka-tls', () => [], () => ofListener('BOTH').join(), /speaks TLS only; give --kafka-tls/],
  [
    'without --kafka-tls-ca-file',
    () => ['--kafka-tls'],
    () => ofListener('MUTUAL').join(),
    /certificate is not trusted; check --kafka-tls-ca-file/,
  ],
  ['at a port where nobody is', () => [], () => '127.0.0.1:1', /nothing listens there; check --kafka-brokers/],
])('%s the collector says so within 10 s, naming broker and option, and takes metrics in meanwhile', async (_what, flags, broker, message) => {
  const startedMs = performance.now()
  const collector = await startCollector(cli.path, [broker()], ...flags())
  const told = await collector.program.logWhere(({ level, msg }) => level === 'warn' && message.test(String(msg)))
  expect(performance.now() - startedMs).toBeLessThan(10_000)
  expect(told.msg).toContain(broker())
  expect((await emitNumbers(cli.path, collector.endpoint, '--count', '100').ended).code).toBe(0)
  while ((await collector.ledger()).received < 100) await sleep(20)
  expect((await collector.ready()).checks.bus?.ready).toBe(false)
})

async function expectThrough(brokers: readonly string[], flags: readonly string[]): Promise<void> {
  const topic = uniqueName('secure')
  const made = ['--kafka-create-topics', '--kafka-topic-partitions', '3']
  const collector = await startCollector(cli.path, brokers, '--kafka-single-topic', topic, ...made, ...flags)
  expect((await emitNumbers(cli.path, collector.endpoint, '--count', '1000').ended).code).toBe(0)
  while ((await collector.ledger()).forwarded < 1000) await sleep(20)
  const reading = ['--sink', 'stdout', '--from', 'earliest', '--group-id', uniqueName('group'), '--kafka-topics', topic]
  const consumer = startProgram(cli.path, ['consume', ...reading, '--kafka-brokers', brokers.join(), ...flags])
  await consumer.dataUntil((data) => data.length >= 1000)
  expectEachOf(1000, numbersOf(consumer.data))
}
