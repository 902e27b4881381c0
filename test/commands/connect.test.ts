import { createServer, type Server } from 'node:net'
import { type Trial, tryPeer } from '../../src/commands/connect.js'
import type { Peer } from '../../src/commands/peers.js'
import { agentOptions } from '../../src/options/agent.js'
import { startJsonServer } from '../support/json-server.js'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function listen(): Promise<{ server: Server; address: string }> {
  const server = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(server)
  return { server, address: `127.0.0.1:${(server.address() as { port: number }).port}` }
}

async function closedAddress(): Promise<string> {
  const { server, address } = await listen()
  await new Promise((resolve) => server.close(resolve))
  return address
}

function tcp(address: string): Peer {
  return { kind: 'tcp', role: 'Kafka broker', option: 'kafka-brokers', address }
}

function agent(over: Partial<Extract<Peer, { kind: 'agent' }>>): Peer {
  return {
    kind: 'agent',
    role: 'Mesos agent',
    option: 'agent-url',
    url: undefined,
    ipCommand: '',
    port: 5051,
    credential: undefined,
    ...over,
  }
}

async function attempt(peer: Peer, timeoutMs = 2000): Promise<Trial> {
  const [trial] = await tryPeer(peer, { timeoutMs, signal: new AbortController().signal, version: '1.2.3' })
  return trial!
}

describe('by TCP', () => {
  test('who takes the connection is there', async () => {
    const { address } = await listen()
    expect(await attempt(tcp(address))).toEqual({
      role: 'Kafka broker',
      address,
      option: 'kafka-brokers',
      fault: false,
      said: expect.stringMatching(/^connected in \d+ ms$/),
    })
  })

  test('who refuses it is not', async () => {
    expect(await attempt(tcp(await closedAddress()))).toMatchObject({
      fault: true,
      said: 'refused: nothing listens there',
    })
  })

  test.each([
    ['a name without a port', 'broker', 'is not HOST:PORT'],
    ['a name that cannot be one', 'a..b:9092', 'its name does not resolve'],
  ])('%s', async (_rule, address, said) => {
    expect(await attempt(tcp(address))).toMatchObject({
      address,
      fault: true,
      said,
    })
  })
})

test('by UDP only the name can be looked up', async () => {
  const peer = { kind: 'udp', role: 'StatsD server', option: 'statsd-udp-host' } as const
  expect(await attempt({ ...peer, address: '127.0.0.1:8125' })).toMatchObject({
    fault: false,
    said: 'an address; over UDP nobody answers',
  })
  expect(await attempt({ ...peer, address: 'localhost:8125' })).toMatchObject({
    fault: false,
    said: expect.stringMatching(/^resolves to (127\.0\.0\.1|::1); over UDP nobody answers$/),
  })
  expect(await attempt({ ...peer, address: 'a..b:8125' })).toMatchObject({ fault: true })
})

describe('the Mesos agent', () => {
  async function agentThat(status: number, body: string) {
    const server = await startJsonServer((_request, response) => {
      response.writeHead(status).end(body)
    })
    open.push(server)
    return server
  }

  test('tells its id, and gets the credential', async () => {
    const server = await agentThat(200, '{"id": "abc-S1"}')
    const peer = agent({ url: server.url, credential: 'secret' })
    expect(await attempt(peer)).toMatchObject({ address: server.url, fault: false, said: 'is agent abc-S1' })
    const [asked] = server.requests
    expect([asked?.method, asked?.url, asked?.headers.authorization]).toEqual(['GET', '/state', 'token=secret'])
  })

  test.each<[rule: string, status: number, body: string, said: RegExp]>([
    ['refuses the credential', 401, '', /refused the credential \(401\)\. Check --auth-credential/],
    ['has no /state', 404, '', /status 404 instead of 200/],
    ['is another server', 200, '<html>', /no Mesos agent: expected JSON with an id/],
    ['says null', 200, 'null', /no Mesos agent/],
  ])('that %s', async (_rule, status, body, said) => {
    const { url } = await agentThat(status, body)
    expect(await attempt(agent({ url, credential: 'x' }))).toMatchObject({
      fault: true,
      said: expect.stringMatching(said),
    })
  })

  test('that takes the question and does not answer', async () => {
    const { address } = await listen()
    expect(await attempt(agent({ url: `http://${address}` }), 50)).toMatchObject({
      fault: true,
      said: expect.stringMatching(/did not answer .* within 50 ms/),
    })
  })

  test('is found by the command; its address is then shown', async () => {
    const server = await agentThat(200, '{"id": "S2"}')
    const port = Number(new URL(server.url).port)
    expect(await attempt(agent({ ipCommand: 'echo 127.0.0.1', port }))).toMatchObject({
      address: server.url,
      said: 'is agent S2',
    })
    expect(await attempt(agent({ ipCommand: '/no/such/command' }))).toMatchObject({
      address: '/no/such/command',
      fault: true,
      said: expect.stringContaining('--agent-ip-command'),
    })
  })

  test('is looked for on this machine where the command of DC/OS nodes is not there', async () => {
    const server = await agentThat(200, '{"id": "S3"}')
    const port = Number(new URL(server.url).port)
    const ipCommand = agentOptions['agent-ip-command'].default as string
    expect(await attempt(agent({ ipCommand, port }))).toMatchObject({ address: server.url, said: 'is agent S3' })
  })

  test('in an address the password is not shown', async () => {
    const url = `http://me:hush@${await closedAddress()}`
    expect(JSON.stringify(await attempt(agent({ url })))).not.toContain('hush')
  })
})

describe("a framework's brokers", () => {
  const framework: Peer = {
    kind: 'kafka_framework',
    role: 'Kafka framework',
    option: 'kafka-framework',
    framework: 'kafka',
  }
  const look = (lookUp: () => Promise<string[]>, timeoutMs = 2000) =>
    tryPeer(framework, { timeoutMs, signal: new AbortController().signal, version: '1.2.3', lookUp })

  test('are tried one by one, with the option that names the framework', async () => {
    const { address } = await listen()
    const closed = await closedAddress()
    expect(await look(async () => [address, closed])).toMatchObject([
      { role: 'Kafka framework', address: 'kafka', fault: false, said: 'has 2 brokers' },
      { role: 'Kafka broker', address, option: 'kafka-framework', fault: false },
      { role: 'Kafka broker', address: closed, option: 'kafka-framework', fault: true },
    ])
  })

  test.each<[rule: string, lookUp: () => Promise<string[]>, said: string]>([
    ['that cannot be looked up', () => Promise.reject(new Error('no SRV record')), 'no SRV record'],
    ['that nobody tells in time', () => new Promise(() => {}), 'no answer within 50 ms'],
  ])('%s', async (_rule, lookUp, said) => {
    expect(await look(lookUp, 50)).toMatchObject([
      { address: 'kafka', fault: true, said: expect.stringContaining(said) },
    ])
  })
})
