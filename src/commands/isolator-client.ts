import { request } from 'node:http'
import { messageOf, StatsError } from '../platform/errors.js'
import { formatAddress, type HostPort } from '../platform/hosts.js'

/**
 * Announces a container as the Mesos agent's isolator module does, and returns the endpoint that it is told.
 *
 * @throws StatsError `DS_ISOLATOR` (exit 69) where nobody answers, or the container gets no endpoint
 */
export async function announceContainer(isolator: HostPort, containerId: string): Promise<HostPort> {
  const { status, body } = await ask(isolator, 'POST', '/container', JSON.stringify({ container_id: containerId }))
  if (status !== 201) throw refused(isolator, `gave container ${containerId} no endpoint: ${status} ${body.trim()}`)
  const { statsd_host: host, statsd_port: port } = JSON.parse(body) as { statsd_host: string; statsd_port: number }
  return { host, port }
}

/** Tells that a container has ended. */
export async function dismissContainer(isolator: HostPort, containerId: string): Promise<void> {
  await ask(isolator, 'DELETE', `/container/${containerId}`, '')
}

function ask(
  isolator: HostPort,
  method: string,
  path: string,
  body: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const asked = request({ ...isolator, path, method, headers, timeout: 5000 }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
      response.on('error', fail)
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 5 s')))
    asked.on('error', fail).end(body)
    function fail(cause: Error) {
      reject(refused(isolator, `does not answer: ${messageOf(cause)}`, cause))
    }
  })
}

function refused(isolator: HostPort, what: string, cause?: unknown): StatsError {
  const message = `The isolator API at ${formatAddress(isolator)} ${what}. Is a statsd-proxy listening there (--isolator-listen)?`
  return new StatsError('DS_ISOLATOR', message, { exitCode: 69, ...(cause !== undefined && { cause }) })
}
