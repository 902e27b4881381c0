import { type ErrorCode, ExitCode, messageOf, StatsError } from '../platform/errors.js'
import type { OutgoingMessage } from './bus.js'
import { unreadableName } from './kafka-codecs.js'

/** Some messages of a publish will never be taken; the others of it are durable. */
export class MessagesRefused extends StatsError {
  readonly refused: readonly OutgoingMessage[]

  constructor(message: string, refused: readonly OutgoingMessage[], cause: unknown) {
    super('DS_BUS_MESSAGE_TOO_LARGE', message, { cause })
    this.refused = refused
  }
}

/** What kafkajs calls the reason, found through its wrappers: a protocol error's type, else the error's name. */
export function kafkaTypeOf(thrown: unknown): string {
  const chain = [...causesOf(thrown)]
  const typed = chain.find((error) => typeof error.type === 'string')
  return String(typed?.type ?? chain.at(-1)?.name ?? 'unknown')
}

/** Kafka said no to these messages or this topic: the same request will be answered so again. */
export function isTooLarge(thrown: unknown): boolean {
  return ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'].includes(kafkaTypeOf(thrown))
}

/** Anything but Kafka's own answer to what was asked: the connection or the client is in doubt, and a new one may help. */
export function needsNewClient(thrown: unknown): boolean {
  if (thrown instanceof StatsError) return false
  const type = kafkaTypeOf(thrown)
  return topicMessages[type] === undefined && !type.startsWith('NOT_ENOUGH_REPLICAS')
}

/** No broker answers: nothing is wrong with this client, and the only help is to wait. */
export function isAway(thrown: unknown): boolean {
  return [...causesOf(thrown)].some(({ name }) => awayNames.includes(String(name)))
}

const awayNames = [
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSGroupCoordinatorNotFound',
]

/**
 * What went wrong with a topic, in the operator's words. `exitCode` is set where waiting cannot help.
 *
 * DS_BUS_TOPIC_INVALID and DS_BUS_MESSAGE_TOO_LARGE are for good; DS_BUS_AWAY, DS_BUS_TOPIC_MISSING and DS_BUS_DENIED
 * may be tried again.
 */
export function topicError(thrown: unknown, topic: string): StatsError {
  if (thrown instanceof StatsError) return thrown
  const type = kafkaTypeOf(thrown)
  const known = topicMessages[type]
  if (known !== undefined) {
    const [code, message] = known
    return new StatsError(code, `Kafka ${message.replaceAll('{topic}', topic)}: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
  const away = `Kafka did not take messages for topic ${topic} (${type}): ${messageOf(thrown)}`
  return refusalOf(thrown) ?? new StatsError('DS_BUS_AWAY', away, { cause: thrown })
}

const topicMessages: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  MESSAGE_TOO_LARGE: [
    'DS_BUS_MESSAGE_TOO_LARGE',
    'refuses a message for topic {topic} as too large (max.message.bytes)',
  ],
  RECORD_LIST_TOO_LARGE: ['DS_BUS_MESSAGE_TOO_LARGE', 'refuses a batch for topic {topic} as too large (segment.bytes)'],
  INVALID_TOPIC_EXCEPTION: ['DS_BUS_TOPIC_INVALID', 'refuses the topic name "{topic}"'],
  TOPIC_AUTHORIZATION_FAILED: ['DS_BUS_DENIED', 'does not let this user write to topic {topic}; allow it there'],
  CLUSTER_AUTHORIZATION_FAILED: ['DS_BUS_DENIED', 'does not let this user do that for topic {topic}; allow it there'],
  UNKNOWN_TOPIC_OR_PARTITION: [
    'DS_BUS_TOPIC_MISSING',
    'has no topic {topic} and does not create it; create it, or give --kafka-create-topics',
  ],
  INVALID_REPLICATION_FACTOR: [
    'DS_BUS_TOPIC_MISSING',
    'has too few brokers for the replication asked for topic {topic}; lower --kafka-topic-replication',
  ],
  INVALID_PARTITIONS: ['DS_BUS_TOPIC_MISSING', 'refuses the number of partitions for topic {topic}'],
}

/** A StatsError with exit code 69 where Kafka refuses this client whatever it asks, else undefined. */
export function refusalOf(thrown: unknown): StatsError | undefined {
  if (thrown instanceof StatsError) return thrown.exitCode === undefined ? undefined : thrown
  const chain = [...causesOf(thrown)]
  const known = chain.flatMap(({ name, type }) => refusals[String(type)] ?? refusals[String(name)] ?? [])[0]
  if (known === undefined) return undefined
  const [code, advice] = known
  return new StatsError(code, `Kafka: ${messageOf(thrown)}. ${advice}`, {
    cause: thrown,
    exitCode: ExitCode.unavailable,
  })
}

const loginAdvice = 'Check --kafka-sasl-mechanism, --kafka-sasl-username and --kafka-sasl-password.'
const refusals: Readonly<Record<string, readonly [ErrorCode, string][]>> = {
  KafkaJSSASLAuthenticationError: [['DS_BUS_AUTH', loginAdvice]],
  SASL_AUTHENTICATION_FAILED: [['DS_BUS_AUTH', loginAdvice]],
  UNSUPPORTED_SASL_MECHANISM: [['DS_BUS_AUTH', 'Check --kafka-sasl-mechanism against what the listener offers.']],
  ILLEGAL_SASL_STATE: [['DS_BUS_AUTH', 'This listener asks for no login: leave --kafka-sasl-mechanism out.']],
  GROUP_AUTHORIZATION_FAILED: [['DS_BUS_DENIED', 'Allow this user to read with the group, or change --group-id.']],
  TOPIC_AUTHORIZATION_FAILED: [['DS_BUS_DENIED', 'Allow this user to read the topics, or narrow them down.']],
  INVALID_GROUP_ID: [['DS_BUS_CONFIG', 'Check --group-id.']],
  INVALID_SESSION_TIMEOUT: [['DS_BUS_CONFIG', 'Check KAFKA_OVERRIDE_SESSION_TIMEOUT_MS against the brokers.']],
  INCONSISTENT_GROUP_PROTOCOL: [['DS_BUS_CONFIG', 'Another kind of client uses this group: change --group-id.']],
  [unreadableName]: [['DS_BUS_CODEC', 'Nothing behind it in its partition can be read before that.']],
}

interface KafkaFault {
  readonly name?: unknown
  readonly type?: unknown
  readonly message?: unknown
  readonly cause?: unknown
  readonly errors?: readonly unknown[]
}

function* causesOf(thrown: unknown, depth = 0): Generator<KafkaFault> {
  if (typeof thrown !== 'object' || thrown === null || depth > 8) return
  const fault: KafkaFault = thrown
  yield fault
  for (const one of fault.errors ?? []) yield* causesOf(one, depth + 1)
  if (fault.cause !== thrown) yield* causesOf(fault.cause, depth + 1)
}
