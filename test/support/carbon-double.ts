import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** A TCP server that reads and never answers, as carbon does. */
export interface CarbonDouble {
  readonly port: number
  /** Everything read, by connection. */
  readonly received: string[]
  readonly sockets: Socket[]
  /** All lines of all connections, as soon as `enough` says so. */
  until(enough: (text: string) => boolean): Promise<string>
  stop(): Promise<void>
}

export async function startCarbonDouble({
  port = 0,
  onConnection = () => {},
  reads = true,
}: {
  port?: number
  onConnection?: (socket: Socket, index: number) => void
  /** False: takes connections and never reads. */
  reads?: boolean
} = {}): Promise<CarbonDouble> {
  const received: string[] = []
  const sockets: Socket[] = []
  const server: Server = createServer((socket) => {
    const index = sockets.push(socket) - 1
    received[index] = ''
    socket.on('error', () => {})
    if (reads) {
      socket.on('data', (chunk) => {
        received[index] += chunk.toString('latin1')
        server.emit('read')
      })
    } else socket.pause()
    onConnection(socket, index)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    received,
    sockets,
    async until(enough) {
      for (;;) {
        const text = received.join('')
        if (enough(text)) return text
        await once(server, 'read')
      }
    },
    async stop() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** A port of 127.0.0.1 where nobody listens. */
export async function unusedPort(): Promise<number> {
  const double = await startCarbonDouble()
  await double.stop()
  return double.port
}
