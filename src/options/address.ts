import type { HostPort, ListenAddress } from '../platform/hosts.js'

export type { HostPort, ListenAddress } from '../platform/hosts.js'

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
