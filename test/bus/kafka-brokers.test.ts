import { Resolver } from 'node:dns/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import fetch from 'node-fetch'
import { type FetchText, lookupBrokers, waitForBrokers } from '../../src/bus/kafka-brokers.js'
import { createBackoff } from '../../src/platform/backoff.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { type DnsRecord, startDnsServer } from '../support/dns-server.js'

const zone = new Map<string, readonly DnsRecord[]>()
const replies: { status: number; body: string }[] = []
const requested: string[] = []
let dns: Awaited<ReturnType<typeof startDnsServer>>
let server: http.Server
let resolver: Resolver

beforeAll(async () => {
  dns = await startDnsServer(zone)
  resolver = new Resolver()
  resolver.setServers([dns.address])
  server = http.createServer((request, response) => {
    requested.push(`${request.headers.host}${request.url}`)
    const { status, body } = replies.length > 1 ? replies.shift()! : replies[0]!
    response.writeHead(status).end(body)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
})

afterAll(async () => {
  await new Promise((closed) => server.close(closed))
  await dns.close()
})

beforeEach(() => {
  const { port } = server.address() as AddressInfo
  zone.clear()
  zone.set('_kafka._tcp.marathon.mesos', [{ type: 'SRV', target: 'kafka-1.marathon.mesos', port }])
  zone.set('kafka.mesos', [{ type: 'A', address: '127.0.0.1' }])
  replies.length = 0
  requested.length = 0
})

/** HTTP to names that only our DNS server knows. */
const fetchByOwnDns: FetchText = async (url, signal) => {
  const [address = ''] = await resolver.resolve4(new URL(url).hostname)
  const response = await fetch(url.replace(new URL(url).hostname, address), {
    signal,
    headers: { host: new URL(url).host },
  })
  return { status: response.status, text: await response.text() }
}

const lookup = () => ({ framework: 'kafka', resolver, fetch: fetchByOwnDns })

test("the port comes from the SRV record, the brokers from the framework's list", async () => {
  replies.push({
    status: 200,
    body: '{"address": ["10.0.0.1:9092"], "dns": ["b0.kafka.mesos:9092", "b1.kafka.mesos:9093"]}',
  })
  expect(await lookupBrokers(lookup())).toEqual(['b0.kafka.mesos:9092', 'b1.kafka.mesos:9093'])
  expect(requested).toEqual([`kafka.mesos:${(server.address() as AddressInfo).port}/v1/connection`])
})

test('of several SRV records the first counts, and what is no host:port is left out', async () => {
  const { port } = server.address() as AddressInfo
  zone.set('_kafka._tcp.marathon.mesos', [
    { type: 'SRV', target: 'a.mesos', port },
    { type: 'SRV', target: 'b.mesos', port: 1 },
  ])
  replies.push({ status: 200, body: '{"dns": ["b0:9092", 7, "no-port", null]}' })
  const first = {
    ...lookup(),
    resolver: {
      resolveSrv: async () => [
        { name: 'a', port },
        { name: 'b', port: 1 },
      ],
    },
  }
  expect(await lookupBrokers(first)).toEqual(['b0:9092'])
})

test.each([
  ['a reply without dns', { status: 200, body: '{"address": []}' }, /list "dns" of host:port.*got: \{"address"/],
  ['an empty list', { status: 200, body: '{"dns": []}' }, /list "dns"/],
  ['dns that is no list', { status: 200, body: '{"dns": "b0:9092"}' }, /list "dns"/],
  ['a reply that is no JSON', { status: 200, body: '<html>' }, /got: <html>/],
  ['a reply that is null', { status: 200, body: 'null' }, /got: null/],
  ['a reply of a framework that is not ready', { status: 503, body: '' }, /status 503 instead of 200/],
])('%s is an error that says so', async (_what, reply, expected) => {
  replies.push(reply)
  await expect(lookupBrokers(lookup())).rejects.toMatchObject({ code: 'DS_BUS_LOOKUP' })
  await expect(lookupBrokers(lookup())).rejects.toThrow(expected)
})

test('a framework that does not exist is an error naming the record and the options', async () => {
  const missing = { ...lookup(), framework: 'kafkaesque' }
  await expect(lookupBrokers(missing)).rejects.toThrow(
    /no SRV record _kafkaesque\._tcp\.marathon\.mesos.*--kafka-framework.*--kafka-brokers/,
  )
})

test('nobody at the port of the SRV record is an error naming the URL', async () => {
  zone.set('_kafka._tcp.marathon.mesos', [{ type: 'SRV', target: 'x', port: 1 }])
  await expect(lookupBrokers(lookup())).rejects.toThrow(
    /Cannot ask http:\/\/kafka\.mesos:1\/v1\/connection.*ECONNREFUSED/,
  )
})

test('it is repeated until the framework answers, and each failure is counted', async () => {
  replies.push({ status: 503, body: '' }, { status: 200, body: '{}' }, { status: 200, body: '{"dns": ["b0:9092"]}' })
  const counters = new Counters()
  const backoff = createBackoff({ firstMs: 1, maxMs: 5 })
  const never = new AbortController().signal
  expect(await waitForBrokers(lookup(), { log: silentLog, counters }, never, { backoff })).toEqual(['b0:9092'])
  expect(counters.value('bus.lookup_failures', 'kafka')).toBe(2)
})

test('the end of the program ends the waiting', async () => {
  replies.push({ status: 503, body: '' })
  const stopping = new AbortController()
  const backoff = createBackoff({ firstMs: 60_000, maxMs: 60_000 })
  const waiting = waitForBrokers(lookup(), { log: silentLog, counters: new Counters() }, stopping.signal, { backoff })
  setTimeout(() => stopping.abort(), 20)
  expect(await waiting).toEqual([])
})
