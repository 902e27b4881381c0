import { Lull } from '../../src/inputs/statsd-lull.js'
import { systemClock } from '../../src/platform/clock.js'

const neededBytes = 4 * 1024 * 1024

/** A lull on a clock that moves only while it sleeps, or when told. */
function startLull({ longestMs = 40 } = {}) {
  const state = { nowMs: 1000, sleepsMs: [] as number[] }
  const lull = new Lull(longestMs, { monotonicMs: () => state.nowMs }, (ms) => {
    state.sleepsMs.push(ms)
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

const first: [number, number] = [3, 0]

test.each<[string, [packets: number, afterMs: number][], number[]]>([
  ['the first packets are read without a sleep', [first], []],
  ['packets soon behind others: as long as it takes for 128 to come', [first, [8, 1]], [16]],
  ['but not longer than it may', [first, [1, 1]], [40]],
  ['the sleep before belongs to the time that packets take to come', [first, [1, 1], [80, 0]], [40, 40]],
  ['also where it takes less time', [first, [1, 1], [320, 0]], [40, 16]],
  ['many packets: a short one', [first, [511, 6]], [5]],
  ['two hundred a second are enough', [first, [3, 15]], [40]],
  ['fewer are not', [first, [3, 16], [1, 6], [3, 1000]], []],
  ['behind 512 and more: none', [first, [512, 20], [1000, 20]], []],
  ['turns without packets: none', [first, [0, 1], [0, 1]], []],
  ['behind a burst: short ones', [first, [64, 0.64], [3, 1], [200, 6], [20, 5]], [5, 5, 5, 5]],
  ['as many in more time are none', [first, [64, 0.65], [3, 1]], [5, 40]],
  ['nor are fewer in less', [first, [63, 0.1], [3, 1]], [5, 40]],
  ['a burst of more than a turn reads is one as well', [first, [512, 2], [1, 1]], [5]],
  ['and so until twelve seconds are over', [first, [64, 0.5], [2400, 11_994.9], [24, 0.1]], [5, 5]],
])('%s', async (_rule, turns, sleepsMs) => {
  const { turn, state } = startLull()
  for (const [packets, afterMs] of turns) await turn(packets, afterMs)
  expect(state.sleepsMs).toEqual(sleepsMs)
})

test('where it may not sleep for long it sleeps for less', async () => {
  const { turn, state } = startLull({ longestMs: 2 })
  for (const packets of [3, 1, 64, 1]) await turn(packets, 0.5)
  expect(state.sleepsMs).toEqual([2, 2, 2])
})

test.each<[string, (lull: Lull) => void, number]>([
  ['a receive buffer without much room forbids it', (lull) => lull.addSocket(neededBytes - 1), 0],
  ['one with room does not', (lull) => lull.addSocket(neededBytes), 1],
  ['a second one that forbids it is enough', (lull) => [neededBytes, 1].map((bytes) => lull.addSocket(bytes)), 0],
  [
    'with the last small one that goes it is allowed again',
    (lull) => {
      for (const bytes of [1, neededBytes, 2]) lull.addSocket(bytes)
      for (const bytes of [2, neededBytes, 1]) lull.removeSocket(bytes)
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
  expect(state.sleepsMs).toHaveLength(sleeps)
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
  expect(state.sleepsMs).toEqual([])
  await turn(1)
  expect(state.sleepsMs).toHaveLength(sleepsOfNext)
})

test('turns with packets are counted, also where it never sleeps', async () => {
  const { lull, turn } = startLull({ longestMs: 0 })
  for (const packets of [1, 0, 40, 1]) await turn(packets)
  expect(lull.turn).toBe(3)
})

test('with 0 it never sleeps', async () => {
  const { turn, state } = startLull({ longestMs: 0 })
  for (let i = 0; i < 4; i++) await turn(1)
  expect(state.sleepsMs).toEqual([])
})

test('a sleep takes as long as it is to, and with it the whole process', async () => {
  const lull = new Lull(4, systemClock)
  lull.packet()
  await new Promise((resolve) => setImmediate(resolve))
  lull.packet()
  const startMs = performance.now()
  await new Promise((resolve) => setImmediate(resolve))
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(3.9)
})
