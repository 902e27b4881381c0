import dgram from 'node:dgram'
import { once } from 'node:events'
import { datagrams } from '../../src/outputs/carbon-datagrams.js'
import { createGraphiteSink, type GraphiteSinkOptions } from '../../src/outputs/graphite.js'
import type { Sink } from '../../src/outputs/sink.js'
import { systemClock } from '../../src/platform/clock.js'
import { silentLog } from '../../src/telemetry/log.js'
import { startCarbonDouble, unusedPort } from '../support/carbon-double.js'
import { listOf, point, runSinkContract } from '../support/sink-contract.js'

const never = new AbortController().signal

function sinkTo(port: number, options: Partial<GraphiteSinkOptions> = {}): Sink {
  return createGraphiteSink({
    host: '127.0.0.1',
    port,
    protocol: 'tcp',
    naming: { prefix: '', prefixIds: true, tags: false },
    exitOnConnectFailure: false,
    clock: systemClock,
    log: silentLog,
    ...options,
  })
}

function linesOf(text: string): string[] {
  return text.split('\n').slice(0, -1)
}

function valuesOf(text: string): number[] {
  return [...new Set(linesOf(text).map((line) => Number(line.split(' ')[1])))]
}

describe('tcp', () => {
  runSinkContract({
    takesNotFinite: false,
    present: async () => {
      const carbon = await startCarbonDouble()
      return {
        sink: sinkTo(carbon.port),
        values: async (count) => valuesOf(await carbon.until((text) => linesOf(text).length >= count)),
        dispose: carbon.stop,
      }
    },
    absent: async () => ({ sink: sinkTo(await unusedPort()), dispose: async () => {} }),
    hanging: async () => {
      const carbon = await startCarbonDouble({ reads: false })
      return { sink: sinkTo(carbon.port), dispose: carbon.stop }
    },
  })
})

describe('tcp with tags', () => {
  runSinkContract({
    takesNotFinite: false,
    present: async () => {
      const carbon = await startCarbonDouble()
      return {
        sink: sinkTo(carbon.port, { naming: { prefix: '', prefixIds: false, tags: true } }),
        values: async (count) => valuesOf(await carbon.until((text) => linesOf(text).length >= count)),
        dispose: carbon.stop,
      }
    },
  })
})

describe('pickle', () => {
  runSinkContract({
    takesNotFinite: false,
    present: async () => {
      const carbon = await startCarbonDouble()
      return {
        sink: sinkTo(carbon.port, { protocol: 'pickle' }),
        values: async (count) => pickled(await carbon.until((text) => pickled(text).length >= count)),
        dispose: carbon.stop,
      }
    },
    absent: async () => ({ sink: sinkTo(await unusedPort(), { protocol: 'pickle' }), dispose: async () => {} }),
  })
})

/** The doubles in pickles, in the order in which they were written; test/services reads them with Python. */
function pickled(text: string): number[] {
  const bytes = Buffer.from(text, 'latin1')
  const values = new Set<number>()
  for (
    let at = bytes.indexOf('\x4a', 0, 'latin1');
    at >= 0 && at + 14 < bytes.length;
    at = bytes.indexOf('\x4a', at + 1, 'latin1')
  ) {
    if (bytes[at + 5] === 0x47 && bytes[at + 14] === 0x86) values.add(bytes.readDoubleBE(at + 6))
  }
  return [...values]
}

describe('udp', () => {
  async function receiver() {
    const socket = dgram.createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    socket.setRecvBufferSize(4 * 1024 * 1024)
    const packets: string[] = []
    socket.on('message', (packet) => {
      packets.push(packet.toString())
      socket.emit('read')
    })
    const values = async (count: number) => {
      while (valuesOf(packets.join('')).length < count) await once(socket, 'read')
      return valuesOf(packets.join(''))
    }
    return { port: socket.address().port, packets, values, stop: async () => void socket.close() }
  }

  runSinkContract({
    takesNotFinite: false,
    present: async () => {
      const { port, values, stop } = await receiver()
      return { sink: sinkTo(port, { protocol: 'udp' }), values, dispose: stop }
    },
    absent: async () => {
      const gone = await receiver()
      await gone.stop()
      return { sink: sinkTo(gone.port, { protocol: 'udp' }), dispose: async () => {} }
    },
  })

  test('puts many lines into a datagram, and never a part of one', async () => {
    const { port, packets, values, stop } = await receiver()
    const sink = sinkTo(port, { protocol: 'udp' })
    await sink.write([listOf(Array.from({ length: 200 }, (_, at) => point(`metric.${at}`, at)))], never)
    await values(200)
    expect(packets.length).toBeLessThan(20)
    for (const packet of packets) {
      expect(packet).toMatch(/^metric.*\n$/s)
      expect(Buffer.byteLength(packet)).toBeLessThanOrEqual(1432)
    }
    await sink.close()
    await stop()
  })

  test('a line longer than a datagram should be goes alone', () => {
    const long = `${'x'.repeat(3000)} 1 2\n`
    const packets = [...datagrams(Buffer.from(`a 1 2\n${long}b 1 2\n`))].map(String)
    expect(packets).toEqual(['a 1 2\n', long, 'b 1 2\n'])
  })

  test('a host without an address is a retry that says so', async () => {
    const sink = sinkTo(1, { protocol: 'udp', host: 'no.such.host.invalid' })
    const result = await sink.write([listOf([point('a', 1)])], never)
    expect(result).toMatchObject({
      status: 'retry',
      cause: { message: expect.stringContaining('no.such.host.invalid') },
    })
    await sink.close()
  })
})

describe('a carbon that comes and goes', () => {
  test('connects anew when carbon closed, and sends once more what was not confirmed', async () => {
    const carbon = await startCarbonDouble()
    const sink = sinkTo(carbon.port)
    await sink.open(never)
    await sink.write([listOf([point('before', 1)])], never)
    await carbon.until((text) => text.includes('before'))
    carbon.sockets[0]!.destroy()
    await carbon.until(() => carbon.sockets.length === 2 && carbon.received[1]!.includes('before'))
    await sink.write([listOf([point('after', 2)])], never)
    await carbon.until(() => carbon.received[1]!.includes('after'))
    expect(linesOf(carbon.received[1]!)).toEqual(['before 1 1700000000', 'after 2 1700000000'])
    await sink.close()
    await carbon.stop()
  })

  test('a connection that is reset right after a write loses nothing', async () => {
    const resetting = (socket: import('node:net').Socket, index: number) => {
      if (index < 3) socket.once('data', () => socket.resetAndDestroy())
    }
    const carbon = await startCarbonDouble({ onConnection: resetting })
    const sink = sinkTo(carbon.port)
    await sink.open(never)
    for (let value = 0; value < 50; value++) await sent(sink, point(`n${value}`, value))
    await sink.close()
    const last = new Set(linesOf(carbon.received.at(-1)!).map((line) => line.split(' ')[0]))
    expect(last.size).toBe(50)
    await carbon.stop()
  })

  test('nothing of a write that broke counts as sent; it comes again on the next connection', async () => {
    const carbon = await startCarbonDouble({ reads: false })
    const sink = sinkTo(carbon.port)
    await sink.open(never)
    const much = listOf(Array.from({ length: 60_000 }, (_, at) => point(`much.${'x'.repeat(200)}`, at)))
    const write = sink.write([much], never)
    setTimeout(() => carbon.sockets[0]!.resetAndDestroy(), 20)
    expect((await write).status).toBe('retry')
    await sink.close()
    await carbon.stop()
  })

  test('a carbon that does not read for too long is a retry', async () => {
    const carbon = await startCarbonDouble({ reads: false })
    const sink = sinkTo(carbon.port, { timeoutMs: 50 })
    const much = listOf(Array.from({ length: 60_000 }, (_, at) => point(`much.${'x'.repeat(200)}`, at)))
    const result = await sink.write([much], never)
    expect(result).toMatchObject({
      status: 'retry',
      cause: { message: expect.stringContaining('does not read within 50 ms') },
    })
    await sink.close()
    await carbon.stop()
  })

  test('close waits until carbon has read everything', async () => {
    const carbon = await startCarbonDouble()
    const sink = sinkTo(carbon.port)
    await sink.write([listOf(Array.from({ length: 50_000 }, (_, at) => point('n', at)))], never)
    await sink.close()
    expect(linesOf(carbon.received[0]!)).toHaveLength(50_000)
    await carbon.stop()
  })

  test('close sends once more what carbon threw away', async () => {
    const carbon = await startCarbonDouble({
      onConnection: (socket, index) => {
        if (index === 0) socket.pause()
      },
    })
    const sink = sinkTo(carbon.port)
    await sink.write([listOf([point('unread', 1)])], never)
    const closed = sink.close()
    carbon.sockets[0]!.resetAndDestroy()
    await closed
    expect(carbon.received[1]).toBe('unread 1 1700000000\n')
    await carbon.stop()
  })
})

async function sent(sink: Sink, datapoint: ReturnType<typeof point>): Promise<void> {
  while ((await sink.write([listOf([datapoint])], never)).status !== 'sent');
}

describe('exit on connect failure', () => {
  test('open rejects with 69 and what to check', async () => {
    const sink = sinkTo(await unusedPort(), { exitOnConnectFailure: true })
    await expect(sink.open(never)).rejects.toMatchObject({
      code: 'DS_GRAPHITE_UNREACHABLE',
      exitCode: 69,
      message: expect.stringMatching(/ECONNREFUSED.*--output-host, --output-port/),
    })
    await sink.close()
  })

  test('a carbon that goes away later ends the process with 69, too', async () => {
    const carbon = await startCarbonDouble()
    const sink = sinkTo(carbon.port, { exitOnConnectFailure: true })
    await sink.open(never)
    await carbon.stop()
    const writeOn = async () => {
      for (;;) await sink.write([listOf([point('a', 1)])], never)
    }
    await expect(writeOn()).rejects.toMatchObject({ exitCode: 69 })
    await sink.close()
  })
})
