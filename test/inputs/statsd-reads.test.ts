import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { Lull } from '../../src/inputs/statsd-lull.js'
import { type FindDescriptor, PacketReads } from '../../src/inputs/statsd-reads.js'
import { systemClock } from '../../src/platform/clock.js'
import { findUdpDescriptor } from '../../src/platform/udp-descriptors.js'

const linuxOnly = process.platform === 'linux' ? test : test.skip
const burst = 40

/** A bound socket, read by a PacketReads, and who sends to it. */
async function startReads(
  find: (socket: Socket) => ReturnType<FindDescriptor> = findUdpDescriptor,
  lull: ConstructorParameters<typeof PacketReads>[1] = new Lull(0, systemClock),
) {
  const state = { taken: [] as string[], brought: 0, asked: 0 }
  const [receiver, sender] = [createSocket('udp4'), createSocket('udp4')]
  let answered: Promise<unknown> = Promise.resolve()
  const take = (packet: Buffer) => void state.taken.push(packet.toString('latin1'))
  const reads = new PacketReads(take, lull, () => {
    state.asked++
    const answer = find(receiver)
    answered = answer
    return answer
  })
  receiver.on('message', (packet) => {
    state.brought++
    reads.onPacket(packet)
  })
  receiver.bind(0, '127.0.0.1')
  await once(receiver, 'listening')
  sender.connect(receiver.address().port, '127.0.0.1')
  await once(sender, 'connect')
  let sent = 0
  return {
    state,
    reads,
    /** Sends so many packets at once, waits until all were taken, and for what was asked meanwhile. */
    async send(packets: number) {
      await Promise.all(Array.from({ length: packets }, () => sendOne(`packet ${sent++}`)))
      while (state.taken.length < sent) await new Promise((resolve) => setImmediate(resolve))
      await answered
    },
    expected: () => Array.from({ length: sent }, (_, i) => `packet ${i}`),
    sendOne,
    async close() {
      await Promise.all([receiver, sender].map((socket) => new Promise<void>((resolve) => socket.close(resolve))))
    },
  }

  function sendOne(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      sender.send(Buffer.from(text), (cause) => (cause ? reject(cause) : resolve()))
    })
  }
}

linuxOnly('what waits behind a busy socket is read from its descriptor: all of it, in order', async () => {
  const { send, state, expected, close } = await startReads()
  for (let turn = 0; turn < 10; turn++) await send(burst)
  expect(state.taken).toEqual(expected())
  expect(state.asked).toBe(1)
  // Nearly all of the later bursts.
  expect(state.brought).toBeLessThan(state.taken.length * 0.6)
  await close()
})

linuxOnly('packets without a byte, and as large as they can be', async () => {
  const { send, sendOne, state, close } = await startReads()
  for (let turn = 0; turn < 3; turn++) await send(burst)
  const before = state.taken.length
  const sizes = [...Array.from({ length: 20 }, () => 0), 65_507, 0, 1]
  await Promise.all(sizes.map((size) => sendOne('x'.repeat(size))))
  while (state.taken.length < before + sizes.length) await new Promise((resolve) => setImmediate(resolve))
  expect(state.taken.slice(before).map((packet) => packet.length)).toEqual(sizes)
  await close()
})

test('where no descriptor is found, Node brings all packets, and it is asked no more', async () => {
  const { send, state, expected, close } = await startReads(async () => undefined)
  for (let turn = 0; turn < 4; turn++) await send(burst)
  expect(state).toMatchObject({ taken: expected(), brought: 4 * burst, asked: 1 })
  await close()
})

test.each([
  ['a descriptor that nothing can be read from', -1],
  ['one that is not open', 1_000_000],
])('%s does no harm', async (_what, descriptor) => {
  const { send, state, expected, close } = await startReads(async () => descriptor)
  for (let turn = 0; turn < 4; turn++) await send(burst)
  expect(state).toMatchObject({ taken: expected(), brought: 4 * burst })
  await close()
})

test('where all sockets together have had their share of a turn, Node brings the rest', async () => {
  const lull = { turn: 0, packets: 1024, packet() {}, leaveUnread() {} }
  const { send, state, expected, close } = await startReads(findUdpDescriptor, lull)
  for (; lull.turn < 4; lull.turn++) await send(burst)
  expect(state).toMatchObject({ taken: expected(), brought: 4 * burst, asked: 1 })
  await close()
})

test('a socket with few packets is not asked about', async () => {
  const { send, state, close } = await startReads()
  for (let turn = 0; turn < 10; turn++) await send(1)
  expect(state.asked).toBe(0)
  await close()
})

test('after the close no descriptor is used, even one that is told later', async () => {
  let tell: (descriptor: number | undefined) => void = () => {}
  const found = new Promise<number | undefined>((resolve) => {
    tell = resolve
  })
  const { send, state, reads, expected, close } = await startReads((socket) => {
    void findUdpDescriptor(socket).then(tell)
    reads.close()
    return found
  })
  for (let turn = 0; turn < 4; turn++) await send(burst)
  expect(state).toMatchObject({ taken: expected(), brought: 4 * burst, asked: 1 })
  await close()
})

test('who has got as many from Node as it brings at once may have left some, and there is no sleep', () => {
  const left: number[] = []
  const lull = { turn: 0, packets: 0, packet() {}, leaveUnread: () => left.push(lull.turn) }
  const reads = new PacketReads(
    () => {},
    lull,
    async () => undefined,
  )
  for (const packets of [31, 32, 5]) {
    for (let i = 0; i < packets; i++) reads.onPacket(Buffer.from('a:1'))
    lull.turn++
  }
  expect(left).toEqual([1])
})
