import type { LogEntry } from 'kafkajs'
import { createKafkaLog } from '../../src/bus/kafka-log.js'
import { Counters } from '../../src/telemetry/counters.js'
import { createRecordingLog } from '../services/support/kafka-bus.js'
import { createFakeClock } from '../support/fake-clock.js'

const levels = { error: 1, warn: 2, info: 4 }

function setUp() {
  const clock = createFakeClock()
  const log = createRecordingLog()
  const counters = new Counters()
  const write = createKafkaLog({ telemetry: { log, counters }, clock, repeatMs: 60_000 })(4)
  const say = (level: keyof typeof levels, message: string, extra = {}) =>
    write({
      namespace: 'Connection',
      level: levels[level],
      label: level,
      log: { timestamp: '', logger: 'kafkajs', message, ...extra },
    } as unknown as LogEntry)
  return { clock, log, counters, say }
}

test('an error of kafkajs is a warning: it tries again, and nothing is lost', () => {
  const { log, say } = setUp()
  say('error', 'Connection error: connect ECONNREFUSED 10.0.0.1:9092', { broker: '10.0.0.1:9092', stack: 'at ...' })
  expect(log.lines).toEqual([
    {
      level: 'warn',
      text: 'kafkajs: Connection error: connect ECONNREFUSED 10.0.0.1:9092',
      fields: { part: 'Connection', broker: '10.0.0.1:9092' },
    },
  ])
})

test('what repeats is told once a minute, with the number of its repeats, and all of it is counted', async () => {
  const { clock, log, counters, say } = setUp()
  for (let n = 0; n < 1_700; n++) say('error', `Connection error: try ${n}`)
  expect(log.lines).toHaveLength(1)
  await clock.advance(60_000)
  say('error', 'Connection error: try 1700')
  expect(log.lines).toHaveLength(2)
  expect(log.lines[1]?.fields).toMatchObject({ suppressed: 1_699 })
  expect(counters.value('bus.client_errors')).toBe(1_701)
})

test.each([
  ['its information', 'info', 'Consumer has joined the group', {}],
  ['a topic that is there already', 'error', 'Topic creation errors', { error: 'Topic with this name already exists' }],
  [
    'a topic that is being created',
    'error',
    'Response Metadata',
    { error: 'There is no leader ... leadership election' },
  ],
  ['a rebalance', 'warn', 'The group is rebalancing, re-joining', {}],
] as const)('%s is for developers', (_what, level, message, extra) => {
  const { log, say } = setUp()
  say(level, message, extra)
  expect(log.lines.map((line) => line.level)).toEqual(['debug'])
})

test('however many different texts there are, memory stays bounded and new ones are told', () => {
  const { log, say } = setUp()
  const name = (n: number) => String.fromCodePoint(...[...String(n)].map((digit) => 97 + Number(digit)))
  for (let n = 0; n < 2_000; n++) say('error', `no such host ${name(n)}`)
  expect(log.lines).toHaveLength(2_000)
})
