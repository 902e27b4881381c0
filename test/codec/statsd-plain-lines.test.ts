import fc from 'fast-check'
import { KeptRoom } from '../../src/codec/kept-bytes.js'
import { StatsdChunk } from '../../src/codec/statsd-chunk.js'
import { statsdLinesWasm } from '../../src/codec/statsd-lines-wasm.js'
import { layout, StatsdMemory } from '../../src/codec/statsd-memory.js'
import { defaultStatsdRules, StatsdCounts, StatsdPacketReader } from '../../src/codec/statsd-packet.js'
import { PlainLines, type PlainSection, Stopped } from '../../src/codec/statsd-plain-lines.js'
import { SectionMemory, StatsdSender } from '../../src/codec/statsd-sender.js'
import { PacketWindow } from '../../src/codec/statsd-window.js'
import { seededRandom } from '../../src/platform/random.js'
import { identity, readPackets, summary } from '../support/statsd-reading.js'

const { compileWat } = (await import(new URL('../support/make-wasm.js', import.meta.url).href)) as {
  compileWat(name: string): Promise<string>
}

const seed = 20_261_202
const { log, packet } = layout

test('the module is what its source says (else: npm run wasm)', async () => {
  expect(await compileWat('statsd-lines')).toBe(statsdLinesWasm)
})

const memory = new StatsdMemory()

function sectionOf(text: string): PlainSection {
  return { bytes: Buffer.from(text), length: Buffer.byteLength(text), keptAt: 0, keptAge: 0 }
}

/** Reads one packet with one section. @param before what the packet before this one left behind */
function readPlain(text: string, { tags = '', rules = defaultStatsdRules, most = 100, before = '' } = {}) {
  const lines = new PlainLines(memory, rules)
  const window = new PacketWindow(memory.bytes.subarray(packet.at, packet.at + packet.bytes))
  const section = sectionOf(tags)
  expect(lines.canRead(section)).toBe(true)
  memory.lines?.setTimeLength(0)
  window.load(Buffer.from(before))
  window.load(Buffer.from(text))
  const next = lines.read(0, window.length, section, log.at, most)
  const { count, why, tagsAt, end } = lines
  return { count, why, next, tagsAt, bytes: Buffer.from(memory.bytes.subarray(log.at, end)) }
}

/** Name and value of datapoints without a time. */
function pointsIn(bytes: Buffer): [string, number][] {
  const points: [string, number][] = []
  for (let at = 0; at < bytes.length; ) {
    const nameLength = bytes[at++]! / 2
    points.push([bytes.toString('latin1', at, at + nameLength), bytes.readDoubleLE(at + nameLength)])
    at += nameLength + 8
  }
  return points
}

describe('a plain line', () => {
  test.each([
    ['a:1|c', 'a', 1],
    ['name.of.sixteen.:1|c', 'name.of.sixteen.', 1],
    ['a name with blanks, (and) signs:7|g', 'a name with blanks, (and) signs', 7],
    ['a_b:1|c', 'a_b', 1],
    ['a:-0|g', 'a', -0],
    ['a:+12.5|ms', 'a', 12.5],
    ['a:.5|h', 'a', 0.5],
    ['a:5.|d', 'a', 5],
    ['a:123456789012345|s', 'a', 123456789012345],
    ['a:-0.00000000000001|g', 'a', -1e-14],
    ['a:3|c|@0.1', 'a', 30],
    ['a:3|c|@1', 'a', 3],
    ['a:3|g|@0.1', 'a', 3],
    ['a:3|cc|@0.1', 'a', 3],
    ['a:3|zz', 'a', 3],
  ])('%s', (line, name, value) => {
    const { bytes, ...told } = readPlain(line)
    expect(told).toEqual({ count: 1, why: Stopped.done, next: line.length + 1, tagsAt: -1 })
    expect(pointsIn(bytes)).toEqual([[name, value]])
  })

  test('all types are scaled where that is wanted', () => {
    const rules = { ...defaultStatsdRules, rateScaling: 'all' as const }
    expect(pointsIn(readPlain('a:3|g|@0.5', { rules }).bytes)).toEqual([['a', 6]])
  })
})

test.each([
  ['no name', ':1|c'],
  ['a name that may be an event', '_e{1,1}:a|b'],
  ['a name with a leading underscore', '_a:1|c'],
  ['a name that is not ASCII', 'ü:1|c'],
  ['and is not so behind sixteen bytes', '0123456789abcdefgü:1|c'],
  ['a name that is too long', `${'n'.repeat(1025)}:1|c`],
  ['no value', 'a|c'],
  ['nothing but a name', 'a'],
  ['an empty line', '\na:1|c'],
  ['several values', 'a:1:2|c'],
  ['an empty value', 'a:|c'],
  ['a sign alone', 'a:-|c'],
  ['a point alone', 'a:.|c'],
  ['two points', 'a:1.2.3|c'],
  ['an exponent', 'a:1e3|c'],
  ['a blank', 'a: 1|c'],
  ['sixteen digits', 'a:1234567890123456|c'],
  ['sixteen digits, decimals among them', 'a:12345678.90123456|c'],
  ['no type', 'a:1'],
  ['an empty type', 'a:1|'],
  ['a type of three letters', 'a:1|abc'],
  ['a large letter', 'a:1|C'],
  ['a type with a digit', 'a:1|m5'],
  ['a rate of zero', 'a:1|c|@0'],
  ['a rate above one', 'a:1|c|@1.5'],
  ['a negative rate', 'a:1|c|@-0.5'],
  ['no rate', 'a:1|c|@'],
  ['a rate with more behind it', 'a:1|c|@0.5x'],
  ['two rates', 'a:1|c|@0.5|@0.5'],
  ['a time', 'a:1|c|T1656581400'],
  ['a container', 'a:1|c|c:abc'],
  ['something behind the tags', 'a:1|c|#k:v|T1656581400', 'k:v'],
  ['tags in front of the type', 'a:1|#k:v|c', 'k:v'],
  ['another kind of line end', 'a:1|c\r\n'],
  ['and behind tags', 'a:1|c|#k:v\r\n', 'k:v', Stopped.otherTags],
])('%s is left to JavaScript', (_what, line, tags = '', why: number = Stopped.notPlain) => {
  expect(readPlain(line, { tags })).toMatchObject({ count: 0, next: 0, why, bytes: Buffer.alloc(0) })
})

test.each([
  ['', 'a:1|c|#k:v', 6],
  ['k:v', 'a:1|c|#k:w', 6],
  ['k:v', 'a:1|c|@0.5|#k:vv', 10],
  ['k:vv', 'a:1|c|#k:v', 6],
  ['k:v', 'a:1|c|#', 6],
  ['k:v', 'a:1|c', -1],
  ['k:v', 'a:1|c|@0.5', -1],
])('with the section "%s" it stops at %s, whose tags are at %d', (tags, line, at) => {
  const tagsAt = at < 0 ? -1 : line.indexOf('#') + 1
  expect(readPlain(line, { tags })).toMatchObject({ count: 0, why: Stopped.otherTags, tagsAt, next: 0 })
})

test('what the packet before left behind belongs to no line', () => {
  const before = 'a:1|c|#env:production'
  expect(readPlain('a:1|c|#env', { tags: 'env:production', before }).count).toBe(0)
  expect(readPlain('a:1|c|#env', { tags: 'env', before }).count).toBe(1)
  expect(readPlain('a:12', { before: 'a:123|c' }).count).toBe(0)
})

test('no more lines than are wanted', () => {
  const text = 'a:1|c\nb:2|c\nc:3|c'
  expect(readPlain(text, { most: 2 })).toMatchObject({ count: 2, next: 12, why: Stopped.done })
  expect(readPlain(text, { most: 3 })).toMatchObject({ count: 3, next: 18, why: Stopped.done })
})

test(`sections of any length are told from those that differ in any byte (seed ${seed})`, () => {
  const random = seededRandom(seed)
  for (let length = 1; length < 100; length++) {
    const tags = Array.from({ length }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join('')
    expect(readPlain(`a:1|c|#${tags}`, { tags }).count).toBe(1)
    const at = Math.floor(random() * length)
    expect(readPlain(`a:1|c|#${tags.slice(0, at)}:${tags.slice(at + 1)}`, { tags }).count).toBe(0)
  }
})

test(`numbers are the doubles that Number() makes of them (seed ${seed})`, () => {
  const digits = (max: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`))
  const sign = fc.constantFrom('', '-', '+')
  fc.assert(
    fc.property(sign, digits(8), fc.option(digits(7)), (signed, whole, decimals) => {
      const text = decimals === null ? signed + whole : `${signed}${whole}.${decimals}`
      expect(pointsIn(readPlain(`a:${text}|g`).bytes)).toEqual([['a', Number(text)]])
    }),
    { seed, numRuns: 2000 },
  )
})

test('sections find room until it is full; where that is so for long, it is emptied for others', () => {
  const lines = new PlainLines(memory, defaultStatsdRules, new KeptRoom(layout.sections.at, 100, 5))
  const [first, second, third, same] = ['a', 'b', 'c', 'a'].map((letter) => sectionOf(letter.repeat(40)))
  expect([first, second, third, same].map((section) => lines.canRead(section!))).toEqual([true, true, false, true])
  expect(same!.keptAt).toBe(first!.keptAt)
  let tries = 1
  for (; !lines.canRead(third!); tries++) expect(lines.canRead(second!)).toBe(true)
  expect(tries).toBe(4)
  const text = `x:1|c|#${'c'.repeat(40)}`
  const window = new PacketWindow(memory.bytes.subarray(packet.at, packet.at + packet.bytes))
  window.load(Buffer.from(text))
  const countWith = (section: PlainSection) => {
    lines.read(0, text.length, section, log.at, 10)
    return lines.count
  }
  expect(lines.canRead(second!)).toBe(true)
  expect([countWith(third!), countWith(second!)]).toEqual([1, 0])
  expect(lines.canRead(first!)).toBe(false)
})

describe('in a reader', () => {
  test('plain lines with known tag sections are all read by the module, a run in a call', () => {
    const counting = new StatsdMemory()
    const { lines } = counting
    const runs: number[] = []
    const read: NonNullable<typeof lines>['read'] = (...given) => {
      const next = lines!.read(...given)
      runs.push(counting.told[0]!)
      return next
    }
    Object.defineProperty(counting, 'lines', { value: { ...lines, read } })
    const chunk = new StatsdChunk({ limit: 1000, memory: counting, onFull() {} })
    const reader = new StatsdPacketReader(chunk, new StatsdCounts(), defaultStatsdRules)
    const context = { sender: new StatsdSender(identity, new SectionMemory()), gauges: undefined, onRow: undefined }
    const packet = Buffer.from(
      ['#k:a', '#k:b', ''].flatMap((tags) => Array(10).fill(`name:1|c${tags && `|${tags}`}`)).join('\n'),
    )
    reader.read(packet, 1000, context)
    runs.length = 0
    reader.read(packet, 1000, context)
    expect(runs.filter((count) => count > 0)).toEqual([10, 10, 10])
    expect(runs.length).toBeLessThanOrEqual(5)
  })

  const usual = 'shop.orders:3|c|#k:v\nshop.orders:4.5|ms|#k:v'

  test.each([
    ['a section that ends like a line of others', ['a:1|c|#k:v\r|@0.5\nb:1|c|#k:v\r\nc:1|c|#k:v\nd:1|c|#k:v\r|@0.5']],
    ['a section that is longer than may be', [`a:1|c|#${'k'.repeat(9000)}\n${usual}\na:1|c|#${'k'.repeat(9000)}`]],
    ['names of every length', [[1, 15, 16, 17, 63, 64, 1024, 1025].map((n) => `${'n'.repeat(n)}:1|c`).join('\n')]],
    ['tags that would speak for the container', ['a:1|c|#container_id:x,k:v\nb:1|c|#container_id:x,k:v']],
    ['tags that are no UTF-8', [Buffer.from('a:1|c|#k:\xff\nb:1|c|#k:\xff', 'latin1')]],
    ['sections in turn, and none', [`${usual}\nb:1|c\n${usual}\nc:1|c|#k:w\nd:1|c|#\ne:1|c\nf:1|c|#k:w\n${usual}`]],
    ['a packet that ends in a line end', [`${usual}\n`, usual]],
    ['a packet larger than any', [`${usual}\n`.repeat(2000), usual]],
  ])('%s: as one by one', (_what, packets) => {
    for (const owner of [identity, undefined]) {
      const settings = owner === undefined ? {} : { owner }
      const { lists, counts } = readPackets(packets, { ...settings, rowByRow: false })
      const oneByOne = readPackets(packets, settings)
      expect(summary(lists)).toEqual(summary(oneByOne.lists))
      expect(lists).toEqual(oneByOne.lists)
      expect(counts).toEqual(oneByOne.counts)
    }
  })

  test(`lines as clients send them, in chunks of any size (seed ${seed})`, () => {
    const name = fc.constantFrom('requests', 'shop.checkout.requests.count', 'ü', '_x', 'n'.repeat(70))
    const value = fc.constantFrom('1', '-2.5', '1e3', '1:2', '', '123456789012345678')
    const behind = fc.constantFrom('|c', '|ms', '|g|@0.5', '|c|@0.1', '|c|@2', '|h|T1656581400', '')
    const tags = fc.constantFrom('', '', '|#k:v', '|#k:w', '|#k:v,route:a', '|#k:v,route:b', '|#')
    const line = fc.tuple(name, value, behind, tags).map(([n, v, b, t]) => `${n}:${v}${b}${t}`)
    const packets = fc.array(fc.array(line, { maxLength: 12 }), { maxLength: 6 })
    fc.assert(
      fc.property(packets, fc.integer({ min: 1, max: 9 }), (all, limit) => {
        const texts = all.map((lines) => lines.join('\n'))
        expect(chunksOf(texts, limit, false)).toEqual(chunksOf(texts, limit, true))
      }),
      { seed, numRuns: 1500 },
    )
  })

  test('more sections than are kept, again and again', () => {
    const sections = Array.from({ length: 700 }, (_, i) => `${'long'.repeat(250)}:${i}`)
    const packets = Array.from({ length: 3 }, () => sections.map((section) => `a:1|c|#${section}\nb:2|c|#${section}`))
    const texts = packets.flat()
    expect(chunksOf(texts, 50, false)).toEqual(chunksOf(texts, 50, true))
  })
})

function chunksOf(packets: readonly string[], limit: number, rowByRow: boolean) {
  const chunks: string[][] = []
  const chunk = new StatsdChunk({ limit, memory, onFull: () => chunks.push(summary(chunk.take())) })
  const counts = new StatsdCounts()
  const reader = new StatsdPacketReader(chunk, counts, defaultStatsdRules)
  const sender = new StatsdSender(identity, new SectionMemory())
  const onRow = rowByRow ? () => {} : undefined
  for (const text of packets) reader.read(Buffer.from(text), 1000, { sender, gauges: undefined, onRow })
  return { chunks: [...chunks, summary(chunk.take())], counts }
}
