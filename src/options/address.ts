/** A host (name, IPv4 or IPv6 address without brackets) and a port; port 0 lets the kernel choose. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Where a server listens. */
export type ListenAddress = ({ readonly kind: 'tcp' } & HostPort) | { readonly kind: 'unix'; readonly path: string }

/** Reads `HOST:PORT` or `[IPV6]:PORT`; undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  return host === undefined || port > 65535 ? undefined : { host, port }
}

/** Reads `HOST:PORT` or `unix:PATH`; undefined for anything else. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length)
    return path === '' ? undefined : { kind: 'unix', path }
  }
  const address = parseHostPort(text)
  return address && { kind: 'tcp', ...address }
}

/** `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock`. */
export function formatAddress(address: HostPort | ListenAddress): string {
  if ('path' in address) return `unix:${address.path}`
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
