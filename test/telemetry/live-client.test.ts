import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { LiveState } from '../../src/model/live.js'
import { systemClock } from '../../src/platform/clock.js'
import { startAdmin } from '../../src/telemetry/admin.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { Live } from '../../src/telemetry/live.js'
import { followLive } from '../../src/telemetry/live-client.js'
import { Readiness } from '../../src/telemetry/readiness.js'

const query = { search: '', sort: 'rate', limit: 5 } as const
const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function daemon(token?: string) {
  const ledgers = [new Ledger('collector')]
  const readiness = new Readiness()
  const live = new Live({ role: 'collector', version: '1', clock: systemClock, ledgers, readiness })
  const tokens = token === undefined ? {} : { token }
  const admin = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    counters: new Counters(),
    ledgers,
    readiness,
    live,
    ...tokens,
  })
  open.push(admin)
  return { admin, live, ledger: ledgers[0]! }
}

/** A server that says this to everything, and then stays silent or ends. */
function serverThatSays(text: string, ends: boolean): Promise<{ host: string; port: number }> {
  const server: Server = createServer((_request, response) => {
    response.write(text)
    if (ends) response.end()
  })
  open.push({
    close() {
      server.closeAllConnections()
      server.close()
    },
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }))
  })
}

async function first(address: { host: string; port: number }, token?: string, timeoutMs = 5000): Promise<LiveState> {
  for await (const state of followLive({ address, token, timeoutMs }, query, new AbortController().signal)) return state
  throw new Error('no state came')
}

test('states of a daemon, until the signal; then it is not watched any more', async () => {
  const { admin, live, ledger } = await daemon()
  ledger.received = 3
  const stop = new AbortController()
  const seen: number[] = []
  const options = { address: admin.address, timeoutMs: 5000 }
  for await (const { hops } of followLive(options, query, stop.signal)) {
    seen.push(hops[0]?.received ?? -1)
    if (seen.length === 2) stop.abort()
  }
  expect(seen).toEqual([3, 3])
  while (live.watchers > 0) await new Promise((resolve) => setImmediate(resolve))
}, 15_000)

test('the token is sent', async () => {
  const { admin } = await daemon('abc')
  expect(await first(admin.address, 'abc')).toMatchObject({ role: 'collector' })
})

test.each<[rule: string, says: () => Promise<unknown>, message: RegExp]>([
  ['a token that is missing', async () => first((await daemon('abc')).admin.address), /give --admin-token-file/],
  ['a wrong token', async () => first((await daemon('abc')).admin.address, 'x'), /check --admin-token-file/],
  ['nobody there', () => first({ host: '127.0.0.1', port: 1 }), /does not answer \(.*ECONNREFUSED/],
  ['an end', async () => first(await serverThatSays('', true)), /ended its events/],
  [
    'something else',
    async () => first(await serverThatSays('event: live\ndata: {"a":1}\n\n', false)),
    /seems not to be a daemon/,
  ],
  ['silence', async () => first(await serverThatSays('event: ', false), undefined, 100), /nothing came for 100 ms/],
])('%s is told with what to do (exit 69)', async (_rule, says, message) => {
  await expect(says()).rejects.toMatchObject({
    code: 'DS_ADMIN_AWAY',
    exitCode: 69,
    message: expect.stringMatching(message),
  })
})
