import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { ContainerIdentity } from '../model/agent-state.js'
import { type Clock, systemClock } from '../platform/clock.js'
import { seededRandom } from '../platform/random.js'
import {
  type AddedContainer,
  loadSimulatedNode,
  type SimulatedContainer,
  type SimulatedNode,
} from './simulated-node.js'

export type { AddedContainer, SimulatedContainer } from './simulated-node.js'

const compress = promisify(gzip)

/** A Mesos agent for people without Mesos: it answers with recordings of real ones, with values that move. */
export interface SimulatedAgent {
  /** `http://host:port`, what --agent-url takes. */
  readonly url: string
  readonly agentId: string
  /** The running containers, recorded and added ones; choose from them whom to play. */
  containers(): SimulatedContainer[]
  /** Lists a container in /state and /containers from now on, in place of one with the same id. */
  addContainer(container: AddedContainer): ContainerIdentity
  removeContainer(containerId: string): void
  close(): Promise<void>
}

/**
 * Serves GET /state, /metrics/snapshot and /containers, gzipped where the client accepts it.
 *
 * @param port 0 for any free one. Rejects with the system's error where it cannot listen.
 * @param random makes the values wander; a fixed sequence unless given
 * @param credential answer 401 to requests without `Authorization: token=<credential>`; undefined for none
 */
export async function startSimulatedAgent({
  host = '127.0.0.1',
  port = 0,
  clock = systemClock,
  random = seededRandom(1),
  credential,
}: {
  host?: string
  port?: number
  clock?: Clock
  random?: () => number
  credential?: string | undefined
} = {}): Promise<SimulatedAgent> {
  const node = await loadSimulatedNode({ clock, random })
  const server = createServer((request, response) => void answer(node, credential, request, response))
  await listen(server, host, port)
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`,
    agentId: node.agentId,
    containers: () => node.listContainers(),
    addContainer: (container) => node.addContainer(container),
    removeContainer: (containerId) => node.removeContainer(containerId),
    close: () => close(server),
  }
}

async function answer(
  node: SimulatedNode,
  credential: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (credential !== undefined && request.headers.authorization !== `token=${credential}`) {
    return void response.writeHead(401, { 'WWW-Authenticate': 'acsjwt' }).end()
  }
  if (request.method !== 'GET') return void response.writeHead(405, { Allow: 'GET' }).end()
  const reply = replyOf(node, request.url ?? '')
  if (reply === undefined) return void response.writeHead(404).end()
  await sendJson(request, response, reply)
}

function replyOf(node: SimulatedNode, url: string): object | undefined {
  switch (url.split('?', 1)[0]) {
    case '/state':
      return node.state()
    case '/metrics/snapshot':
      return node.snapshot()
    case '/containers':
      return node.containers()
    default:
      return undefined
  }
}

async function sendJson(request: IncomingMessage, response: ServerResponse, reply: object): Promise<void> {
  const body = Buffer.from(JSON.stringify(reply))
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const bytes = zipped ? await compress(body) : body
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
    ...(zipped ? { 'Content-Encoding': 'gzip' } : {}),
  })
  response.end(bytes)
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
