import { type ChildProcess, spawn } from 'node:child_process'
import { isIPv6, type Socket } from 'node:net'
import { platform } from 'node:os'
import { fileURLToPath } from 'node:url'
import { StatsError } from './errors.js'
import { formatAddress } from './hosts.js'
import { type BoundAddress, findOwnDescriptors } from './own-descriptors.js'
import { type RelayedSocket, type RelayOrder, relayDone } from './relay-order.js'

/**
 * A process that takes over from this one: its IPC channel (`inheritance.ts`), of which this process holds the other
 * end as a plain socket. Messages are lines of JSON, as Node documents it for foreign processes; sockets need a relay.
 */
export interface Successor {
  /**
   * Gives it sockets of this process; they stay open here too, so both ends read until one closes. The first call waits
   * until it is ready. Rejects where it has gone, or does not get ready in time.
   */
  give(sockets: readonly GivenSocket[]): Promise<void>
  /** Resolves when the kernel has the message. Rejects where the successor has gone. No `give` after it. */
  tell(message: object): Promise<void>
  /** Nothing more will be told. */
  end(): Promise<void>
  /** Breaks it off. */
  abandon(): void
}

/** A server can have a name besides the address it is bound at: the path that a unix socket was moved to. */
export type GivenSocket = BoundAddress & { readonly name?: string }

const relayPath = fileURLToPath(new URL('./handle-relay.js', import.meta.url))
/** Standard streams and the channel come first. */
const firstDescriptor = 4

/**
 * @param connection a unix socket whose other end the successor has as its IPC channel; nothing may have been read from it
 * @param readyTimeoutMs how long the successor may take to start
 */
export function createSuccessor(connection: Socket, readyTimeoutMs = 30_000): Successor {
  let isReady = false
  connection.on('error', () => {})

  return {
    async give(sockets) {
      const awaitReady = !isReady
      await passOn(connection, sockets, awaitReady, readyTimeoutMs)
      isReady = true
    },

    tell(message) {
      // What comes from there now is acknowledgements at most; reading shows when the process has gone.
      connection.resume()
      return new Promise((resolve, reject) => {
        connection.write(`${JSON.stringify(message)}\n`, (cause) => (cause ? reject(gone(cause.message)) : resolve()))
      })
    },

    end: () => new Promise((resolve) => connection.end(() => resolve())),
    abandon: () => void connection.destroy(),
  }
}

async function passOn(
  connection: Socket,
  addresses: readonly GivenSocket[],
  awaitReady: boolean,
  timeoutMs: number,
): Promise<void> {
  const descriptors = await descriptorsOf(addresses)
  const relay = spawn(process.execPath, [relayPath], {
    stdio: ['pipe', 'pipe', 'inherit', connection, ...descriptors],
    env: { NODE_CHANNEL_FD: '3' },
    timeout: timeoutMs,
  })
  const order: RelayOrder = { sockets: addresses.map(relayed), awaitReady }
  relay.stdin?.on('error', () => {}).end(JSON.stringify(order))
  const said = await lastWords(relay)
  if (said !== relayDone) throw gone(said || `it did not take everything within ${timeoutMs} ms`)
}

function relayed(address: GivenSocket, index: number): RelayedSocket {
  const descriptor = firstDescriptor + index
  if (address.kind === 'udp') return { descriptor, type: isIPv6(address.host.replace(/%.*/, '')) ? 'udp6' : 'udp4' }
  const { name = formatAddress(address), ...bound } = address
  return { descriptor, type: 'server', server: { name, bound } }
}

async function descriptorsOf(addresses: readonly BoundAddress[]): Promise<number[]> {
  if (platform() !== 'linux') {
    throw new StatsError('DS_HANDOVER', 'Sockets can be handed to another process on Linux only: restart this one.')
  }
  const found = await findOwnDescriptors(addresses)
  const missing = addresses.filter((_, index) => found[index] === undefined)
  if (missing.length === 0) return found as number[]
  const names = missing.map((address) => `${address.kind} ${formatAddress(address)}`)
  throw new StatsError('DS_HANDOVER', `The kernel does not list ${names.join(', ')} among the sockets of this process.`)
}

/** Resolves when the process has ended. */
function lastWords(relay: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    relay.stdout?.on('data', (part) => {
      said += part
    })
    relay.once('error', reject)
    relay.once('close', () => resolve(said))
  })
}

function gone(why: string): StatsError {
  return new StatsError('DS_HANDOVER', `The process that was to take over cannot: ${why}`)
}
