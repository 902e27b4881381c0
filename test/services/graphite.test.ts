import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { encodeDatapoints } from '../../src/codec/datapoints.js'
import { createGraphiteNames, type GraphiteNaming } from '../../src/codec/graphite-line.js'
import { encodePickleFrames } from '../../src/codec/graphite-pickle.js'
import { createGraphiteSink, type GraphiteProtocol } from '../../src/outputs/graphite.js'
import type { Sink } from '../../src/outputs/sink.js'
import { systemClock } from '../../src/platform/clock.js'
import { silentLog } from '../../src/telemetry/log.js'
import { awkwardTexts, listOf, point, runSinkContract } from '../support/sink-contract.js'
import { type Carbon, startCarbon } from './support/carbon.js'
import { programPath } from './support/program.js'

const never = new AbortController().signal
const paths: GraphiteNaming = { prefix: '', prefixIds: true, tags: false }
const tagged: GraphiteNaming = { prefix: '', prefixIds: false, tags: true }

/** A whole second some hours ago: carbon keeps a day here. */
const startMs = Math.floor(Date.now() / 1000) * 1000 - 4 * 3_600_000
const startSeconds = startMs / 1000
const ids = [
  { key: 'framework_id', value: 'f-1' },
  { key: 'executor_id', value: 'app.uuid' },
  { key: 'container_id', value: 'c' },
]

let carbon: Carbon
let benches = 0
beforeAll(async () => {
  carbon = await startCarbon()
})
afterAll(() => carbon?.stop())

function sinkTo(server: Carbon, protocol: GraphiteProtocol, naming = paths): Sink {
  return createGraphiteSink({
    host: '127.0.0.1',
    port: protocol === 'pickle' ? server.picklePort : server.linePort,
    protocol,
    naming,
    exitOnConnectFailure: false,
    clock: systemClock,
    log: silentLog,
  })
}

describe.each<[string, GraphiteProtocol, GraphiteNaming]>([
  // Not udp: carbon's socket overflows where it is busy while 5,000 lines come at once, and UDP tells nobody.
  ['tcp', 'tcp', paths],
  ['pickle', 'pickle', paths],
  ['tcp with tags', 'tcp', tagged],
  ['pickle with tags', 'pickle', tagged],
])('the contract of every sink, read back from whisper files: %s', (_name, protocol, naming) => {
  runSinkContract({
    takesNotFinite: false,
    startMs,
    present: async () => {
      const prefix = `contract${++benches}`
      const values = (count: number) => valuesUnder(prefix, count)
      return { sink: sinkTo(carbon, protocol, { ...naming, prefix }), values, dispose: async () => {} }
    },
  })
})

/** The values of all paths with the prefix, as soon as there are `count`. */
async function valuesUnder(prefix: string, count: number): Promise<number[]> {
  const endMs = performance.now() + 30_000
  for (;;) {
    const values = new Set<number>()
    for (const path of await carbon.paths()) {
      if (!path.startsWith(`${prefix}.`)) continue
      for (const value of (await carbon.values(path, startSeconds, startSeconds + 6000)).values()) values.add(value)
    }
    if (values.size >= count) return [...values]
    if (performance.now() > endMs) throw new Error(`carbon has ${values.size} values, expected ${count}`)
    await systemClock.sleep(200)
  }
}

describe.each<GraphiteProtocol>(['tcp', 'udp', 'pickle'])('%s', (protocol) => {
  test('path, seconds and value are those that were sent', async () => {
    const sink = sinkTo(carbon, protocol, { ...paths, prefix: protocol })
    const points = [0.1, -2, 1e21, 5e-324].map((value, n) => point('load', value, startMs + n * 1000 + 999))
    await sink.write([listOf(points, { tags: ids })], never)
    const path = `${protocol}.f-1.app.uuid.c.load`
    const values = await carbon.valuesWhen(4, path, startSeconds, startSeconds + 10)
    expect([...values]).toEqual([
      [startSeconds, 0.1],
      [startSeconds + 1, -2],
      [startSeconds + 2, 1e21],
      [startSeconds + 3, 5e-324],
    ])
    await sink.close()
  })

  test('every kind of text becomes a path that carbon takes', async () => {
    const sink = sinkTo(carbon, protocol, { ...paths, prefix: `texts-${protocol}` })
    const lists = awkwardTexts.map((text, n) =>
      listOf([point(text, n + 1, startMs)], { tags: [{ key: 'framework_id', value: text }] }),
    )
    await sink.write(lists, never)
    await sink.close()
    const endMs = performance.now() + 20_000
    const own = async () => (await carbon.paths()).filter((path) => path.startsWith(`texts-${protocol}.`))
    while ((await own()).length < awkwardTexts.length && performance.now() < endMs) await systemClock.sleep(100)
    expect(await own()).toHaveLength(awkwardTexts.length)
    expect(await carbon.complaints()).toEqual([])
  })
})

test('tags: carbon stores the series under the name with its tags', async () => {
  const sink = sinkTo(carbon, 'tcp', { ...tagged, prefix: 'with' })
  const tags = [...ids, { key: 'path', value: 'x=y ü' }, { key: 'empty', value: '' }]
  await sink.write([listOf([point('load', 7, startMs)], { tags })], never)
  const path = 'with.load;container_id=c;executor_id=app.uuid;framework_id=f-1;path=x=y_ü'
  expect([...(await carbon.valuesWhen(1, path, startSeconds, startSeconds + 1)).values()]).toEqual([7])
  await sink.close()
})

describe.each<GraphiteProtocol>(['tcp', 'pickle'])('a carbon that comes and goes: %s', (protocol) => {
  let own: Carbon
  beforeEach(async () => {
    own = await startCarbon()
  })
  afterEach(() => own?.stop())

  test('killed and started again while 10,000 datapoints are written: every one is there', async () => {
    const sink = sinkTo(own, protocol)
    for (let batch = 0; batch < 100; batch++) {
      const points = Array.from({ length: 100 }, (_, n) =>
        point('n', batch * 100 + n + 1, startMs + (batch * 100 + n) * 1000),
      )
      const written = writeUntilSent(sink, listOf(points))
      if (batch % 30 === 15) {
        // Carbon must have written what it took: a killed carbon loses its cache, which no sender can know.
        await own.valuesWhen(batch * 100, 'n', startSeconds, startSeconds + 10_000)
        await own.kill()
        await own.start()
      }
      await written
    }
    await sink.close()
    const values = await own.valuesWhen(10_000, 'n', startSeconds, startSeconds + 10_000)
    expect([...values.values()]).toEqual(Array.from({ length: 10_000 }, (_, n) => n + 1))
  })

  test('hanging for a while: what waits is read when it goes on', async () => {
    const sink = sinkTo(own, protocol)
    await sink.open(never)
    own.freeze()
    const written = writeUntilSent(sink, listOf([point('a', 1, startMs)]))
    await systemClock.sleep(200)
    own.thaw()
    await written
    await sink.close()
    expect((await own.valuesWhen(1, 'a', startSeconds, startSeconds + 1)).size).toBe(1)
  })
})

async function writeUntilSent(sink: Sink, list: ReturnType<typeof listOf>): Promise<void> {
  while ((await sink.write([list], never)).status !== 'sent') await systemClock.sleep(50)
}

describe("pickles, read by Python's own unpickler", () => {
  const names = createGraphiteNames({ prefix: '', prefixIds: false, tags: true })

  /** Reads length and pickle from stdin as carbon does, and prints what came, doubles by their bytes. */
  const reader = `
import json, pickle, struct, sys
data = sys.stdin.buffer.read()
frames = []
while data:
    (size,) = struct.unpack('!L', data[:4])
    frames.append([[path, seconds, struct.pack('>d', value).hex()] for path, (seconds, value) in pickle.loads(data[4:4 + size])])
    data = data[4 + size:]
json.dump(frames, sys.stdout)
`

  async function unpickled(bytes: Buffer): Promise<[string, number, string][][]> {
    const python = await programPath('python3', 'python3')
    const running = promisify(execFile)(python, ['-c', reader], { maxBuffer: 64 * 1024 * 1024 })
    running.child.stdin?.end(bytes)
    return JSON.parse((await running).stdout)
  }

  test('paths, seconds and every bit of the values', async () => {
    const points = [
      point('a.b', 0.1, 1_469_124_000_999),
      point('beyond.2038', -1e300, 4_102_444_800_000),
      point('before.1970', 5e-324, -1_000_000),
      point('far.before', 1, -4_000_000_000_000_000),
    ]
    const tags = [{ key: 'host', value: 'grüße 指标 🚀' }]
    const { frames } = encodePickleFrames([{ topic: 't', tags, datapoints: encodeDatapoints(points) }], names)
    const behind = ';host=grüße_指标_🚀'
    expect(await unpickled(Buffer.concat(frames))).toEqual([
      [
        [`a.b${behind}`, 1_469_124_000, hexOf(0.1)],
        [`beyond.2038${behind}`, 4_102_444_800, hexOf(-1e300)],
        [`before.1970${behind}`, -1000, hexOf(5e-324)],
        [`far.before${behind}`, -4_000_000_000_000, hexOf(1)],
      ],
    ])
  })

  test('many messages one behind the other', async () => {
    const points = Array.from({ length: 1234 }, (_, n) => point(`n.${n}`, n / 7, n * 1000))
    const { frames } = encodePickleFrames([{ topic: 't', tags: [], datapoints: encodeDatapoints(points) }], names)
    const read = await unpickled(Buffer.concat(frames))
    expect(read.map(({ length }) => length)).toEqual([500, 500, 234])
    expect(read.flat()).toEqual(points.map(({ name, timeMs, value }) => [name, timeMs / 1000, hexOf(value)]))
  })

  function hexOf(value: number): string {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleBE(value)
    return bytes.toString('hex')
  }
})
