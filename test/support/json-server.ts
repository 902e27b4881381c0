import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An HTTP server on loopback whose answers a test decides; it remembers what it was asked. */
export interface JsonServer {
  readonly url: string
  readonly requests: IncomingMessage[]
  close(): Promise<void>
}

export async function startJsonServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<JsonServer> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
