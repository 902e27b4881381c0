import { EventEmitter } from 'node:events'
import type { TopView } from '../../src/commands/top-screen.js'
import { runTopTerminal } from '../../src/commands/top-terminal.js'
import type { LiveQuery, LiveState } from '../../src/model/live.js'
import { StatsError } from '../../src/platform/errors.js'
import { liveState } from '../support/live-state.js'

const view: TopView = { show: 'containers', sort: 'rate', search: '', address: '127.0.0.1:9100', colour: false }

/** A terminal of 80 columns, and a daemon that tells a state whenever `tell` is called. */
function setUp({ fails }: { fails?: Error } = {}) {
  const stdin = Object.assign(new EventEmitter(), {
    raw: false,
    setRawMode(on: boolean) {
      stdin.raw = on
      return stdin as never
    },
    resume: () => stdin as never,
    pause: () => stdin as never,
  })
  const written: string[] = []
  const stdout = Object.assign(new EventEmitter(), {
    columns: 80,
    rows: 12,
    write(text: string) {
      written.push(text)
      return true
    },
  })
  const queries: LiveQuery[] = []
  const stop = new AbortController()
  async function* follow(query: LiveQuery, signal: AbortSignal): AsyncGenerator<LiveState> {
    queries.push(query)
    if (fails) throw fails
    yield liveState()
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }
  const running = runTopTerminal({
    stdin: stdin as never,
    stdout: stdout as never,
    follow,
    view,
    limit: undefined,
    signal: stop.signal,
  })
  return {
    stdin,
    stdout,
    written,
    queries,
    stop,
    running,
    type: async (keys: string) => {
      stdin.emit('data', Buffer.from(keys))
      await settle()
    },
    screen: () => written.findLast((text) => text.startsWith('\x1b[H')) ?? '',
  }
}

const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test('it draws on a screen of its own, as high as the terminal, and leaves everything as it was', async () => {
  const { stdin, written, screen, type, running } = setUp()
  await settle()
  expect(stdin.raw).toBe(true)
  expect(written[0]).toBe('\x1b[?1049h\x1b[?25l')
  expect(screen()).toContain('c-loud')
  expect(screen().split('\r\n').length).toBe(12)
  await type('q')
  await running
  expect(stdin.raw).toBe(false)
  expect(written.at(-1)).toBe('\x1b[?25h\x1b[?1049l')
  expect([stdin.listenerCount('data')]).toEqual([0])
})

test.each([
  ['Ctrl-C', '\x03'],
  ['q', 'q'],
])('%s quits', async (_name, keys) => {
  const { type, running } = setUp()
  await settle()
  await type(keys)
  await running
})

test('so does the signal of the process', async () => {
  const { stop, running } = setUp()
  await settle()
  stop.abort()
  await running
})

test('keys choose the table and the order; another order is asked for', async () => {
  const { type, screen, queries, running } = setUp()
  await settle()
  await type('\t')
  expect(screen()).toContain('frameworks: 1')
  await type('3')
  expect(screen()).toContain('metric names: 1')
  await type('d')
  expect(queries.map(({ sort }) => sort)).toEqual(['rate', 'drops'])
  await type('1')
  expect(screen()).toContain('DROPPED*')
  await type('q')
  await running
})

test('/ searches: what is typed is shown, and the daemon asked for it', async () => {
  const { type, screen, queries, running } = setUp()
  await settle()
  await type('/shox')
  expect(screen()).toContain('search: shox_')
  await type('\x7fp\r')
  expect(queries.at(-1)).toMatchObject({ search: 'shop' })
  expect(screen()).toContain('containers like "shop"')
  await type('/q')
  await type('\x1b')
  expect(queries.at(-1)).toMatchObject({ search: 'shop' })
  await type('q')
  await running
})

test('a new size is drawn at once', async () => {
  const { stdout, screen, type, running } = setUp()
  await settle()
  Object.assign(stdout, { columns: 30, rows: 6 })
  stdout.emit('resize')
  const lines = screen().split('\r\n')
  expect(lines.length).toBe(6)
  await type('q')
  await running
})

test('a terminal that has no size is taken for one of 80 by 24', async () => {
  const { stdout, screen, type, running } = setUp()
  await settle()
  Object.assign(stdout, { columns: 0, rows: 0 })
  stdout.emit('resize')
  expect(screen().split('\r\n')).toHaveLength(24)
  expect(screen()).toContain('dcos-stats')
  await type('q')
  await running
})

test('a daemon that does not answer from the start ends it, with the terminal as it was', async () => {
  const { running, stdin, written } = setUp({ fails: new StatsError('DS_ADMIN_AWAY', 'not there') })
  await expect(running).rejects.toMatchObject({ code: 'DS_ADMIN_AWAY' })
  expect([stdin.raw, written.at(-1)]).toEqual([false, '\x1b[?25h\x1b[?1049l'])
})
