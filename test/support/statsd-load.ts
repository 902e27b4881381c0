import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createOcfReader } from '../../src/codec/avro-ocf.js'
import { forEachDatapoint } from '../../src/codec/datapoints.js'

/** What a sender has sent to each of its endpoints: the numbers from 0 to below it. */
export interface SentLoad {
  readonly sent: readonly number[]
  readonly tookMs: number
}

export interface LoadOptions {
  readonly ports: readonly number[]
  readonly ratePerSecond: number
  /** Datapoints in all; until `stop` unless given. */
  readonly count?: number
  readonly linesPerPacket?: number
  readonly host?: string
  /** Of `load.<number>` for the first endpoint; 0 unless given. */
  readonly firstName?: number
}

export interface Load {
  /** Resolves when everything has been sent. */
  readonly done: Promise<SentLoad>
  stop(): Promise<SentLoad>
}

const program = fileURLToPath(new URL('./load-sender.js', import.meta.url))

/** Starts a process that sends numbered datapoints `load.<endpoint>` at a steady rate. */
export function startLoad(options: LoadOptions): Load {
  const child: ChildProcess = fork(program, [JSON.stringify(options)], { execArgv: [] })
  const done = once(child, 'message').then(([message]) => message as SentLoad)
  return {
    done,
    stop() {
      child.send('stop')
      return done
    },
  }
}

/** What a counting collector has seen of one endpoint's numbers. */
export interface Tally {
  readonly missing: number
  readonly repeated: number
}

export interface CountingCollector {
  readonly port: number
  /** Datapoints of loads so far, and of anything else. */
  seen(): number
  others(): number
  /** By the topic of their lists. */
  topics(): ReadonlyMap<string, number>
  /** Resolves when so many datapoints of loads are here, or none has come for `quietMs`. */
  settled(datapoints: number, quietMs?: number): Promise<void>
  /** Numbers that are missing of those sent, and those that came again. */
  tally(sent: readonly number[]): Tally
  /** Forgets all numbers, for a load that begins with 0 again. */
  forget(): void
  stop(): Promise<void>
}

/** A collector that keeps of each datapoint only which number it has. */
export async function startCountingCollector(port = 0): Promise<CountingCollector> {
  const numbers: Uint8Array[] = []
  const topics = new Map<string, number>()
  const sockets = new Set<Socket>()
  let seen = 0
  let others = 0
  let repeated = 0

  const server = createServer((socket) => {
    const reader = createOcfReader()
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    socket.on('data', (bytes) => {
      for (const { topic, datapoints } of reader.push(bytes)) {
        topics.set(topic, (topics.get(topic) ?? 0) + datapoints.count)
        forEachDatapoint(datapoints, (name, _timeMs, value) => count(name, value))
      }
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')

  function count(name: string, value: number): void {
    if (!name.startsWith('load.')) {
      others++
      return
    }
    seen++
    const endpoint = Number(name.slice('load.'.length))
    const known = bitmapFor(endpoint, value)
    if (known[value]) repeated++
    known[value] = 1
  }

  function bitmapFor(endpoint: number, number: number): Uint8Array {
    const known = numbers[endpoint] ?? new Uint8Array(65_536)
    const wide = number < known.length ? known : widened(known, number + 1)
    numbers[endpoint] = wide
    return wide
  }

  return {
    port: (server.address() as AddressInfo).port,
    seen: () => seen,
    others: () => others,
    topics: () => topics,
    async settled(datapoints, quietMs = 3000) {
      let before = -1
      let sinceMs = performance.now()
      while (seen < datapoints && performance.now() - sinceMs < quietMs) {
        if (seen !== before) sinceMs = performance.now()
        before = seen
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    tally(sent) {
      const missing = sent.map((total, endpoint) => {
        const known = numbers[endpoint] ?? new Uint8Array()
        let found = 0
        for (let number = 0; number < total; number++) found += known[number] ?? 0
        return total - found
      })
      return { missing: missing.reduce((sum, each) => sum + each, 0), repeated }
    },
    forget() {
      numbers.length = 0
      seen = 0
      repeated = 0
    },
    async stop() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function widened(known: Uint8Array, atLeast: number): Uint8Array {
  const wide = new Uint8Array(Math.max(atLeast, known.length * 2))
  wide.set(known)
  return wide
}
