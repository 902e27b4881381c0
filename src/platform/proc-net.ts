import { isIPv4 } from 'node:net'
import { endianness } from 'node:os'

/** An address and a port as the kernel writes them: words of the machine's byte order, `0100007F:1FBD`. */
export function procAddress(address: string, port: number): string {
  const bytes = isIPv4(address) ? address.split('.').map(Number) : ipv6Bytes(address)
  const words = Buffer.from(bytes)
  if (endianness() === 'LE') words.swap32()
  return `${words.toString('hex')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
}

/** @param address any spelling of an IPv6 address; a zone is left out */
function ipv6Bytes(address: string): number[] {
  // The URL parser knows every spelling and gives the shortest one, without dots.
  const shortest = new URL(`http://[${address.replace(/%.*/, '')}]`).hostname.slice(1, -1)
  const [head = '', tail] = shortest.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0')
  return [...front, ...zeros, ...back].flatMap((group) => [
    Number.parseInt(group, 16) >> 8,
    Number.parseInt(group, 16) & 0xff,
  ])
}
