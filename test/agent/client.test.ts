import { gzipSync } from 'node:zlib'
import { createAgentClient } from '../../src/agent/client.js'
import { type JsonServer, startJsonServer } from '../support/json-server.js'

const userAgent = 'dcos-stats/1.2.3'
const never = new AbortController().signal

let servers: JsonServer[] = []
afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()))
  servers = []
})

async function serve(answer: Parameters<typeof startJsonServer>[0]): Promise<JsonServer> {
  const server = await startJsonServer(answer)
  servers.push(server)
  return server
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

test('asks with GET, its name, and without a credential unless there is one', async () => {
  const server = await serve((_request, response) => response.end('{}'))
  expect(text(await createAgentClient({ userAgent }).get(`${server.url}/state`, never))).toBe('{}')
  const [request] = server.requests
  expect([request?.method, request?.url]).toEqual(['GET', '/state'])
  expect(request?.headers).toMatchObject({
    'user-agent': userAgent,
    'accept-encoding': expect.stringContaining('gzip'),
  })
  expect(request?.headers.authorization).toBeUndefined()
})

test('gives the credential as token', async () => {
  const server = await serve((_request, response) => response.end('{}'))
  await createAgentClient({ userAgent, credential: 'abc' }).get(`${server.url}/state`, never)
  expect(server.requests[0]?.headers.authorization).toBe('token=abc')
})

test('unpacks gzip', async () => {
  const server = await serve((_request, response) => {
    response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('{"id":"a"}'))
  })
  expect(text(await createAgentClient({ userAgent }).get(server.url, never))).toBe('{"id":"a"}')
})

test.each([
  ['wrong', 'refused the credential'],
  [undefined, 'wants a credential'],
])('401 with the credential %s ends the process with 69 and names the option', async (credential, words) => {
  const server = await serve((_request, response) => response.writeHead(401).end('no'))
  await expect(createAgentClient({ userAgent, credential }).get(server.url, never)).rejects.toMatchObject({
    code: 'DS_AGENT_AUTH',
    exitCode: 69,
    message: expect.stringMatching(new RegExp(`${words}.*--auth-credential`)),
  })
})

test.each([403, 404, 500, 503])('status %i is a failure that may pass', async (status) => {
  const server = await serve((_request, response) => response.writeHead(status).end('{}'))
  await expect(createAgentClient({ userAgent }).get(server.url, never)).rejects.toMatchObject({
    code: 'DS_AGENT_STATUS',
    exitCode: undefined,
    message: expect.stringContaining(String(status)),
  })
})

test.each([
  ['before its headers', false],
  ['within its body', true],
])('an agent that hangs %s is given up after the timeout', async (_where, begins) => {
  const server = await serve((_request, response) => {
    if (begins) response.writeHead(200).write('{"id"')
  })
  await expect(createAgentClient({ userAgent, timeoutMs: 50 }).get(server.url, never)).rejects.toMatchObject({
    code: 'DS_AGENT_TIMEOUT',
    exitCode: undefined,
    message: expect.stringContaining('50 ms'),
  })
})

test('a closed port is a failure that may pass', async () => {
  const server = await startJsonServer((_request, response) => response.end())
  await server.close()
  await expect(createAgentClient({ userAgent }).get(server.url, never)).rejects.toMatchObject({
    code: 'DS_AGENT_AWAY',
    exitCode: undefined,
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

test('a reply that breaks off is a failure', async () => {
  const server = await serve((_request, response) => {
    response.writeHead(200, { 'Content-Length': '1000' }).write('{"id":')
    setImmediate(() => response.destroy())
  })
  await expect(createAgentClient({ userAgent }).get(server.url, never)).rejects.toMatchObject({ code: 'DS_AGENT_AWAY' })
})

test.each([
  ['plain', (body: Buffer) => body, {}],
  ['packed', (body: Buffer) => gzipSync(body), { 'Content-Encoding': 'gzip' }],
])('a %s reply above the limit is not read to its end', async (_kind, pack, headers) => {
  const server = await serve((_request, response) => {
    response.writeHead(200, headers).end(pack(Buffer.alloc(1_000_000, ' ')))
  })
  const client = createAgentClient({ userAgent, maxReplyBytes: 100_000 })
  await expect(client.get(server.url, never)).rejects.toMatchObject({ code: 'DS_AGENT_TOO_LARGE' })
})

test('a redirect within the agent is followed', async () => {
  const server = await serve((request, response) => {
    if (request.url === '/state') response.writeHead(307, { Location: '/slave(1)/state' }).end()
    else response.end('{"id":"a"}')
  })
  expect(text(await createAgentClient({ userAgent }).get(`${server.url}/state`, never))).toBe('{"id":"a"}')
})

test('a redirect to another host is not followed, so the credential stays here', async () => {
  const foreign = await serve((_request, response) => response.end('{}'))
  const server = await serve((_request, response) => response.writeHead(302, { Location: foreign.url }).end())
  await expect(createAgentClient({ userAgent, credential: 'abc' }).get(server.url, never)).rejects.toMatchObject({
    code: 'DS_AGENT_REDIRECT',
  })
  expect(foreign.requests).toHaveLength(0)
})

test('redirects in a circle end', async () => {
  const server = await serve((_request, response) => response.writeHead(302, { Location: '/state' }).end())
  await expect(createAgentClient({ userAgent }).get(server.url, never)).rejects.toMatchObject({
    code: 'DS_AGENT_STATUS',
  })
})

test('an abort ends the question', async () => {
  const end = new AbortController()
  const server = await serve(() => end.abort())
  await expect(createAgentClient({ userAgent }).get(server.url, end.signal)).rejects.toMatchObject({
    code: 'DS_AGENT_AWAY',
  })
  await expect(createAgentClient({ userAgent }).get(server.url, end.signal)).rejects.toMatchObject({
    code: 'DS_AGENT_AWAY',
  })
  expect(server.requests).toHaveLength(1)
})
