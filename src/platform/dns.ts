import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { type Cancel, type Clock, systemClock } from './clock.js'
import { StatsError } from './errors.js'

export type AddressFamily = 4 | 6

export interface ResolvedAddress {
  readonly address: string
  readonly family: AddressFamily
}

/** All addresses of a name. Rejects where there are none. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>

/** The address that a host name stands for at the moment. */
export interface HostWatch {
  /** Undefined until the name has resolved for the first time. */
  address(): ResolvedAddress | undefined
  /** Resolves after one lookup, whatever came of it; lookups never overlap. */
  refresh(): Promise<void>
  close(): void
}

/**
 * Watches a host name, for a sender that spreads over the addresses of a service (R39 of the first implementation):
 * looked up at once and every `refreshMs`; one of its IPv4 addresses is chosen at random, or of its IPv6 ones where it
 * has no others. The choice is kept as long as the set of addresses stays the same, in whatever order they come, and as long as
 * the name does not resolve. Any change of the set is a new choice. A literal address is taken without asking.
 *
 * @param refreshMs above 0
 * @param random returns a number in [0, 1)
 * @param onChange told of each new choice
 * @param onFailure told of each lookup that failed; what was chosen before stays
 */
export function watchHost({
  host,
  refreshMs,
  clock = systemClock,
  random = Math.random,
  resolve = resolveBySystem,
  onChange = () => {},
  onFailure = () => {},
}: {
  host: string
  refreshMs: number
  clock?: Clock
  random?: () => number
  resolve?: Resolve
  onChange?: (chosen: ResolvedAddress) => void
  onFailure?: (cause: unknown) => void
}): HostWatch {
  const literal = isIP(host)
  if (literal === 4 || literal === 6) return watchLiteral({ address: host, family: literal })

  let chosen: ResolvedAddress | undefined
  let knownSet = ''
  let running: Promise<void> | undefined
  let closed = false
  const stop: Cancel = clock.every(refreshMs, () => void refresh())
  void refresh()

  return {
    address: () => chosen,
    refresh,
    close() {
      closed = true
      stop()
    },
  }

  function refresh(): Promise<void> {
    running ??= lookUp().finally(() => {
      running = undefined
    })
    return running
  }

  async function lookUp(): Promise<void> {
    try {
      const found = await resolve(host)
      if (closed) return
      if (found.length === 0) throw new StatsError('DS_DNS', `${host} has no address`)
      choose(found)
    } catch (cause) {
      if (!closed) onFailure(cause)
    }
  }

  function choose(found: readonly ResolvedAddress[]): void {
    const addresses = [...new Set(found.map(({ address }) => address))].sort()
    const foundSet = addresses.join(' ')
    if (foundSet === knownSet) return
    knownSet = foundSet
    const ipv4 = found.filter(({ family }) => family === 4)
    const candidates = ipv4.length > 0 ? ipv4 : found
    const next = candidates[Math.floor(random() * candidates.length)] ?? candidates[0]!
    const isNew = next.address !== chosen?.address
    chosen = next
    if (isNew) onChange(next)
  }
}

function watchLiteral(address: ResolvedAddress): HostWatch {
  return { address: () => address, refresh: async () => {}, close() {} }
}

/** By the system's resolver, so that /etc/hosts counts too. */
async function resolveBySystem(host: string): Promise<ResolvedAddress[]> {
  const found = await lookup(host, { all: true })
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
}
