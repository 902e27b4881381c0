import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { messageOf, StatsError } from '../platform/errors.js'
import { formatAddress, isLoopback, type ListenAddress } from '../platform/hosts.js'
import type { ListenOptions } from '../platform/listen.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import { listenForIsolator } from './isolator-listen.js'
import type { Registry } from './registry.js'

/** The HTTP API by which the Mesos agent's isolator module announces containers. */
export interface IsolatorApi {
  /** Where it listens; with the port that the kernel chose where 0 was asked for. */
  readonly address: ListenAddress
  /** See `Listening`. */
  readonly bound: ListenAddress
  /** Connections that are open right now. */
  connections(): number
  /** Answers what is under way, then closes. */
  close(): Promise<void>
  /** The same, while another process goes on with the same socket. */
  leave(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly allow?: string
}

const maxBodyBytes = 65_536
// A body over the limit is read on for a while: closing with unread bytes would destroy the answer on its way.
const maxIgnoredBytes = 1_048_576
const containerPrefix = '/container/'

/**
 * Serves, as the Mesos module of dcos-mesos-modules (metrics/isolator.cpp) calls it:
 * - `POST /container` `{"container_id"}` -> 201 `{"container_id","statsd_host","statsd_port"}`, or 204 where the
 *   container gets no endpoint. Anything else would fail the container's launch.
 * - `DELETE /container/<id>` -> 202, known or not. The id is the rest of the path as it stands, not percent-decoded.
 *
 * Every answer closes its connection, because that client never does, and waits for it.
 *
 * @param socketMode permissions of a unix socket's file
 * @param replaceLive see `listenAt`
 * @param inherit see `listenAt`
 * @param requestTimeoutMs how long a client may take for its request; the module itself gives up after 5 s
 * @throws StatsError with exit code 69 where the address cannot be had
 */
export async function createIsolatorApi({
  listen,
  registry,
  log,
  counters,
  socketMode = 0o660,
  replaceLive = false,
  inherit,
  requestTimeoutMs = 10_000,
}: {
  listen: ListenAddress
  registry: Pick<Registry, 'register' | 'unregister'>
  log: Log
  counters: Counters
  socketMode?: number
  replaceLive?: boolean
  inherit?: ListenOptions['inherit']
  requestTimeoutMs?: number
}): Promise<IsolatorApi> {
  const ownNames = new Set(['localhost', hostname().toLowerCase()])
  if (listen.kind === 'tcp') ownNames.add(listen.host.toLowerCase())
  const server = createBoundedServer(requestTimeoutMs, (request, response) => {
    counters.add('proxy.isolator_requests')
    void answerTo(request)
      .catch((cause: unknown) => failed(request, cause))
      .then((answer) => reply(response, answer))
  })
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  const listening = await listenForIsolator(server, listen, { socketMode, replaceLive, inherit })
  server.on('error', (cause) => log.error({ cause: messageOf(cause) }, 'the isolator API has a problem'))
  if (listen.kind === 'tcp' && !isLoopback(listen.host)) {
    const address = formatAddress(listening.address)
    log.warn({ address }, 'other nodes can reach the isolator API too: --isolator-listen is not a loopback address')
  }
  return { ...listening, connections: () => open.size }

  async function answerTo(request: IncomingMessage): Promise<Answer> {
    const stranger = strangerIn(request)
    if (stranger !== undefined) {
      counters.add('proxy.isolator_requests_refused')
      log.warn({ stranger, method: request.method }, 'a request to the isolator API was refused')
      return problem(403, `refused: ${stranger}. Only programs on this node may call this API.`)
    }
    const { method, url = '' } = request
    if (url === '/container') {
      return method === 'POST' ? announce(request) : { ...problem(405, 'use POST /container'), allow: 'POST' }
    }
    if (url.startsWith(containerPrefix)) {
      const usage = { ...problem(405, 'use DELETE /container/<id>'), allow: 'DELETE' }
      return method === 'DELETE' ? dismiss(request, url.slice(containerPrefix.length)) : usage
    }
    return problem(404, 'there is POST /container and DELETE /container/<id>')
  }

  async function announce(request: IncomingMessage): Promise<Answer> {
    const body = await readBody(request)
    if (body === undefined) return problem(413, `the body has more than ${maxBodyBytes} bytes`)
    const id = containerIdIn(body)
    if ('reason' in id) return problem(400, id.reason)
    const endpoint = await registry.register(id.containerId)
    if (endpoint === undefined) return { status: 204 }
    const { containerId, host, port } = endpoint
    return { status: 201, body: { container_id: containerId, statsd_host: host, statsd_port: port } }
  }

  async function dismiss(request: IncomingMessage, containerId: string): Promise<Answer> {
    await readBody(request)
    if (containerId === '') return problem(400, 'expected DELETE /container/<id>, got no id')
    await registry.unregister(containerId)
    return { status: 202 }
  }

  /** Why a request comes from a web page and not from a program on this node; undefined where it does not. */
  function strangerIn({ headers }: IncomingMessage): string | undefined {
    if (headers.origin !== undefined) return `the request has the Origin ${headers.origin}`
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'none') return 'the request was sent by a web page'
    // A page can point a name of its own at this address (DNS rebinding), but not an address.
    const host = hostIn(headers.host ?? '')
    if (host === '' || isIP(host) !== 0 || ownNames.has(host)) return undefined
    return `the request is meant for the host ${host}`
  }

  function failed({ method, url }: IncomingMessage, cause: unknown): Answer {
    if (cause instanceof StatsError && cause.code === 'DS_CONTAINER_ID') return problem(400, cause.message)
    log.error({ method, url, cause: messageOf(cause) }, 'a request to the isolator API failed')
    return problem(500, messageOf(cause))
  }
}

function createBoundedServer(
  timeoutMs: number,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  return createServer(
    {
      // Over a unix socket the module's Host header is there but empty; other clients leave it out.
      requireHostHeader: false,
      headersTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      connectionsCheckingInterval: Math.min(1000, timeoutMs),
      keepAlive: false,
    },
    onRequest,
  )
}

function reply(response: ServerResponse, { status, body, allow }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body)
  response.writeHead(status, {
    Connection: 'close',
    ...(allow === undefined ? {} : { Allow: allow }),
    ...(status === 204 ? {} : { 'Content-Length': Buffer.byteLength(text) }),
    ...(text === '' ? {} : { 'Content-Type': 'application/json' }),
  })
  response.end(text)
}

function problem(status: number, error: string): Answer {
  return { status, body: { error } }
}

/** The whole body; undefined where it is over the limit. Rejects where the client goes away before its end. */
function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let bytes = 0
    request.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes <= maxBodyBytes) parts.push(part)
      if (bytes > maxIgnoredBytes) resolve(undefined)
    })
    request.once('end', () => resolve(bytes > maxBodyBytes ? undefined : Buffer.concat(parts)))
    request.once('error', reject)
  })
}

function containerIdIn(body: Buffer): { containerId: string } | { reason: string } {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString())
  } catch (cause) {
    return { reason: `the body is not JSON: ${messageOf(cause)}` }
  }
  const containerId = (parsed as { container_id?: unknown } | null)?.container_id
  if (typeof containerId === 'string' && containerId !== '') return { containerId }
  return { reason: 'expected a JSON object with a string "container_id" that is not empty' }
}

/** The host of a Host header, without port and brackets, in lower case. */
function hostIn(header: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header.trim()) ?? []
  return (bracketed ?? plain ?? header).toLowerCase()
}
