import { isIPv4, isIPv6 } from 'node:net'

/** True for localhost, 127.0.0.0/8 and ::1, as a name or address without port and brackets. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return isIPv4(host) && host.startsWith('127.')
}

/** `host:port` as people write it, with brackets around an IPv6 address. */
export function formatAddress(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}
