import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentAddress, agentUrl, createAgentQuery } from '../../src/agent/agent-address.js'
import type { AgentClient } from '../../src/agent/client.js'
import { Counters } from '../../src/telemetry/counters.js'

const never = new AbortController().signal
const node = process.execPath

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dcos-stats-'))
})
afterAll(() => rm(folder, { recursive: true }))

function address(parts: Partial<AgentAddress>): AgentAddress {
  return { ipCommand: 'false', port: 5051, ...parts }
}

/** A command that prints `output`, given as a file, since a command is split at blanks and knows no quotes. */
async function printing(output: string): Promise<string> {
  const file = join(folder, `print-${Buffer.from(output).toString('hex')}.cjs`)
  await writeFile(file, `process.stdout.write(${JSON.stringify(output)})`)
  return `${node}  ${file} `
}

test.each<[string, string, string]>([
  ['an address', '10.0.0.7', 'http://10.0.0.7:5051'],
  ['with a newline behind it', '10.0.0.7\n', 'http://10.0.0.7:5051'],
  ['an IPv6 address', 'fe80::1\n', 'http://[fe80::1]:5051'],
  ['a host name', 'agent-1.local', 'http://agent-1.local:5051'],
])('--agent-ip-command prints %s', async (_what, output, expected) => {
  const counters = new Counters()
  expect(await agentUrl(address({ ipCommand: await printing(output) }), counters)).toBe(expected)
  expect(counters.value('collector.agent_poll.ip_lookups')).toBe(1)
})

test.each<[string, string, string]>([
  ['a slash at the end is left out', 'http://10.0.0.1:5051/', 'http://10.0.0.1:5051'],
  ['a path stays', 'https://proxy/agent/', 'https://proxy/agent'],
])('--agent-url: %s', async (_rule, url, expected) => {
  expect(await agentUrl(address({ url }), new Counters())).toBe(expected)
})

test.each([
  '10.0.0.1:5051',
  'ftp://10.0.0.1',
  'agent',
  'http://a?b',
  'http://a#b',
])('--agent-url %s is wrong configuration', async (url) => {
  await expect(agentUrl(address({ url }), new Counters())).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringContaining('--agent-url'),
  })
})

test.each<[string, () => Promise<string>, number, Partial<Record<'failures' | 'empties', number>>]>([
  ['is not there', async () => '/no/such/detect_ip', 78, { failures: 1 }],
  ['is empty', async () => '  ', 78, {}],
  ['fails', async () => `${node} --no-such-flag`, 69, { failures: 1 }],
  ['prints nothing', () => printing(' \n'), 69, { empties: 1 }],
  ['prints no address', () => printing('eth0: 10.0.0.1'), 69, { failures: 1 }],
  ['prints two lines', () => printing('10.0.0.1\n10.0.0.2\n'), 69, { failures: 1 }],
])('an --agent-ip-command that %s ends the process', async (_what, command, exitCode, counted) => {
  const counters = new Counters()
  const ipCommand = await command()
  await expect(agentUrl(address({ ipCommand }), counters)).rejects.toMatchObject({
    code: 'DS_AGENT_IP',
    exitCode,
    message: expect.stringMatching(/--agent-ip-command.*--agent-url.*--agent-polling=false/),
  })
  expect(counters.value('collector.agent_poll.ip_lookup_failures')).toBe(counted.failures ?? 0)
  expect(counters.value('collector.agent_poll.ip_lookup_empties')).toBe(counted.empties ?? 0)
})

test('the command is run without a shell', async () => {
  const made = join(folder, 'made-by-a-shell')
  const ipCommand = `${await printing('10.0.0.1')}; touch ${made}`
  expect(await agentUrl(address({ ipCommand }), new Counters())).toBe('http://10.0.0.1:5051')
  await expect(access(made)).rejects.toMatchObject({ code: 'ENOENT' })
})

describe('createAgentQuery', () => {
  const asked: string[] = []
  const client: AgentClient = {
    async get(url) {
      asked.push(url)
      return new Uint8Array(Buffer.from('{}'))
    },
  }
  beforeEach(() => asked.splice(0))

  test('asks for the address once, and the three paths there', async () => {
    const counters = new Counters()
    const query = createAgentQuery({ address: address({ ipCommand: await printing('10.0.0.1') }), client, counters })
    for (const endpoint of ['state', 'snapshot', 'containers', 'state'] as const) await query(endpoint, never)
    expect(asked).toEqual(
      ['state', 'metrics/snapshot', 'containers', 'state'].map((path) => `http://10.0.0.1:5051/${path}`),
    )
    expect(counters.value('collector.agent_poll.ip_lookups')).toBe(1)
  })

  test('reads test files in place of replies, and needs no address where all three are given', async () => {
    const file = join(folder, 'reply.json')
    await writeFile(file, '{"from": "file"}')
    const testFiles = { state: file, snapshot: file, containers: file }
    const query = createAgentQuery({ address: address({ testFiles }), client, counters: new Counters() })
    for (const endpoint of ['state', 'snapshot', 'containers'] as const) {
      expect(Buffer.from(await query(endpoint, never)).toString()).toBe('{"from": "file"}')
    }
    expect(asked).toEqual([])
  })

  test('asks the agent for what has no test file', async () => {
    const testFiles = { state: '', snapshot: undefined, containers: join(folder, 'missing.json') }
    const url = 'http://127.0.0.1:5051'
    const query = createAgentQuery({ address: address({ url, testFiles }), client, counters: new Counters() })
    await query('state', never)
    await query('snapshot', never)
    expect(asked).toEqual([`${url}/state`, `${url}/metrics/snapshot`])
    await expect(query('containers', never)).rejects.toMatchObject({ code: 'DS_AGENT_FILE', exitCode: undefined })
  })
})

test('a default command that is not there means a plain agent on this machine, and that is told once', async () => {
  let told = 0
  const missing = address({ ipCommand: join(folder, 'no-such-detect_ip'), onNoIpCommand: () => told++ })
  expect(await agentUrl(missing, new Counters())).toBe('http://127.0.0.1:5051')
  expect(told).toBe(1)
})

test('a default command that is there is run', async () => {
  const file = join(folder, 'detect_ip')
  await writeFile(file, '#!/bin/sh\necho 10.0.0.9\n', { mode: 0o755 })
  const unexpected = () => expect('not').toBe('called')
  expect(await agentUrl(address({ ipCommand: file, onNoIpCommand: unexpected }), new Counters())).toBe(
    'http://10.0.0.9:5051',
  )
})
