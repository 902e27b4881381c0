import net from 'node:net'
import tls from 'node:tls'
import { messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import { type ClientSettings, connectTimeoutMs, createKafkaClient } from './kafka-client.js'
import { kafkaTypeOf, refusalOf } from './kafka-errors.js'

/**
 * Connects to one broker, logs in, and asks for the cluster's brokers: everything that can go wrong before the first
 * message, found within seconds.
 *
 * @throws StatsError that names the broker and the option to look at; with exit code 69 where the login was refused
 */
export async function probeBroker(broker: string, settings: ClientSettings, signal: AbortSignal): Promise<void> {
  const client = createKafkaClient(settings, async () => [broker], { retries: 0, requestTimeoutMs: connectTimeoutMs })
  const admin = client.kafka.admin()
  signal.addEventListener('abort', client.kill, { once: true })
  try {
    await admin.connect()
    // A listener that asks for a login still tells its versions, and hangs up at the first real request.
    await admin.describeCluster()
  } catch (error) {
    throw await explain(error, broker, settings)
  } finally {
    signal.removeEventListener('abort', client.kill)
    await admin.disconnect().catch(() => {})
    client.kill()
  }
}

async function explain(error: unknown, broker: string, settings: ClientSettings): Promise<StatsError> {
  const refusal = refusalOf(error)
  if (refusal !== undefined) return refusal
  const code = codeOf(error)
  const advice = adviceByCode[code] ?? (await adviceByHandshake(broker, settings, messageOf(error)))
  const message = `Cannot use the Kafka broker ${broker}: ${advice} (${messageOf(error)}).`
  return new StatsError('DS_BUS_AWAY', message, { cause: error })
}

const checkBrokers = 'check --kafka-brokers and that the broker runs'
const adviceByCode: Readonly<Record<string, string>> = {
  ECONNREFUSED: `nothing listens there; ${checkBrokers}`,
  ENOTFOUND: 'its name does not resolve; check --kafka-brokers',
  EAI_AGAIN: 'its name does not resolve now; check --kafka-brokers and the DNS server',
  EHOSTUNREACH: 'no route to it; check --kafka-brokers',
  ENETUNREACH: 'no route to it; check --kafka-brokers',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names; check --kafka-brokers or --kafka-tls-server-name',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted; check --kafka-tls-ca-file',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted; check --kafka-tls-ca-file',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is not trusted; check --kafka-tls-ca-file',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not trusted; check --kafka-tls-ca-file',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted; check --kafka-tls-ca-file',
}

// What the broker is like shows in a TLS handshake of our own: kafkajs only sees a closed connection or bytes that make no sense.
async function adviceByHandshake(broker: string, { ssl, sasl }: ClientSettings, message: string): Promise<string> {
  const answer = await tlsHandshake(broker)
  if (answer === 'silent') return `no answer within ${connectTimeoutMs / 1_000} s; ${checkBrokers}`
  if (answer === 'tls' && ssl === undefined) return 'it speaks TLS only; give --kafka-tls'
  if (answer === 'plain' && ssl !== undefined) return 'it does not speak TLS; leave --kafka-tls out or use its TLS port'
  if (ssl !== undefined && /certificate|handshake|alert|ssl/i.test(message)) {
    return 'it refused the TLS handshake; check --kafka-tls-cert-file and --kafka-tls-key-file'
  }
  if (sasl === undefined && /closed/i.test(message)) {
    return 'it hung up at the first request; where it asks for a login, give --kafka-sasl-mechanism'
  }
  if (/timed out|timeout/i.test(message)) return `it took the connection and did not answer; ${checkBrokers}`
  return checkBrokers
}

function tlsHandshake(broker: string): Promise<'tls' | 'plain' | 'silent'> {
  const [host = '', port] = broker.split(':')
  return new Promise((resolve) => {
    // It only looks whether TLS is spoken, sends nothing and is closed at once, so the certificate need not be checked.
    const socket = tls.connect({
      host,
      port: Number(port),
      rejectUnauthorized: false,
      timeout: 3_000,
      ...(net.isIP(host) === 0 && { servername: host }),
    })
    const settle = (answer: 'tls' | 'plain' | 'silent') => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('secureConnect', () => settle('tls'))
    socket.once('timeout', () => settle('silent'))
    // An alert is an answer in TLS; "wrong version number" and a plain hang-up are not.
    socket.on('error', (error) => settle(/alert/i.test(error.message) ? 'tls' : 'plain'))
  })
}

function codeOf(error: unknown): string {
  let fault = error
  for (let depth = 0; depth < 8 && fault instanceof Error; depth++) {
    const code = systemCodeOf(fault)
    if (code !== undefined) return code
    fault = fault.cause
  }
  return kafkaTypeOf(error)
}
