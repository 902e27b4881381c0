import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'

/** One request as the server saw it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: Record<string, string>
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface DoubleAnswer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** An HTTP server in InfluxDB's place. */
export interface InfluxDouble {
  readonly url: string
  readonly requests: SeenRequest[]
  /** The lines of all requests that were answered 204. */
  readonly stored: string[]
  stop(): Promise<void>
}

/**
 * @param answer what to say to a request; 204 stores its lines. Undefined: never answers
 * @param port any free one unless given
 */
export async function startInfluxDouble(
  answer: (
    request: SeenRequest,
    socket: Socket,
  ) => DoubleAnswer | undefined | Promise<DoubleAnswer | undefined> = () => ({
    status: 204,
  }),
  port = 0,
): Promise<InfluxDouble> {
  const requests: SeenRequest[] = []
  const stored: string[] = []
  const server = createServer((request, response) => void serve(request, response))

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      // The client gave up in the middle of its request: there is nobody to answer.
      return
    }
    const bytes = Buffer.concat(chunks)
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    const seen = {
      method: request.method ?? '',
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: request.headers,
      body: (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString(),
    }
    requests.push(seen)
    const said = await answer(seen, request.socket)
    if (said === undefined) return
    if (said.status === 204 && !seen.path.endsWith('/query')) stored.push(...seen.body.split('\n').slice(0, -1))
    response.writeHead(said.status, said.headers).end(said.body)
  }

  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stored,
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
