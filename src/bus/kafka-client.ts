import { readFile } from 'node:fs/promises'
import net from 'node:net'
import tls from 'node:tls'
import kj, { type ISocketFactory, type Kafka, type logCreator, type SASLOptions } from 'kafkajs'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import type { KafkaSasl, KafkaTls } from './kafka-options.js'
import { repairKafkajs } from './kafka-repairs.js'

/** What all clients of one bus have in common, with its files read. */
export interface ClientSettings {
  readonly clientId: string
  readonly ssl: tls.ConnectionOptions | undefined
  readonly sasl: SASLOptions | undefined
  readonly logCreator: logCreator
  readonly requestTimeoutMs: number
}

/** A kafkajs client that can be thrown away at any moment. */
export interface KafkaClient {
  readonly kafka: Kafka
  /** Ends every connection now and refuses new ones, so that whatever still repeats inside kafkajs gives up. */
  kill(): void
}

export const connectTimeoutMs = 5_000

/**
 * Every part that uses Kafka takes a client of its own: kafkajs keeps the positions of a group per client object, so
 * two consumers of one group on one client would overwrite each other's.
 *
 * @param findBrokers asked again for each new seed connection; an empty list makes kafkajs give up
 * @param retries how often kafkajs repeats by itself, at most a second apart; practically for ever, because a member that
 *   comes back to its group goes on at once, while a new one waits until the old one has expired. It goes on the client:
 *   connections are repeated by the client's policy alone, and with it on the producer a send is rejected while a
 *   broker restarts
 */
export function createKafkaClient(
  settings: ClientSettings,
  findBrokers: () => Promise<readonly string[]>,
  { retries = 10_000, requestTimeoutMs = settings.requestTimeoutMs } = {},
): KafkaClient {
  repairKafkajs()
  const sockets = createSockets()
  const kafka = new kj.Kafka({
    clientId: settings.clientId,
    brokers: async () => (sockets.killed ? [] : [...(await findBrokers())]),
    ...(settings.ssl !== undefined && { ssl: settings.ssl }),
    ...(settings.sasl !== undefined && { sasl: settings.sasl }),
    connectionTimeout: connectTimeoutMs,
    authenticationTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries },
    socketFactory: sockets.factory,
    logLevel: kj.logLevel.INFO,
    logCreator: settings.logCreator,
  })
  return { kafka, kill: sockets.kill }
}

/** @throws StatsError with exit code 78 that names the file that cannot be read */
export async function readTls({ caFile, certFile, keyFile, keyPassphrase, serverName }: KafkaTls) {
  const [ca, cert, key] = await Promise.all([
    readOptionFile(caFile, '--kafka-tls-ca-file'),
    readOptionFile(certFile, '--kafka-tls-cert-file'),
    readOptionFile(keyFile, '--kafka-tls-key-file'),
  ])
  const options = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(keyPassphrase !== undefined && { passphrase: keyPassphrase }),
    ...(serverName !== undefined && { servername: serverName }),
  }
  try {
    tls.createSecureContext(options)
  } catch (cause) {
    const message = `The files of --kafka-tls-* are no usable PEM certificates and key: ${messageOf(cause)}.`
    throw new StatsError('DS_BUS_CONFIG', message, { cause, exitCode: ExitCode.config })
  }
  return options
}

/** @throws StatsError with exit code 78 where the token's file cannot be read at the start */
export async function readSasl(sasl: KafkaSasl): Promise<SASLOptions> {
  if (sasl.mechanism !== 'oauthbearer') return { ...sasl }
  const readToken = async () => (await readOptionFile(sasl.tokenFile, '--kafka-sasl-token-file'))!.trim()
  await readToken()
  return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: await readToken() }) }
}

async function readOptionFile(path: string | undefined, option: string): Promise<string | undefined> {
  if (path === undefined) return undefined
  return readFile(path, 'utf8').catch((cause: unknown) => {
    const message = `Cannot read the file of ${option}: ${messageOf(cause)}.`
    throw new StatsError('DS_BUS_CONFIG', message, { cause, exitCode: ExitCode.config })
  })
}

function createSockets() {
  const open = new Set<net.Socket>()
  const state = { killed: false, factory, kill }
  return state

  function factory({ host, port, ssl, onConnect }: Parameters<ISocketFactory>[0]): net.Socket {
    if (state.killed) throw new Error('this client has been replaced by a new one')
    const socket = ssl
      ? tls.connect({ host, port, ...(net.isIP(host) === 0 && { servername: host }), ...ssl }, connected)
      : net.connect({ host, port }, connected)
    const tooLate = setTimeout(() => abandon(socket), connectTimeoutMs + 100)
    // kafkajs calls unref() on a socket that is still connecting for each request that waits for it.
    socket.setKeepAlive(true, 60_000).setNoDelay(true).setMaxListeners(0)
    open.add(socket)
    socket.once('close', () => {
      clearTimeout(tooLate)
      open.delete(socket)
    })
    return socket

    function connected(): void {
      clearTimeout(tooLate)
      onConnect()
    }
  }

  // kafkajs has given this one up and opened another; if it connected now, kafkajs would take the other for connected.
  function abandon(socket: net.Socket): void {
    socket.removeAllListeners().on('error', () => {})
    open.delete(socket)
    socket.destroy()
  }

  // kafkajs listens for 'error' and 'end' only: a socket that merely closes would leave its requests waiting.
  function kill(): void {
    state.killed = true
    for (const socket of open) socket.destroy(new Error('connection ended: this client is being replaced'))
  }
}
