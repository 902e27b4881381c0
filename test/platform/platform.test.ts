import { createBackoff } from '../../src/platform/backoff.js'
import { systemClock } from '../../src/platform/clock.js'
import { messageOf, StatsError, systemCodeOf } from '../../src/platform/errors.js'
import { formatAddress, isLoopback } from '../../src/platform/hosts.js'
import { createByteLimiter } from '../../src/platform/limiter.js'
import { createFakeClock } from '../support/fake-clock.js'

describe('createBackoff', () => {
  test('doubles up to the maximum and starts over', () => {
    const backoff = createBackoff({ firstMs: 1000, maxMs: 60_000, jitter: 0 })
    const waits = Array.from({ length: 8 }, () => backoff.nextMs())
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
    backoff.reset()
    expect(backoff.nextMs()).toBe(1000)
  })

  test('jitter only shortens, by at most its share', () => {
    expect(createBackoff({ firstMs: 1000, maxMs: 1000, jitter: 0.2, random: () => 0 }).nextMs()).toBe(1000)
    expect(createBackoff({ firstMs: 1000, maxMs: 1000, jitter: 0.2, random: () => 1 }).nextMs()).toBe(800)
  })
})

describe('createByteLimiter', () => {
  test('what crosses the limit is taken whole; then everything is refused and counts on until the reset', () => {
    const limiter = createByteLimiter(100)
    expect([limiter.allow(99), limiter.allow(50), limiter.allow(1)]).toEqual([true, true, false])
    expect([limiter.receivedBytes, limiter.throttledBytes]).toEqual([150, 1])
    limiter.reset()
    expect(limiter.allow(1)).toBe(true)
    expect([limiter.receivedBytes, limiter.throttledBytes]).toEqual([1, 0])
  })

  test('a limit of 0 refuses everything', () => {
    expect(createByteLimiter(0).allow(1)).toBe(false)
  })
})

describe('errors', () => {
  test.each([
    ['an error', new Error('no'), 'no'],
    ['a thrown text', 'no', 'no'],
    ['a refused connection that tried two addresses', new AggregateError([new Error('a'), new Error('b')]), 'a; b'],
  ])('messageOf %s', (_what, thrown, message) => {
    expect(messageOf(thrown)).toBe(message)
  })

  test('a StatsError keeps code, exit code and cause', () => {
    const cause = Object.assign(new Error('inner'), { code: 'EADDRINUSE' })
    const error = new StatsError('DS_X', 'outer', { cause, exitCode: 69 })
    expect(error).toMatchObject({ code: 'DS_X', exitCode: 69, message: 'outer' })
    expect(systemCodeOf(error.cause)).toBe('EADDRINUSE')
    expect(systemCodeOf(null)).toBeUndefined()
  })
})

describe('hosts', () => {
  test.each([
    ['localhost', true],
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['10.0.0.1', false],
    ['127.evil.example', false],
    ['127.0.0.1.example.org', false],
    ['0.0.0.0', false],
    ['::', false],
    ['', false],
  ])('isLoopback(%j) is %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected)
  })

  test.each([
    ['an IPv6 address gets brackets', { host: '::1', port: 8124 }, '[::1]:8124'],
    ['an IPv4 address does not', { host: '127.0.0.1', port: 8124 }, '127.0.0.1:8124'],
    ['a unix socket is a path', { kind: 'unix', path: '/run/x.sock' } as const, 'unix:/run/x.sock'],
  ])('formatAddress: %s', (_rule, address, text) => {
    expect(formatAddress(address)).toBe(text)
  })
})

describe.each([
  ['systemClock', () => ({ clock: systemClock, advance: async () => {} })],
  [
    'the clock of the tests',
    () => {
      const clock = createFakeClock()
      return { clock, advance: (ms: number) => clock.advance(ms) }
    },
  ],
])('%s', (_name, create) => {
  test('timers fire in order and repeat, unless they are cancelled', async () => {
    const { clock, advance } = create()
    const fired: string[] = []
    const cancel = clock.after(1, () => fired.push('cancelled'))
    cancel()
    const done = new Promise<void>((resolve) => {
      clock.after(5, () => fired.push('after'))
      const stop = clock.every(10, () => {
        fired.push('every')
        if (fired.length < 4) return
        stop()
        resolve()
      })
    })
    await advance(100)
    await done
    expect(fired).toEqual(['after', 'every', 'every', 'every'])
  })

  test('sleep ends when its time has come, or early on abort', async () => {
    const { clock, advance } = create()
    const abort = new AbortController()
    const interrupted = clock.sleep(3_600_000, abort.signal)
    abort.abort()
    await interrupted
    await clock.sleep(3_600_000, abort.signal)
    const slept = clock.sleep(5)
    await advance(5)
    await slept
  })
})
