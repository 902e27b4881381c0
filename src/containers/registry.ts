import { type Clock, systemClock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import { checkContainerId } from './container-id.js'
import type { ContainerEndpoint, OpenSocket, Owner } from './endpoint.js'
import { createAsker, type Identities } from './identities.js'
import { isSameOwner, lastPart, lookUpOwner } from './owners.js'
import { createPorts, type Lease, type PortMode } from './ports.js'
import type { StateDir } from './state-dir.js'

/** Who owns which StatsD endpoint. */
export interface Registry {
  /**
   * Gives a container its endpoint, the same one for the same id. Resolves once the endpoint is bound and on disk;
   * with undefined where none is to be given (no port left, or none could be opened): the container then starts
   * without. Rejects with `DS_CONTAINER_ID` for an id that cannot be kept.
   */
  register(containerId: string): Promise<ContainerEndpoint | undefined>
  /** Closes the container's socket, frees its port and forgets it. An unknown id is no error. */
  unregister(containerId: string): Promise<void>
  /**
   * Binds again what the state directory holds. To be called once, before the first `register`.
   *
   * @param handedOver what the process before this one told besides, in case the directory could not be written
   */
  recover(handedOver?: readonly ContainerEndpoint[]): Promise<void>
  /**
   * Compares with what the agent lists; to be called after each good poll. A container that the agent has listed
   * before, or that comes from the state directory, ends when it is missing for the second time in a row. One that
   * was just announced is never ended so: the agent announces it before it lists it.
   *
   * @param listedContainerIds last parts of the ids of all containers, outer and nested
   */
  reconcile(listedContainerIds: Iterable<string>): Promise<void>
  ownerOf(containerId: string): Owner
  endpoints(): ContainerEndpoint[]
  /** Closes the sockets and keeps the state directory, so that the next start has the same endpoints. */
  close(): Promise<void>
}

interface Entry {
  readonly containerId: string
  /** From the state directory. */
  readonly recovered: boolean
  /** Told to the container by an earlier run. */
  readonly told: ContainerEndpoint | undefined
  opening: Promise<ContainerEndpoint | undefined>
  lease: Lease | undefined
  owner: Owner
  listedOnce: boolean
  misses: number
}

const missesToEnd = 2
// Above this share of the descriptors an operator still has time to raise the limit.
const descriptorShareToWarn = 0.8

/**
 * @param stateDir where endpoints outlive the process; without it they do not
 * @param identities the agent; without it nobody is waited for, and every container is unknown
 * @param descriptorLimit open files that the process may have, for a warning before they run out
 */
export function createRegistry({
  portMode,
  openSocket,
  stateDir,
  identities,
  log,
  counters,
  clock = systemClock,
  descriptorLimit = Number.POSITIVE_INFINITY,
}: {
  portMode: PortMode
  openSocket: OpenSocket
  stateDir?: StateDir
  identities?: Identities
  log: Log
  counters: Counters
  clock?: Clock
  descriptorLimit?: number
}): Registry {
  const ports = createPorts(portMode, openSocket)
  const entries = new Map<string, Entry>()
  const endings = new Map<string, Promise<void>>()
  let warnedOfDescriptors = false

  const asker = createAsker({ refresh: () => identities?.refresh(), stillNeeded: anyPending, clock })
  const stopListening = identities?.onIdentities(updateOwners)
  const stopReading = counters.onRead(() => counters.set('proxy.containers', entries.size))

  return {
    async register(containerId) {
      checkContainerId(containerId)
      const known = entries.get(containerId)
      if (known === undefined) return add(containerId).opening
      const endpoint = await known.opening
      if (endpoint !== undefined || known.told === undefined) return endpoint
      // Recovered, but its port was not to be had. Announced anew, it can be told another one.
      if (entries.get(containerId) === known) entries.delete(containerId)
      return (entries.get(containerId) ?? add(containerId)).opening
    },

    async unregister(containerId) {
      const entry = entries.get(containerId)
      if (entry !== undefined) await end(entry, 'container ended')
      else if (endings.has(containerId)) await endings.get(containerId)
      else log.warn({ containerId }, 'a container ended that has no endpoint')
    },

    async recover(handedOver = []) {
      const recorded = (await stateDir?.load()) ?? []
      const byId = new Map([...recorded, ...handedOver].map((endpoint) => [endpoint.containerId, endpoint]))
      const recovered = [...byId.values()].filter(({ containerId }) => !entries.has(containerId)).map(addRecovered)
      await Promise.all(recovered.map(({ opening }) => opening))
      if (recovered.length > 0) log.info({ containers: recovered.length }, 'endpoints of an earlier run are back')
      if (anyPending()) asker.ask()
    },

    async reconcile(listedContainerIds) {
      const listed = new Set(listedContainerIds)
      await Promise.all([...entries.values()].map((entry) => compare(entry, listed)))
    },

    ownerOf: (containerId) => entries.get(containerId)?.owner ?? { status: 'unknown' },

    endpoints: () => [...entries.values()].flatMap(endpointOf),

    async close() {
      asker.stop()
      stopListening?.()
      stopReading()
      await Promise.allSettled([...[...entries.values()].map(({ opening }) => opening), ...endings.values()])
      await ports.close()
    },
  }

  function add(containerId: string): Entry {
    const entry = newEntry(containerId, undefined)
    entry.opening = openNew(entry)
    if (entry.owner.status === 'pending') asker.ask()
    return entry
  }

  function addRecovered(told: ContainerEndpoint): Entry {
    const entry = newEntry(told.containerId, told)
    entry.opening = openAgain(entry, told)
    return entry
  }

  function newEntry(containerId: string, told: ContainerEndpoint | undefined): Entry {
    const entry: Entry = {
      containerId,
      recovered: told !== undefined,
      told,
      opening: Promise.resolve(undefined),
      lease: undefined,
      owner: lookUpOwner(identities, containerId),
      listedOnce: false,
      misses: 0,
    }
    entries.set(containerId, entry)
    warnOfDescriptors()
    return entry
  }

  async function openNew(entry: Entry): Promise<ContainerEndpoint | undefined> {
    const { containerId } = entry
    // The same id again while its former socket is still closing: its state file must not be removed after this.
    await endings.get(containerId)
    const lease = await leaseNew(entry)
    if (lease === undefined) {
      if (entries.get(containerId) === entry) entries.delete(containerId)
      return undefined
    }
    hold(entry, lease)
    const endpoint = { containerId, host: lease.host, port: lease.port }
    await save(endpoint)
    log.info({ containerId, host: lease.host, port: lease.port }, 'endpoint opened')
    return endpoint
  }

  async function leaseNew({ containerId, owner }: Entry): Promise<Lease | undefined> {
    try {
      const lease = await ports.lease(owner)
      if (lease === undefined) withoutEndpoint(containerId, 'depleted', depletion(portMode))
      return lease
    } catch (cause) {
      withoutEndpoint(containerId, 'failed', messageOf(cause))
      return undefined
    }
  }

  function withoutEndpoint(containerId: string, reason: 'failed' | 'depleted', cause: string): void {
    counters.add('proxy.containers_without_endpoint', 1, reason)
    log.error({ containerId, cause }, 'a container starts without an endpoint: its metrics are lost')
  }

  async function openAgain(entry: Entry, told: ContainerEndpoint): Promise<ContainerEndpoint | undefined> {
    const { containerId } = entry
    try {
      const lease = await ports.leaseAgain(entry.owner, told.port)
      hold(entry, lease)
      if (lease.port !== told.port || lease.host !== told.host) {
        const fields = { containerId, told: `${told.host}:${told.port}`, now: `${lease.host}:${lease.port}` }
        log.warn(fields, 'a running container was told another endpoint than there is now: it must be restarted')
      }
      return { containerId, host: lease.host, port: lease.port }
    } catch (cause) {
      counters.add('proxy.containers_without_endpoint', 1, 'not_recovered')
      const fields = { containerId, port: told.port, cause: messageOf(cause) }
      log.error(fields, 'the endpoint of a running container could not be opened again: its metrics are lost')
      return undefined
    }
  }

  function hold(entry: Entry, lease: Lease): void {
    entry.lease = lease
    // The agent may have named the container while its socket was being opened.
    lease.setOwner(entry.owner)
  }

  async function save(endpoint: ContainerEndpoint): Promise<void> {
    try {
      await stateDir?.save(endpoint)
    } catch (cause) {
      counters.add('proxy.state_write_failures')
      log.warn(
        { containerId: endpoint.containerId, cause: messageOf(cause) },
        'the endpoint could not be kept in --state-path-dir: it is lost if this process restarts',
      )
    }
  }

  async function compare(entry: Entry, listed: ReadonlySet<string>): Promise<void> {
    if (listed.has(entry.containerId) || listed.has(lastPart(entry.containerId))) {
      entry.listedOnce = true
      entry.misses = 0
      if (entry.told !== undefined && (await entry.opening) === undefined) await tryAgain(entry, entry.told)
      return
    }
    if (!entry.recovered && !entry.listedOnce) return
    entry.misses += 1
    if (entry.misses >= missesToEnd) await end(entry, 'the agent no longer lists it')
  }

  /** Whoever had the port of a living container may have gone. */
  async function tryAgain(entry: Entry, told: ContainerEndpoint): Promise<void> {
    if (entries.get(entry.containerId) !== entry || entry.lease !== undefined) return
    const lease = await ports.leaseAgain(entry.owner, told.port).catch(() => undefined)
    if (lease === undefined) return
    if (entries.get(entry.containerId) !== entry) return lease.release()
    hold(entry, lease)
    entry.opening = Promise.resolve({ containerId: entry.containerId, host: lease.host, port: lease.port })
    log.info({ containerId: entry.containerId, port: lease.port }, 'the endpoint of a running container is back')
  }

  function end(entry: Entry, why: string): Promise<void> {
    const { containerId } = entry
    entries.delete(containerId)
    const ending = finish(entry, why).finally(() => {
      if (endings.get(containerId) === ending) endings.delete(containerId)
    })
    endings.set(containerId, ending)
    return ending
  }

  async function finish(entry: Entry, why: string): Promise<void> {
    const { containerId } = entry
    try {
      await entry.opening
      await entry.lease?.release()
      await stateDir?.remove(containerId)
      log.info({ containerId, port: entry.lease?.port, why }, 'endpoint closed')
    } catch (cause) {
      log.warn({ containerId, cause: messageOf(cause) }, 'an endpoint could not be closed or forgotten cleanly')
    }
  }

  function updateOwners(): void {
    for (const entry of entries.values()) {
      const owner = lookUpOwner(identities, entry.containerId)
      // What was known once stays: /state forgets a container before its last datapoints have come.
      if (owner.status !== 'known' || isSameOwner(owner, entry.owner)) continue
      entry.owner = owner
      entry.lease?.setOwner(owner)
    }
  }

  function anyPending(): boolean {
    for (const { owner } of entries.values()) if (owner.status === 'pending') return true
    return false
  }

  function warnOfDescriptors(): void {
    if (portMode.mode === 'single' || warnedOfDescriptors || entries.size < descriptorLimit * descriptorShareToWarn)
      return
    warnedOfDescriptors = true
    log.warn(
      { containers: entries.size, descriptorLimit },
      'every container needs a file descriptor and few are left: raise the limit (ulimit -n, LimitNOFILE= in systemd)',
    )
  }
}

function endpointOf({ containerId, lease }: Entry): ContainerEndpoint[] {
  return lease === undefined ? [] : [{ containerId, host: lease.host, port: lease.port }]
}

function depletion(portMode: PortMode): string {
  if (portMode.mode !== 'range') return 'no port is left'
  const { startPort, endPort } = portMode
  return `Port range ${startPort}-${endPort} has been depleted; widen --listen-port-start and --listen-port-end`
}
