import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { ExitCode, StatsError } from './errors.js'

/** The addresses of a network interface; at least one is there. */
export interface InterfaceAddresses {
  readonly ipv4?: string
  /** With its zone (`fe80::1%eth0`) where it is good on its link only. */
  readonly ipv6?: string
}

/**
 * The first IPv4 address of an interface and, where it has one, an IPv6 address: one that is good beyond its link
 * rather than one that is not.
 *
 * @throws a StatsError `DS_INTERFACE` (exit code 78) where there is no such interface, or it has no address
 */
export function addressOfInterface(
  name: string,
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): InterfaceAddresses {
  const addresses = interfaces[name] ?? []
  const ipv4 = addresses.find(({ family }) => family === 'IPv4')?.address
  const ipv6 = ipv6Of(name, addresses)
  if (ipv4 === undefined && ipv6 === undefined) throw noSuchInterface(name, Object.keys(interfaces))
  return { ...(ipv4 !== undefined && { ipv4 }), ...(ipv6 !== undefined && { ipv6 }) }
}

function ipv6Of(name: string, addresses: readonly NetworkInterfaceInfo[]): string | undefined {
  const all = addresses.filter(({ family }) => family === 'IPv6').map(({ address }) => address)
  const beyondLink = all.find((address) => !isLinkLocal(address))
  if (beyondLink !== undefined) return beyondLink
  return all[0] === undefined ? undefined : `${all[0]}%${name}`
}

/** fe80::/10 */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address)
}

function noSuchInterface(name: string, existing: readonly string[]): StatsError {
  return new StatsError(
    'DS_INTERFACE',
    `There is no network interface "${name}" with an address here; there are: ${existing.join(', ') || 'none'}. Check --listen-interface, or give an address with --listen-host.`,
    { exitCode: ExitCode.config },
  )
}
