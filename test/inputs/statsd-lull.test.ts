import { Lull } from '../../src/inputs/statsd-lull.js'
import { systemClock } from '../../src/platform/clock.js'

const lullMs = 5
const mebibyte = 1024 * 1024

/** A lull on a clock that moves only while it sleeps, or when told; its sleeps are counted. */
function startLull({ sleepMs = lullMs } = {}) {
  const state = { nowMs: 1000, sleeps: 0 }
  const lull = new Lull(sleepMs, { monotonicMs: () => state.nowMs }, (ms) => {
    state.sleeps++
    state.nowMs += ms
  })
  return {
    lull,
    state,
    /** A turn of the event loop with so many packets, `afterMs` behind the one before. */
    async turn(packets: number, afterMs = 0) {
      state.nowMs += afterMs
      for (let packet = 0; packet < packets; packet++) lull.packet()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

test.each([
  ['the first packets are read without a sleep', [[3, 0]], 0],
  [
    'packets soon behind others: a sleep for each turn',
    [
      [3, 0],
      [1, 1],
      [31, 4],
    ],
    2,
  ],
  [
    'packets far from the ones before: none',
    [
      [3, 0],
      [3, 5],
      [3, 1000],
    ],
    0,
  ],
  [
    'a flood, of a hundred thousand packets a second and more: none',
    [
      [3, 0],
      [512, 0],
      [1000, 0],
    ],
    0,
  ],
  [
    'a little less: one',
    [
      [3, 0],
      [511, 0],
    ],
    1,
  ],
  [
    'turns without packets: none',
    [
      [3, 0],
      [0, 1],
      [0, 1],
    ],
    0,
  ],
])('%s', async (_rule, turns, sleeps) => {
  const { turn, state } = startLull()
  for (const [packets = 0, afterMs] of turns) await turn(packets, afterMs)
  expect(state.sleeps).toBe(sleeps)
})

test.each<[string, (lull: Lull) => void, number]>([
  ['a receive buffer without much room forbids it', (lull) => lull.addSocket(mebibyte - 1), 0],
  ['one with room does not', (lull) => lull.addSocket(mebibyte), 1],
  ['a second one that forbids it is enough', (lull) => [mebibyte, 1].map((bytes) => lull.addSocket(bytes)), 0],
  [
    'with the last small one that goes it is allowed again',
    (lull) => {
      for (const bytes of [1, mebibyte, 2]) lull.addSocket(bytes)
      for (const bytes of [2, mebibyte, 1]) lull.removeSocket(bytes)
    },
    1,
  ],
  [
    'it is allowed again by the last of those who forbade it',
    (lull) => {
      lull.forbid()
      lull.forbid()
      lull.allow()
      lull.allow()
    },
    1,
  ],
])('%s', async (_rule, tell, sleeps) => {
  const { lull, turn, state } = startLull()
  tell(lull)
  await turn(1)
  await turn(1, 1)
  expect(state.sleeps).toBe(sleeps)
})

test.each<[string, (lull: Lull) => void, number]>([
  ['whoever forbids it within a turn is heeded at its end', (lull) => lull.forbid(), 0],
  ['a turn that left packets unread is not slept behind; the next one may be', (lull) => lull.leaveUnread(), 1],
])('%s', async (_rule, tell, sleepsOfNext) => {
  const { lull, turn, state } = startLull()
  await turn(1)
  lull.packet()
  tell(lull)
  await turn(0)
  expect(state.sleeps).toBe(0)
  await turn(1)
  expect(state.sleeps).toBe(sleepsOfNext)
})

test('turns with packets are counted, also where it never sleeps', async () => {
  const { lull, turn } = startLull({ sleepMs: 0 })
  for (const packets of [1, 0, 40, 1]) await turn(packets)
  expect(lull.turn).toBe(3)
})

test('with 0 it never sleeps', async () => {
  const { turn, state } = startLull({ sleepMs: 0 })
  for (let i = 0; i < 4; i++) await turn(1)
  expect(state.sleeps).toBe(0)
})

test('a sleep takes as long as it is to, and with it the whole process', async () => {
  const lull = new Lull(20, systemClock)
  lull.packet()
  await new Promise((resolve) => setImmediate(resolve))
  lull.packet()
  const startMs = performance.now()
  await new Promise((resolve) => setImmediate(resolve))
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(19)
})
