import { encodeContainerFile } from '../codec/avro-ocf.js'
import type { ContainerEndpoint } from '../containers/endpoint.js'
import type { IsolatorApi } from '../containers/isolator-api.js'
import type { Registry } from '../containers/registry.js'
import type { StatsdUdpSource } from '../inputs/statsd-udp.js'
import type { ContainerIdentity } from '../model/agent-state.js'
import type { MetricList } from '../model/metric-list.js'
import type { GivenSocket, Successor } from '../platform/handle-passing.js'
import { formatAddress, type HostPort, type ListenAddress } from '../platform/hosts.js'
import type { ListenOptions } from '../platform/listen.js'
import type { Daemon } from './daemon.js'

/** A container as one process tells the next of it. */
export interface LeftContainer extends ContainerEndpoint {
  /** Absent where it was not known. */
  readonly identity?: ContainerIdentity
}

/** The isolator API, and how a proxy leaves all it has to another process. */
export interface Leaving {
  openApi(inherit: ListenOptions['inherit']): Promise<void>
  apiAddress(): ListenAddress | undefined
  closeApi(): Promise<void>
  handOver(successor: Successor): Promise<void>
  /** Aborted when another process has everything, and this one is to drain. */
  readonly signal: AbortSignal
  /** Gives the successor what cannot be sent any more; undefined while there is none. */
  giveLists(): ((lists: readonly MetricList[]) => Promise<void>) | undefined
  /** Says goodbye to the successor. Rejects where it has gone before it knew everything. */
  end(): Promise<void>
}

const apiTries = 50
const apiRetryMs = 100

export function createLeaving({
  daemon: { log, clock },
  statsd,
  registry,
  startApi,
}: {
  daemon: Pick<Daemon, 'log' | 'clock'>
  statsd: StatsdUdpSource
  registry: Registry
  startApi: (inherit: ListenOptions['inherit']) => Promise<IsolatorApi | undefined>
}): Leaving {
  const left = new AbortController()
  let api: IsolatorApi | undefined
  let heir: Successor | undefined
  let told: Promise<void> = Promise.resolve()

  return {
    signal: left.signal,
    apiAddress: () => api?.address,
    closeApi,
    async openApi(inherit) {
      api = await startApi(inherit)
    },

    async handOver(successor) {
      try {
        await giveSockets(successor)
      } catch (cause) {
        successor.abandon()
        if (api === undefined) await reopenApi()
        throw cause
      }
      log.info('another process takes over: this one sends what it has and ends')
      const containers = registry.endpoints().map(withIdentity)
      // Both processes have the sockets. From here on only the other one reads.
      const endpoints = await statsd.handOver()
      heir = successor
      told = successor.tell({ state: { containers, endpoints } })
      told.catch(() => {})
      left.abort()
    },

    giveLists() {
      const to = heir
      return to && ((lists) => to.tell({ lists: encodeContainerFile(lists).toString('base64') }))
    },

    async end() {
      await told
      await heir?.end()
    },
  }

  async function giveSockets(successor: Successor): Promise<void> {
    const sockets = udpAddresses()
    await successor.give([...apiSocket(), ...sockets])
    // Who connects from now on is answered by the other process: the socket that listens lives on there.
    const leaving = api
    api = undefined
    await leaving?.leave()
    const given = new Set(sockets.map(({ host, port }) => `${host} ${port}`))
    const late = udpAddresses().filter(({ host, port }) => !given.has(`${host} ${port}`))
    if (late.length > 0) await successor.give(late)
  }

  function udpAddresses(): ({ readonly kind: 'udp' } & HostPort)[] {
    return statsd.addresses().map((address) => ({ kind: 'udp', ...address }))
  }

  function apiSocket(): GivenSocket[] {
    return api ? [{ ...api.bound, name: formatAddress(api.address) }] : []
  }

  function withIdentity(endpoint: ContainerEndpoint): LeftContainer {
    const owner = registry.ownerOf(endpoint.containerId)
    return owner.status === 'known' ? { ...endpoint, identity: owner.identity } : endpoint
  }

  async function closeApi(): Promise<void> {
    const closing = api
    api = undefined
    await closing?.close()
  }

  /** The process that failed to take over may hold the address for another moment. */
  async function reopenApi(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        api = await startApi(undefined)
        return
      } catch (cause) {
        if (tries === apiTries) throw cause
        await clock.sleep(apiRetryMs)
      }
    }
  }
}
