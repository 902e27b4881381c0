import { request } from 'node:http'
import { startAdmin } from '../../src/telemetry/admin.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { Readiness } from '../../src/telemetry/readiness.js'

const open: { close(): Promise<void> }[] = []
afterEach(() => Promise.all(open.splice(0).map((server) => server.close())))

async function start(over: { host?: string; token?: string } = {}) {
  const counters = new Counters()
  const ledger = new Ledger('collector')
  const readiness = new Readiness()
  const admin = await startAdmin({ host: '127.0.0.1', port: 0, counters, ledgers: [ledger], readiness, ...over })
  open.push(admin)
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    new Promise<{ status: number; body: string; type: string }>((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: admin.address.port, path, method, headers }, (response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body, type: response.headers['content-type'] ?? '' }),
        )
      })
      asked.on('error', reject).end()
    })
  return { admin, counters, ledger, readiness, get }
}

describe('startAdmin', () => {
  test("/metrics is Prometheus text with the ledger of every hop and the process's own figures", async () => {
    const { ledger, counters, get } = await start()
    ledger.received += 10
    ledger.forwarded += 7
    ledger.drop('malformed', 1)
    ledger.addHolder(() => 2)
    counters.add('admin.requests_refused', 3)
    const { status, body, type } = await get('/metrics')
    expect(status).toBe(200)
    expect(type).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(body.split('\n')).toEqual(
      expect.arrayContaining([
        'dcos_stats_hop_received_total{hop="collector"} 10',
        'dcos_stats_hop_forwarded_total{hop="collector"} 7',
        'dcos_stats_hop_dropped_total{hop="collector",reason="malformed"} 1',
        'dcos_stats_hop_held{hop="collector"} 2',
        'dcos_stats_admin_requests_refused_total 3',
      ]),
    )
    expect(body).toMatch(/^process_resident_memory_bytes \d+/m)
    const again = await get('/metrics')
    expect(again.body).toContain('dcos_stats_hop_received_total{hop="collector"} 10\n')
  })

  test('/ready says which part is not ready and why; /health only that the process lives', async () => {
    const { readiness, get } = await start()
    readiness.ready('listening')
    readiness.waiting('bus', 'no broker answers at 127.0.0.1:9092')
    const waiting = await get('/ready')
    expect(waiting.status).toBe(503)
    expect(JSON.parse(waiting.body)).toEqual({
      ready: false,
      checks: { listening: { ready: true }, bus: { ready: false, reason: 'no broker answers at 127.0.0.1:9092' } },
    })
    expect((await get('/health')).status).toBe(200)
    readiness.ready('bus')
    expect((await get('/ready')).status).toBe(200)
  })

  test("/ledger is every hop's account as JSON", async () => {
    const { ledger, get } = await start()
    ledger.received += 1
    ledger.drop('filtered', 1)
    expect(JSON.parse((await get('/ledger')).body)).toEqual([
      { hop: 'collector', received: 1, forwarded: 0, dropped: { filtered: 1 }, held: 0 },
    ])
  })

  test.each([
    ['a foreign Host is refused, so that no web page reaches it', '/metrics', { host: 'evil.example:80' }, 'GET', 403],
    ['so is one from a page of somebody else', '/metrics', { 'sec-fetch-site': 'cross-site' }, 'GET', 403],
    [
      "but not one that a person typed into a browser's address line",
      '/health',
      { 'sec-fetch-site': 'none' },
      'GET',
      200,
    ],
    ['localhost is a name of its own', '/health', { host: 'localhost:1' }, 'GET', 200],
    ['an unknown path', '/secret', {}, 'GET', 404],
    ['a path that any object has', '/toString', {}, 'GET', 404],
    ['a query changes nothing', '/health?x=1', {}, 'GET', 200],
    ['a request that would change something', '/health', {}, 'POST', 405],
  ])('%s', async (_rule, path, headers, method, status) => {
    const { get } = await start()
    expect((await get(path, headers as Record<string, string>, method)).status).toBe(status)
  })

  test('with a token only who knows it is answered', async () => {
    const { counters, get } = await start({ token: 'abc' })
    expect((await get('/metrics')).status).toBe(401)
    expect((await get('/metrics', { authorization: 'Bearer abd' })).status).toBe(401)
    expect((await get('/metrics', { authorization: 'Bearer abc' })).status).toBe(200)
    expect(counters.value('admin.requests_refused')).toBe(2)
  })

  test('where other machines reach it, by whatever name, the token alone lets in', async () => {
    const { get } = await start({ host: '0.0.0.0', token: 'abc' })
    const host = 'node-1.example:9100'
    expect((await get('/ledger', { host })).status).toBe(401)
    expect((await get('/ledger', { host, authorization: 'Bearer abc' })).status).toBe(200)
  })

  test('an address that cannot be bound is told with the option', async () => {
    const { admin } = await start()
    const taken = startAdmin({
      ...admin.address,
      counters: new Counters(),
      ledgers: [],
      readiness: new Readiness(),
    })
    await expect(taken).rejects.toMatchObject({
      code: 'DS_ADMIN_LISTEN',
      exitCode: 69,
      message: expect.stringMatching(/--admin-listen .* EADDRINUSE/),
    })
  })
})
