import { renderTop, type TopView } from '../../src/commands/top-screen.js'
import { liveState } from '../support/live-state.js'

const view: TopView = { show: 'containers', sort: 'rate', search: '', address: '127.0.0.1:9100', colour: false }

test('hops, then the containers, numbers in front of names', () => {
  expect(renderTop(liveState(), view).join('\n')).toBe(
    [
      'dcos-stats 1.2.3  statsd-proxy at 127.0.0.1:9100, up 100 s, ready',
      'HOP               RECEIVED     FORWARDED  HELD  DROPPED BY REASON',
      'statsd-proxy  12345  130/s  12000  120/s    45  container_limit 300  10/s',
      '',
      'containers: 2 of 7',
      'DATAPOINTS*   BYTES    DROPPED  LAST  APPLICATION  FRAMEWORK  CONTAINER',
      '      100/s  5 kB/s  10/s  300   now  shop/web     marathon   c-loud',
      '        0/s   0 B/s          0  90 s                          c-silent',
    ].join('\n'),
  )
})

test('frameworks and metric names', () => {
  const frameworks = renderTop(liveState(), { ...view, show: 'frameworks', sort: 'bytes' })
  expect(frameworks.slice(4)).toEqual([
    'frameworks: 1',
    'DATAPOINTS  BYTES*  DROPPED  LAST  CONTAINERS  FRAMEWORK',
    '     100/s  5 kB/s      300   now           2  marathon (fw-1)',
  ])
  const names = renderTop(liveState(), { ...view, show: 'names', search: 'WEB' })
  expect(names.slice(4)).toEqual([
    'metric names like "WEB": 1',
    'DATAPOINTS*    BYTES  LAST  METRIC',
    '       60/s  900 B/s   now  web.requests',
  ])
})

test('what a daemon waits for stands in the first line', () => {
  const checks = { bus: { ready: false, reason: 'no broker answers' }, listening: { ready: true } }
  const [first] = renderTop(liveState({ ready: false, checks }), view)
  expect(first).toBe('dcos-stats 1.2.3  statsd-proxy at 127.0.0.1:9100, up 100 s, waiting for bus (no broker answers)')
})

test('no line is longer than the terminal is wide, coloured or not', () => {
  for (const colour of [false, true]) {
    const lines = renderTop(liveState(), { ...view, colour }, 40)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    for (const line of lines) expect(line.replace(/\x1b\[\d+m/g, '').length).toBeLessThanOrEqual(40)
    expect(lines.join('').includes('\x1b[31m')).toBe(colour)
  }
})

test('a name that holds control characters cannot command the terminal', () => {
  const rows = [{ id: 'a\x1b[2J\u202eb\r\n', rate: 1, byteRate: 1 }]
  const lines = renderTop(liveState({ names: { found: 1, rows } }), { ...view, show: 'names' })
  expect(lines.at(-1)).toMatch(/ {2}a·\[2J·b··$/)
})
