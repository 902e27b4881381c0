import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { messageOf, StatsError } from '../platform/errors.js'
import { isLoopback } from '../platform/hosts.js'
import { type Answer, json, type Route, text } from './answer.js'
import type { Counters } from './counters.js'
import { eventRoutes } from './event-routes.js'
import type { Ledger } from './ledger.js'
import type { Live } from './live.js'
import { pageRoutes } from './page-routes.js'
import { createMetricsPage } from './prometheus.js'
import type { Readiness } from './readiness.js'

export interface AdminOptions {
  readonly host: string
  /** 0 lets the kernel choose. */
  readonly port: number
  /** Required for an address that is not loopback; asked for as `Authorization: Bearer <token>`. */
  readonly token?: string
  readonly counters: Counters
  readonly ledgers: readonly Ledger[]
  readonly readiness: Readiness
  /** What the live page and `top` show; without it there is neither page nor /events. */
  readonly live?: Live
  /** More paths, such as those of --http-profile. */
  readonly routes?: Readonly<Record<string, Route>>
}

export interface AdminServer {
  readonly address: { readonly host: string; readonly port: number }
  close(): Promise<void>
}

/**
 * Serves /metrics (Prometheus), /health (the process lives), /ready (parts and reasons), /ledger (every hop's account) and the
 * live page with its /events as one small HTTP server.
 *
 * The page's own files are given without the token: they hold no figures, and a browser could not be asked for it otherwise.
 * A request whose Host is neither the address that was bound nor a loopback name is refused, so that no web page can reach it
 * by a name of its own (DNS rebinding); nor is one that a browser sends for a page of somebody else.
 *
 * @throws StatsError `DS_ADMIN_LISTEN` (exit 69) where the address cannot be bound
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { host, port } = options
  const metrics = createMetricsPage(options)
  const page = options.live === undefined ? {} : pageRoutes()
  const routes: Record<string, Route> = {
    '/health': () => json(200, { status: 'ok' }),
    '/ready': () => json(options.readiness.snapshot().ready ? 200 : 503, options.readiness.snapshot()),
    '/ledger': () =>
      json(
        200,
        options.ledgers.map((ledger) => ledger.snapshot()),
      ),
    '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await metrics.render() }),
    ...(options.live && eventRoutes(options.live)),
    ...options.routes,
  }
  const server = createServer({ headersTimeout: 5000, requestTimeout: 10_000 }, (request, response) => {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    void answer(request, options, { page, routes }, gone.signal).then((reply) => send(response, request.method, reply))
  })
  await listen(server, host, port)
  const bound = server.address() as { port: number }
  const stopLive = options.live?.start()
  return {
    address: { host, port: bound.port },
    close() {
      stopLive?.()
      return close(server)
    },
  }
}

async function answer(
  request: IncomingMessage,
  { host, token, counters }: AdminOptions,
  { page, routes }: { page: Readonly<Record<string, Route>>; routes: Readonly<Record<string, Route>> },
  signal: AbortSignal,
): Promise<Answer> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2)
  const pageRoute = routeOf(page, path)
  // Reached from other machines it has names that it does not know; there the token keeps web pages out.
  const isNamed = (token !== undefined && !isLoopback(host)) || isOwnHost(request.headers.host ?? '', host)
  if (!isNamed || isForeignPage(request)) {
    counters.add('admin.requests_refused')
    return text(403, 'The Host header must name the address that --admin-listen gives.')
  }
  if (pageRoute === undefined && token !== undefined && !hasToken(request, token)) {
    counters.add('admin.requests_refused')
    return text(401, 'Expected `Authorization: Bearer <token>` with the token of --admin-token-file.')
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'Only GET is answered here.')
  const route = pageRoute ?? routeOf(routes, path)
  if (route === undefined) return text(404, `Nothing here. There is ${Object.keys(routes).join(', ')}.`)
  try {
    return await route(new URLSearchParams(query), signal)
  } catch (cause) {
    return text(500, messageOf(cause))
  }
}

function routeOf(routes: Readonly<Record<string, Route>>, path: string): Route | undefined {
  return Object.hasOwn(routes, path) ? routes[path] : undefined
}

function isOwnHost(header: string, boundHost: string): boolean {
  const name = header.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  return name === boundHost || isLoopback(name)
}

// Browsers say so by themselves, and a page cannot take it away.
function isForeignPage({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site']
  return site !== undefined && site !== 'none' && site !== 'same-origin'
}

function hasToken(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '')
  const expected = Buffer.from(`Bearer ${token}`)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function send(response: ServerResponse, method: string | undefined, answer: Answer): void {
  const headers = { 'content-type': answer.type, 'x-content-type-options': 'nosniff', ...answer.headers }
  if ('stream' in answer) {
    response.writeHead(answer.status, headers)
    if (method === 'HEAD') response.end()
    else answer.stream(response)
    return
  }
  const { status, body, fileName } = answer
  const length = Buffer.byteLength(body)
  const disposition = fileName !== undefined && { 'content-disposition': `attachment; filename="${fileName}"` }
  response.writeHead(status, { ...headers, 'content-length': length, ...disposition })
  response.end(method === 'HEAD' ? undefined : body)
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `Cannot serve --admin-listen on ${host}:${port}: ${messageOf(cause)}. Give a free port or leave it out.`
      reject(new StatsError('DS_ADMIN_LISTEN', message, { cause, exitCode: 69 }))
    })
    server.listen({ host, port, exclusive: true }, resolve)
  })
}

function close(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
