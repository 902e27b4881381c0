import kj from 'kafkajs'
import { isAway, isTooLarge, kafkaTypeOf, needsNewClient, refusalOf, topicError } from '../../src/bus/kafka-errors.js'
import { StatsError } from '../../src/platform/errors.js'

function protocol(type: string, message = type): Error {
  return new kj.KafkaJSProtocolError(Object.assign(new Error(message), { type, code: 0, retriable: false }))
}

/** As kafkajs hands out what it has repeated in vain. */
function afterRetries(cause: Error): Error {
  return new kj.KafkaJSNumberOfRetriesExceeded(cause, { retryCount: 30, retryTime: 1_000 })
}

/** As kafkajs hands out what it does not repeat; its types do not know the cause. */
function wrapped(cause: Error): Error {
  return Object.assign(new kj.KafkaJSNonRetriableError(cause), { cause })
}

function loginFailed(): Error {
  return Object.assign(new Error('SASL PLAIN authentication failed'), { name: 'KafkaJSSASLAuthenticationError' })
}

const refused = new kj.KafkaJSConnectionError('Connection error: connect ECONNREFUSED', { broker: 'b:9092' })

test.each([
  ['a message over the limit', protocol('MESSAGE_TOO_LARGE'), 'DS_BUS_MESSAGE_TOO_LARGE'],
  ['a batch over the limit', protocol('RECORD_LIST_TOO_LARGE'), 'DS_BUS_MESSAGE_TOO_LARGE'],
  ['a topic name', protocol('INVALID_TOPIC_EXCEPTION'), 'DS_BUS_TOPIC_INVALID'],
  ['a topic that is not created', afterRetries(protocol('UNKNOWN_TOPIC_OR_PARTITION')), 'DS_BUS_TOPIC_MISSING'],
  ['a topic one may not write to', protocol('TOPIC_AUTHORIZATION_FAILED'), 'DS_BUS_DENIED'],
  ['a broker that is away', wrapped(refused), 'DS_BUS_AWAY'],
  ['too few replicas', afterRetries(protocol('NOT_ENOUGH_REPLICAS')), 'DS_BUS_AWAY'],
  ['anything else', new TypeError("Cannot read properties of undefined (reading 'connectionPool')"), 'DS_BUS_AWAY'],
])('publishing: %s', (_what, error, code) => {
  const told = topicError(error, 'metrics-x')
  expect(told).toMatchObject({ code, exitCode: undefined, cause: error })
  expect(told.message).toContain('metrics-x')
})

test('publishing: a refused login is for good', () => {
  const error = loginFailed()
  expect(topicError(afterRetries(error), 'x')).toMatchObject({ code: 'DS_BUS_AUTH', exitCode: 69 })
})

test('an error of ours stays as it is', () => {
  const ours = new StatsError('DS_BUS_CLOSED', 'closed')
  expect(topicError(ours, 'x')).toBe(ours)
})

test.each([
  ['a wrong password', loginFailed(), 'DS_BUS_AUTH', '--kafka-sasl-password'],
  ['a group one may not join', protocol('GROUP_AUTHORIZATION_FAILED'), 'DS_BUS_DENIED', '--group-id'],
  ['topics one may not read', afterRetries(protocol('TOPIC_AUTHORIZATION_FAILED')), 'DS_BUS_DENIED', 'Allow'],
  ['another kind of client in the group', protocol('INCONSISTENT_GROUP_PROTOCOL'), 'DS_BUS_CONFIG', '--group-id'],
])('consuming: %s ends the program, telling what to do', (_what, error, code, advice) => {
  expect(refusalOf(error)).toMatchObject({ code, exitCode: 69, message: expect.stringContaining(advice) })
})

test.each([
  ['a connection', refused],
  ['a dead leader', protocol('NOT_LEADER_FOR_PARTITION')],
  ['a rebalance', protocol('REBALANCE_IN_PROGRESS')],
  ['no error at all', 'text'],
])('consuming: %s ends nothing', (_what, error) => {
  expect(refusalOf(error)).toBeUndefined()
})

test.each([
  ['an answer about the message', protocol('MESSAGE_TOO_LARGE'), false],
  ['an answer about the topic', afterRetries(protocol('UNKNOWN_TOPIC_OR_PARTITION')), false],
  ['too few replicas', protocol('NOT_ENOUGH_REPLICAS'), false],
  ['an error of ours', new StatsError('DS_BUS_CLOSED', 'closed'), false],
  ['a lost connection', refused, true],
  ['metadata that do not get better', afterRetries(protocol('NOT_LEADER_FOR_PARTITION')), true],
  ['a mistake inside kafkajs', new TypeError('x'), true],
  ['an answer that never came', new Error('no answer within 60000 ms'), true],
])('a new client after %s: %#', (_what, error, expected) => {
  expect(needsNewClient(error)).toBe(expected)
})

test('the reason is found through all wrappers', () => {
  expect(kafkaTypeOf(afterRetries(protocol('NOT_LEADER_FOR_PARTITION')))).toBe('NOT_LEADER_FOR_PARTITION')
  expect(kafkaTypeOf(new kj.KafkaJSAggregateError('Topic creation errors', [protocol('TOPIC_ALREADY_EXISTS')]))).toBe(
    'TOPIC_ALREADY_EXISTS',
  )
  expect(isTooLarge(afterRetries(protocol('MESSAGE_TOO_LARGE')))).toBe(true)
  expect(isAway(afterRetries(refused))).toBe(true)
  expect(isAway(protocol('ILLEGAL_GENERATION'))).toBe(false)
  expect(kafkaTypeOf(undefined)).toBe('unknown')
})
