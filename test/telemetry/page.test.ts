import { readdirSync, readFileSync } from 'node:fs'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import type { LiveHistory, LiveState } from '../../src/model/live.js'
import { systemClock } from '../../src/platform/clock.js'
import { startAdmin } from '../../src/telemetry/admin.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'
import { Live } from '../../src/telemetry/live.js'
import { Readiness } from '../../src/telemetry/readiness.js'

const web = new URL('../../web/', import.meta.url)
const open: { close(): Promise<void> }[] = []
afterEach(() => Promise.all(open.splice(0).map((server) => server.close())))

async function start(over: { token?: string } = {}) {
  const ledger = new Ledger('collector')
  const ledgers = [ledger]
  const readiness = new Readiness()
  const live = new Live({ role: 'collector', version: '1.2.3', clock: systemClock, ledgers, readiness })
  const counters = new Counters()
  const admin = await startAdmin({ host: '127.0.0.1', port: 0, counters, ledgers, readiness, live, ...over })
  open.push(admin)
  return { admin, ledger, live, ask: asking(admin.address) }
}

/** Asks without reading: what comes may have no end. */
function asking(address: { host: string; port: number }) {
  return (path: string, headers: IncomingHttpHeaders = {}, method = 'GET') =>
    new Promise<IncomingMessage>((resolve, reject) => {
      request({ ...address, path, method, headers }, resolve)
        .on('error', reject)
        .end()
    })
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  return body
}

/** Events as they come. */
async function* eventsOf(response: IncomingMessage): AsyncGenerator<{ name: string; data: unknown }> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    const events = text.split('\n\n')
    text = events.pop() ?? ''
    for (const event of events) {
      const [, name = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(event) ?? []
      yield { name, data: JSON.parse(data) }
    }
  }
}

describe('the page', () => {
  test('/ is a page that loads nothing from elsewhere, runs no script of its own text, and shows in no frame', async () => {
    const { ask } = await start()
    const page = await ask('/')
    expect(page.statusCode).toBe(200)
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringMatching(
        /^default-src 'none'; script-src 'self'.*frame-ancestors 'none'$/,
      ),
    })
    const html = await bodyOf(page)
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|<style/)
    expect(html).toContain('<title>dcos-stats</title>')
  })

  test('every file of the page is served, with the type that a browser insists on, and no other file is', async () => {
    const { ask } = await start()
    const types: Record<string, string> = {
      html: 'text/html',
      css: 'text/css',
      js: 'text/javascript',
      svg: 'image/svg',
    }
    for (const name of readdirSync(web)) {
      const file = await ask(`/${name}`)
      expect([name, file.statusCode, file.headers['content-type']]).toEqual([
        name,
        200,
        expect.stringContaining(types[name.split('.').at(-1) ?? ''] ?? '?'),
      ])
      expect(await bodyOf(file)).toBe(readFileSync(new URL(name, web), 'utf8'))
    }
    for (const path of ['/../package.json', '/%2e%2e/package.json', '/web/app.js', '/constructor']) {
      expect([path, (await ask(path)).statusCode]).toEqual([path, 404])
    }
  })

  test('no file of it names an address outside', () => {
    for (const name of readdirSync(web)) {
      const addresses = readFileSync(new URL(name, web), 'utf8').match(/(https?:)?\/\/[a-z][\w.-]+\.\w+/gi) ?? []
      expect([name, addresses.filter((address) => address !== 'http://www.w3.org')]).toEqual([name, []])
    }
  })

  test('with a token the page is given to everybody here, its figures only to who knows it', async () => {
    const { ask } = await start({ token: 'abc' })
    expect((await ask('/')).statusCode).toBe(200)
    expect((await ask('/app.js')).statusCode).toBe(200)
    expect((await ask('/events')).statusCode).toBe(401)
    expect((await ask('/events', { authorization: 'Bearer abd' })).statusCode).toBe(401)
    expect((await ask('/events?token=abc')).statusCode).toBe(401)
    expect((await ask('/events', { authorization: 'Bearer abc' })).statusCode).toBe(200)
  })

  test.each([
    ['a foreign Host', { host: 'evil.example' }],
    ['a page of somebody else', { 'sec-fetch-site': 'cross-site' }],
  ])('%s gets neither page nor events', async (_who, headers) => {
    const { ask } = await start()
    for (const path of ['/', '/app.js', '/events'])
      expect([path, (await ask(path, headers)).statusCode]).toEqual([path, 403])
  })

  test('a daemon without live figures has no page', async () => {
    const ledgers: Ledger[] = []
    const options = { host: '127.0.0.1', port: 0, counters: new Counters(), ledgers, readiness: new Readiness() }
    const admin = await startAdmin(options)
    open.push(admin)
    const ask = asking(admin.address)
    expect([(await ask('/')).statusCode, (await ask('/events')).statusCode]).toEqual([404, 404])
  })
})

describe('/events', () => {
  test('first the past, then the present at once and each second', async () => {
    const { ask, ledger } = await start()
    ledger.received = 7
    const response = await ask('/events?limit=5')
    expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    const seen: { name: string; data: unknown }[] = []
    for await (const event of eventsOf(response)) {
      seen.push(event)
      if (seen.length === 2) ledger.received = 9
      if (seen.length === 4) break
    }
    expect(seen.map(({ name }) => name)).toEqual(['history', 'live', 'live', 'live'])
    const past = seen[0]!.data as LiveHistory
    expect(past.hops).toEqual([expect.objectContaining({ hop: 'collector' })])
    const states = seen.slice(1).map(({ data }) => data as LiveState)
    expect(states.map(({ hops }) => hops[0]?.received)).toEqual([7, 9, 9])
    expect(states[0]).toMatchObject({ role: 'collector', version: '1.2.3', ready: true })
    expect(states[2]!.atMs - states[1]!.atMs).toBeGreaterThan(500)
  }, 15_000)

  test.each(['sort=size', 'limit=0', 'limit=1001', 'limit=1.5', 'limit=x'])('%s is refused', async (query) => {
    const { ask } = await start()
    const response = await ask(`/events?${query}`)
    expect(response.statusCode).toBe(400)
    expect(await bodyOf(response)).toMatch(/sort=rate\|bytes\|drops\|age\|name and limit=1 to 1000/)
  })

  test('a reader that leaves is forgotten; more than 32 at once are refused', async () => {
    const { ask, live } = await start()
    const readers = await Promise.all(Array.from({ length: 32 }, () => ask('/events')))
    expect(live.watchers).toBe(32)
    expect((await ask('/events')).statusCode).toBe(503)
    for (const reader of readers) reader.destroy()
    while (live.watchers > 0) await new Promise((resolve) => setImmediate(resolve))
    expect((await ask('/events')).statusCode).toBe(200)
  })

  test('HEAD begins no stream', async () => {
    const { ask, live } = await start()
    const response = await ask('/events', {}, 'HEAD')
    expect([response.statusCode, await bodyOf(response), live.watchers]).toEqual([200, '', 0])
  })

  test('the end of the daemon ends the stream', async () => {
    const { admin, ask } = await start()
    const response = await ask('/events')
    const ended = new Promise((resolve) => response.once('close', resolve))
    response.on('error', () => {}).resume()
    await admin.close()
    await ended
  })
})
