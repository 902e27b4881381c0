import { createServer, type Socket } from 'node:net'
import { type AdminServer, startAdmin } from '../../src/telemetry/admin.js'
import { createAdminClient } from '../../src/telemetry/admin-client.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { Readiness } from '../../src/telemetry/readiness.js'
import { startJsonServer } from '../support/json-server.js'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function serve(ledgers: readonly Ledger[], token?: string): Promise<AdminServer> {
  const admin = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    ...(token !== undefined && { token }),
    counters: new Counters(),
    ledgers,
    readiness: new Readiness(),
  })
  open.push(admin)
  return admin
}

const signal = new AbortController().signal

function ask(port: number, { token, timeoutMs = 2000 }: { token?: string; timeoutMs?: number } = {}) {
  return createAdminClient({ address: { host: '127.0.0.1', port }, token, timeoutMs })
}

test('reads the ledgers of a daemon, with the group of a consumer', async () => {
  const ledger = new Ledger('consume', 'metrics-consumer-stdout')
  ledger.received += 5
  ledger.drop('filtered', 2)
  ledger.addHolder(() => 3)
  ledger.repeated += 2
  ledger.polled += 1
  const { address } = await serve([ledger])
  const client = ask(address.port)
  expect(client.address).toBe(`127.0.0.1:${address.port}`)
  expect(await client.ledgers(signal)).toEqual([
    {
      hop: 'consume',
      group: 'metrics-consumer-stdout',
      received: 5,
      forwarded: 0,
      dropped: { filtered: 2 },
      held: 3,
      repeated: 2,
      polled: 1,
    },
  ])
})

test('knows when the process began', async () => {
  const { address } = await serve([])
  const startMs = Date.now() - process.uptime() * 1000
  const told = await ask(address.port).startedAtMs(signal)
  expect(Math.abs((told ?? 0) - startMs)).toBeLessThan(2000)
})

test('a reason that only a newer daemon has is read as well', async () => {
  const server = await startJsonServer((_request, response) =>
    response.end('[{"hop":"x","received":1,"forwarded":0,"dropped":{"eaten":1},"held":0,"more":true}]'),
  )
  open.push(server)
  const [ledger] = await ask(Number(new URL(server.url).port)).ledgers(signal)
  expect(ledger?.dropped).toEqual({ eaten: 1 })
})

test.each<[rule: string, token: string | undefined, message: RegExp]>([
  ['a token that is wanted', undefined, /wants a token: give --admin-token-file/],
  ['a token that is wrong', 'abd', /refused the token: check --admin-token-file/],
])('%s', async (_rule, token, message) => {
  const { address } = await serve([], 'abc')
  const asked = ask(address.port, token === undefined ? {} : { token }).ledgers(signal)
  await expect(asked).rejects.toMatchObject({
    code: 'DS_ADMIN_AWAY',
    exitCode: 69,
    message: expect.stringMatching(message),
  })
  expect(await ask(address.port, { token: 'abc' }).ledgers(signal)).toEqual([])
})

test.each<[rule: string, status: number, body: string, message: RegExp]>([
  ['no page of this name', 404, 'nothing', /answered \/ledger with status 404 instead of 200/],
  ['another name for itself', 403, '', /refused this name for itself/],
  ['another kind of server', 200, '<html></html>', /seems not to be a daemon of dcos-stats/],
  ['another kind of JSON', 200, '{"status":"ok"}', /seems not to be a daemon of dcos-stats/],
])('%s', async (_rule, status, body, message) => {
  const server = await startJsonServer((_request, response) => response.writeHead(status).end(body))
  open.push(server)
  const asked = ask(Number(new URL(server.url).port)).ledgers(signal)
  await expect(asked).rejects.toMatchObject({ exitCode: 69, message: expect.stringMatching(message) })
})

describe('a daemon that is not there', () => {
  async function listen(onConnection: (socket: Socket) => void): Promise<number> {
    const server = createServer((socket) => onConnection(socket.on('error', () => {})))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    open.push(server)
    return (server.address() as { port: number }).port
  }

  test.each<[rule: string, onConnection: (socket: Socket) => void, message: RegExp]>([
    ['takes the question and is silent', () => {}, /does not answer \(no answer within 300 ms\)/],
    ['hangs up', (socket) => socket.destroy(), /does not answer \(.*(hang up|ECONNRESET)/],
    [
      'breaks off in its answer',
      (socket) => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[')),
      /broke off \(.*aborted\)/,
    ],
  ])('%s', async (_rule, onConnection, message) => {
    const port = await listen(onConnection)
    const asked = ask(port, { timeoutMs: 300 }).ledgers(signal)
    await expect(asked).rejects.toMatchObject({ exitCode: 69, message: expect.stringMatching(message) })
  })

  test('refuses the connection', async () => {
    const { address, close } = await serve([])
    await close()
    const asked = ask(address.port).ledgers(signal)
    await expect(asked).rejects.toMatchObject({
      exitCode: 69,
      message: expect.stringMatching(/--admin .*ECONNREFUSED/),
    })
  })

  test('is not waited for when the process is to end', async () => {
    const port = await listen(() => {})
    const stop = new AbortController()
    const asked = ask(port, { timeoutMs: 60_000 }).ledgers(stop.signal)
    stop.abort()
    await expect(asked).rejects.toMatchObject({ code: 'DS_ADMIN_AWAY' })
  })
})
