import { once } from 'node:events'
import { chmod, lstat, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIsolatorApi, type IsolatorApi } from '../../src/containers/isolator-api.js'
import type { PortMode } from '../../src/containers/ports.js'
import { createRegistry } from '../../src/containers/registry.js'
import { createStateDir } from '../../src/containers/state-dir.js'
import type { ListenAddress } from '../../src/options/address.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createUdpEndpoints } from '../support/udp-endpoint.js'

const closers: (() => Promise<unknown>)[] = []
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dcos-stats-isolator-'))
})

afterEach(async () => {
  dropClients()
  for (const close of closers.splice(0).reverse()) await close()
  await rm(folder, { recursive: true, force: true })
})

const onTcp: ListenAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 }
const onUnix = (): ListenAddress => ({ kind: 'unix', path: join(folder, 'isolator.sock') })

async function serve(
  listen: ListenAddress,
  options: { portMode?: PortMode; replaceLive?: boolean; requestTimeoutMs?: number } = {},
) {
  const endpoints = createUdpEndpoints()
  const counters = new Counters()
  const registry = createRegistry({
    portMode: options.portMode ?? { mode: 'ephemeral' },
    openSocket: endpoints.openSocket,
    stateDir: createStateDir({ path: join(folder, 'state'), log: silentLog, counters }),
    log: silentLog,
    counters,
  })
  const { portMode: _, ...apiOptions } = options
  const api = await createIsolatorApi({ listen, registry, log: silentLog, counters, ...apiOptions })
  closers.push(() => registry.close())
  closers.push(() => api.close())
  return { api, endpoints, registry, counters }
}

/** Half open: what the server closes stays open here, as with the Mesos module. */
const clients: Socket[] = []

function dial({ address }: IsolatorApi): Socket {
  const where = address.kind === 'unix' ? { path: address.path } : { port: address.port, host: address.host }
  const socket = connect({ ...where, allowHalfOpen: true })
  clients.push(socket)
  return socket
}

function dropClients(): void {
  for (const socket of clients.splice(0)) socket.destroy()
}

/** Sends bytes as they are and reads until the server closes, as the Mesos module does; it never closes by itself. */
async function raw(api: IsolatorApi, bytes: string | Buffer): Promise<{ status: string; head: string; body: string }> {
  const socket = dial(api)
  const parts: Buffer[] = []
  socket.on('data', (part: Buffer) => parts.push(part))
  socket.write(bytes)
  await once(socket, 'end')
  const [head = '', body = ''] = Buffer.concat(parts).toString().split('\r\n\r\n')
  return { status: head.split('\r\n')[0] ?? '', head, body }
}

/** A socket that has been destroyed is gone a turn or two of the event loop later. */
async function noConnection(api: IsolatorApi): Promise<void> {
  for (let turn = 0; turn < 10 && api.connections() > 0; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(api.connections()).toBe(0)
}

function post(containerId: string, host = '127.0.0.1:18124'): string {
  const body = JSON.stringify({ container_id: containerId })
  return (
    `POST /container HTTP/1.1\r\nContent-Length: ${Buffer.byteLength(body)}\r\nHost: ${host}\r\n` +
    `Accept: application/json\r\nContent-Type: application/json\r\n\r\n${body}`
  )
}

function del(path: string, host = '127.0.0.1:18124'): string {
  return (
    `DELETE ${path} HTTP/1.1\r\nContent-Length: 0\r\nHost: ${host}\r\n` +
    'Accept: application/json\r\nContent-Type: application/json\r\n\r\n'
  )
}

// The very bytes that the module was seen to send.
const seen = {
  tcp: {
    id: '165d9386-f7d9-4f55-b851-4d50087f7699',
    post: 'POST /container HTTP/1.1\r\nContent-Length: 55\r\nHost: 127.0.0.1:18124\r\nAccept: application/json\r\nContent-Type: application/json\r\n\r\n{"container_id":"165d9386-f7d9-4f55-b851-4d50087f7699"}',
    del: 'DELETE /container/165d9386-f7d9-4f55-b851-4d50087f7699 HTTP/1.1\r\nContent-Length: 0\r\nHost: 127.0.0.1:18124\r\nAccept: application/json\r\nContent-Type: application/json\r\n\r\n',
  },
  unix: {
    id: '245fc173-919e-4a47-bb8c-593224ade555',
    post: 'POST /container HTTP/1.1\r\nContent-Length: 55\r\nHost: \r\nAccept: application/json\r\nContent-Type: application/json\r\n\r\n{"container_id":"245fc173-919e-4a47-bb8c-593224ade555"}',
    del: 'DELETE /container/245fc173-919e-4a47-bb8c-593224ade555 HTTP/1.1\r\nContent-Length: 0\r\nHost: \r\nAccept: application/json\r\nContent-Type: application/json\r\n\r\n',
  },
}

describe.each(['tcp', 'unix'] as const)('the Mesos module over %s, byte for byte', (kind) => {
  const start = () => serve(kind === 'tcp' ? onTcp : onUnix())

  test('is told the endpoint, the same one again, and its DELETE is accepted; the server closes each time', async () => {
    const { api, endpoints } = await start()
    const first = await raw(api, seen[kind].post)
    expect(first.status).toBe('HTTP/1.1 201 Created')
    expect(first.head).toMatch(/\r\nConnection: close/i)
    expect(first.head).toMatch(/\r\nContent-Type: application\/json/i)
    const port = endpoints.sockets[0]!.port
    expect(first.body).toBe(`{"container_id":"${seen[kind].id}","statsd_host":"127.0.0.1","statsd_port":${port}}`)
    expect(await raw(api, seen[kind].post)).toMatchObject({ status: first.status, body: first.body })

    const ended = await raw(api, seen[kind].del)
    expect(ended).toMatchObject({ status: 'HTTP/1.1 202 Accepted', body: '' })
    expect(ended.head).toMatch(/\r\nContent-Length: 0/i)
    expect(endpoints.open()).toEqual([])
  })

  test('may split its request anywhere', async () => {
    const { api } = await start()
    const socket = dial(api)
    socket.setNoDelay(true)
    let answer = ''
    socket.on('data', (part) => {
      answer += part
    })
    const ended = once(socket, 'end')
    for (const byte of seen[kind].post) {
      socket.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await ended
    expect(answer).toMatch(/^HTTP\/1.1 201 Created\r\n/)
  })

  test('ends a container that nobody knows', async () => {
    const { api } = await start()
    expect((await raw(api, seen[kind].del)).status).toBe('HTTP/1.1 202 Accepted')
  })
})

test.each([
  ['a nested id with slashes', 'outer/nested/inner'],
  ['a percent sign is not decoded', 'a%2Fb%20c%'],
  ['a question mark and a hash are part of it', 'a?b=c#d'],
  ['double slashes and dots are not resolved', '//a/../b/.'],
])('the id in the DELETE path stands as it is: %s', async (_rule, id) => {
  const { api, endpoints } = await serve(onTcp)
  expect((await raw(api, post(id))).status).toBe('HTTP/1.1 201 Created')
  expect((await raw(api, post('other'))).status).toBe('HTTP/1.1 201 Created')
  expect((await raw(api, del(`/container/${id}`))).status).toBe('HTTP/1.1 202 Accepted')
  expect(endpoints.sockets.map(({ closed }) => closed)).toEqual([true, false])
})

test('a depleted port range is 204 without a body', async () => {
  const probe = await createUdpEndpoints().openSocket({ port: 0, owner: { status: 'unknown' } })
  await probe.close()
  const { api } = await serve(onTcp, { portMode: { mode: 'range', startPort: probe.port, endPort: probe.port } })
  expect((await raw(api, post('one'))).status).toBe('HTTP/1.1 201 Created')
  const answer = await raw(api, post('two'))
  expect(answer).toMatchObject({ status: 'HTTP/1.1 204 No Content', body: '' })
  expect(answer.head).not.toMatch(/content-length/i)
})

const jsonPost = (body: string) =>
  `POST /container HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

test.each([
  ['a body that is not JSON', jsonPost('{"container_id":'), '400 Bad Request', 'not JSON'],
  ['no body', jsonPost(''), '400 Bad Request', 'not JSON'],
  ['no id', jsonPost('{}'), '400 Bad Request', 'container_id'],
  ['null', jsonPost('null'), '400 Bad Request', 'container_id'],
  ['an id that is no string', jsonPost('{"container_id":7}'), '400 Bad Request', 'container_id'],
  ['an empty id', jsonPost('{"container_id":""}'), '400 Bad Request', 'container_id'],
  [
    'an id that would leave the folder',
    jsonPost('{"container_id":".."}'),
    '400 Bad Request',
    'cannot be a container id',
  ],
  ['an id with NUL', jsonPost('{"container_id":"a\\u0000b"}'), '400 Bad Request', 'cannot be a container id'],
  ['an id that is too long', jsonPost(`{"container_id":"${'x'.repeat(300)}"}`), '400 Bad Request', 'cannot be'],
  ['a DELETE without id', del('/container/'), '400 Bad Request', 'no id'],
  ['a body over the limit', jsonPost('x'.repeat(70_000)), '413 Payload Too Large', '65536'],
  ['a body far over the limit', jsonPost('x'.repeat(1_000_000)), '413 Payload Too Large', '65536'],
  ['another path', del('/containers/x'), '404 Not Found', 'POST /container'],
  ['another method', 'GET /container HTTP/1.1\r\nHost: localhost\r\n\r\n', '405 Method Not Allowed', 'POST'],
  ['GET of one', 'GET /container/x HTTP/1.1\r\nHost: localhost\r\n\r\n', '405 Method Not Allowed', 'DELETE'],
  ['a name of a web page (DNS rebinding)', post('x', 'evil.example:8127'), '403 Forbidden', 'evil.example'],
  ['an Origin', post('x').replace('Accept:', 'Origin: http://localhost\r\nAccept:'), '403 Forbidden', 'Origin'],
])('refused with a reason: %s', async (_what, bytes, status, reason) => {
  const { api, endpoints } = await serve(onTcp)
  const answer = await raw(api, bytes)
  expect(answer.status).toBe(`HTTP/1.1 ${status}`)
  expect(JSON.parse(answer.body).error).toContain(reason)
  expect(endpoints.sockets).toEqual([])
})

test.each([
  ['localhost', 'localhost:8127'],
  ['loopback address', '127.0.0.1'],
  ['IPv6 loopback', '[::1]:8127'],
  ['empty', ''],
])('a Host of this node is taken: %s', async (_what, host) => {
  const { api } = await serve(onTcp)
  expect((await raw(api, post('x', host))).status).toBe('HTTP/1.1 201 Created')
})

test('a well-behaved client with node:http over the unix socket', async () => {
  const { api } = await serve(onUnix())
  const socketPath = api.address.kind === 'unix' ? api.address.path : ''
  const sent = request({ socketPath, method: 'DELETE', path: '/container/x' }).end()
  const [response] = await once(sent, 'response')
  expect(response.statusCode).toBe(202)
  response.resume()
  await once(response, 'close')
})

test('1,000 containers at once are registered within 5 s, and each receives', async () => {
  const { api, endpoints } = await serve(onTcp)
  const ids = Array.from({ length: 1000 }, (_, index) => `container-${index}`)
  const startedMs = performance.now()
  const answers = await Promise.all(ids.map((id) => raw(api, post(id))))
  expect(performance.now() - startedMs).toBeLessThan(5000)
  const told = new Map(answers.map(({ body }) => JSON.parse(body)).map((end) => [end.statsd_port, end.container_id]))
  expect(told.size).toBe(1000)

  const sender = await createUdpEndpoints().openSocket({ port: 0, owner: { status: 'unknown' } })
  const { createSocket } = await import('node:dgram')
  const socket = createSocket('udp4')
  const arrived = endpoints.sockets.map((endpoint) => endpoint.nextPacket())
  for (const [port, id] of told) socket.send(`hits.${id}:1|c`, port, '127.0.0.1')
  await Promise.all(arrived)
  expect(endpoints.sockets.every(({ port, packets }) => packets[0] === `hits.${told.get(port)}:1|c`)).toBe(true)
  socket.close()
  await sender.close()
})

test('10,000 requests of a client that never closes leave no connection behind', async () => {
  const { api, endpoints } = await serve(onTcp)
  let requests = 0
  for (let round = 0; round < 100; round += 1) {
    const ids = Array.from({ length: 50 }, (_, index) => `container-${index}`)
    await Promise.all(
      ids.map(async (id) => {
        expect((await raw(api, post(id))).status).toBe('HTTP/1.1 201 Created')
        expect((await raw(api, del(`/container/${id}`))).status).toBe('HTTP/1.1 202 Accepted')
        requests += 2
      }),
    )
    // Every client socket is still open here; the server has none left.
    await noConnection(api)
    dropClients()
  }
  expect(requests).toBe(10_000)
  expect(endpoints.open()).toEqual([])
}, 120_000)

test('a connection that says nothing, or never ends its request, is closed', async () => {
  const { api } = await serve(onTcp, { requestTimeoutMs: 100 })
  const silent = dial(api)
  const endless = dial(api)
  endless.write(post('x').slice(0, -1))
  await Promise.all([once(silent.resume(), 'end'), once(endless.resume(), 'end')])
  await noConnection(api)
})

test('the end does not wait for a client that says nothing', async () => {
  const { api } = await serve(onTcp)
  const silent = dial(api)
  await once(silent, 'connect')
  const startedMs = performance.now()
  await api.close()
  expect(performance.now() - startedMs).toBeLessThan(5000)
})

describe('unix socket file', () => {
  test('has the mode asked for', async () => {
    const { api } = await serve(onUnix())
    expect((await stat((api.address as { path: string }).path)).mode & 0o777).toBe(0o660)
  })

  test('a stale one is replaced', async () => {
    const listen = onUnix() as { kind: 'unix'; path: string }
    await leaveStaleSocket(listen.path)
    const { api } = await serve(listen)
    expect((await raw(api, seen.unix.post)).status).toBe('HTTP/1.1 201 Created')
  })

  test('a live one is refused, and goes on', async () => {
    const { api } = await serve(onUnix())
    await expect(serve(onUnix())).rejects.toMatchObject({
      code: 'DS_ISOLATOR_LISTEN',
      exitCode: 69,
      message: expect.stringMatching(/--isolator-listen unix:.*another process serves it/),
    })
    expect((await raw(api, seen.unix.post)).status).toBe('HTTP/1.1 201 Created')
  })

  test('a file that is no socket is refused, and stays', async () => {
    const { path } = onUnix() as { path: string }
    await writeFile(path, 'precious')
    await expect(serve(onUnix())).rejects.toMatchObject({ exitCode: 69, message: expect.stringContaining('no socket') })
    expect((await lstat(path)).size).toBe(8)
  })

  test('a folder that is not there is named', async () => {
    const missing: ListenAddress = { kind: 'unix', path: join(folder, 'missing', 'a.sock') }
    await expect(serve(missing)).rejects.toMatchObject({ exitCode: 69, message: expect.stringContaining('missing') })
  })

  test('is removed at the end, but not when a successor has taken its place', async () => {
    const former = await serve(onUnix())
    const successor = await serve(onUnix(), { replaceLive: true })
    await former.api.close()
    expect((await raw(successor.api, seen.unix.post)).status).toBe('HTTP/1.1 201 Created')
    await successor.api.close()
    await expect(lstat((onUnix() as { path: string }).path)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('a port that is taken is refused with the name of the option', async () => {
  const { api } = await serve(onTcp)
  await expect(serve(api.address)).rejects.toMatchObject({
    exitCode: 69,
    message: expect.stringMatching(/--isolator-listen 127.0.0.1:\d+ cannot be used: the port is taken/),
  })
})

/** What a killed process leaves: a socket file that nobody serves. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer()
  server.listen(`${path}.former`)
  await once(server, 'listening')
  const { rename } = await import('node:fs/promises')
  await rename(`${path}.former`, path)
  server.close()
  await once(server, 'close')
  await chmod(path, 0o600)
  expect((await lstat(path)).isSocket()).toBe(true)
}
