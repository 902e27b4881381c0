import { isIPv4 } from 'node:net'

/** A host (name, IPv4 or IPv6 address without brackets) and a port; port 0 lets the kernel choose. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Where a server listens. */
export type ListenAddress = ({ readonly kind: 'tcp' } & HostPort) | { readonly kind: 'unix'; readonly path: string }

/** Whether only this machine can reach an address: localhost, 127.0.0.0/8 and ::1, without port and brackets. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return isIPv4(host) && host.startsWith('127.')
}

/** As people write it: `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock`. */
export function formatAddress(address: HostPort | ListenAddress): string {
  if ('path' in address) return `unix:${address.path}`
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}
