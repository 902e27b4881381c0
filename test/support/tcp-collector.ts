import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createOcfReader } from '../../src/codec/avro-ocf.js'
import type { MetricList } from '../../src/model/metric-list.js'

/** What came over one connection. */
export interface SeenConnection {
  readonly socket: Socket
  readonly lists: MetricList[]
  /** True once the header has been read. */
  opened(): boolean
  fault(): Error | undefined
}

/** A collector's TCP side for tests: reads Avro and answers nothing. */
export interface TcpCollector {
  readonly port: number
  readonly connections: SeenConnection[]
  /** Resolves when all connections together have brought so many lists. */
  received(lists: number): Promise<MetricList[]>
  /** Ends every connection and frees the port. */
  stop(): Promise<void>
}

/** @param reads false: takes connections and never reads from them */
export async function startTcpCollector({ port = 0, reads = true } = {}): Promise<TcpCollector> {
  const connections: SeenConnection[] = []
  const waiting: { lists: number; done: (lists: MetricList[]) => void }[] = []
  const server: Server = createServer({ pauseOnConnect: !reads }, (socket) => {
    const reader = createOcfReader()
    const seen = { socket, lists: [] as MetricList[], opened: () => reader.opened, fault: () => reader.fault }
    connections.push(seen)
    socket.on('error', () => {})
    if (!reads) return
    socket.on('data', (bytes) => {
      seen.lists.push(...reader.push(bytes))
      tell()
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')

  function all(): MetricList[] {
    return connections.flatMap(({ lists }) => lists)
  }

  function tell(): void {
    for (const { lists, done } of waiting) if (all().length >= lists) done(all())
  }

  return {
    port: (server.address() as AddressInfo).port,
    connections,
    received: (lists) =>
      new Promise((done) => {
        waiting.push({ lists, done })
        tell()
      }),
    async stop() {
      const closed = once(server, 'close')
      server.close()
      for (const { socket } of connections) socket.destroy()
      await closed
    },
  }
}
