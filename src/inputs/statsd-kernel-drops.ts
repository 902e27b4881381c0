import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { endianness } from 'node:os'
import type { Counters } from '../telemetry/counters.js'

/** Where Linux tells of its UDP sockets. */
export const procNetUdpPaths: readonly string[] = ['/proc/net/udp', '/proc/net/udp6']

const localAddressColumn = 1

/**
 * Reads the `drops` column, the last one: datagrams that the kernel dropped at a socket, mostly because its receive
 * buffer was full.
 *
 * @param text /proc/net/udp or /proc/net/udp6: a line with headings, then a line a socket
 * @returns drops by `procAddress`
 * @see Linux, net/ipv4/udp.c, udp4_format_sock, and net/ipv6/datagram.c, __ip6_dgram_sock_seq_show
 */
export function parseKernelDrops(text: string): Map<string, number> {
  const drops = new Map<string, number>()
  for (const row of text.split('\n').slice(1)) {
    const columns = row.trim().split(/\s+/)
    const address = columns[localAddressColumn]
    const count = Number(columns.at(-1))
    if (address !== undefined && Number.isSafeInteger(count)) drops.set(address, count)
  }
  return drops
}

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

/** Sockets whose drops are counted together. */
export interface DropCounted {
  /** The container that they belong to, or what stands for it; may change. */
  readonly label: string
  readonly addresses: readonly string[]
}

/** Counts what the kernel dropped: `proxy.kernel_drops`, in all and by container. */
export interface KernelDropCounter {
  add(counted: DropCounted): void
  /** Asks the kernel. Whoever asks while it is asked shares the next answer. */
  count(): Promise<void>
  /** Forgets sockets that are closed; their drops stay in the total. */
  remove(counted: DropCounted): void
}

/** @param paths Linux' lists of UDP sockets; what is not there (other systems, no IPv6) counts nothing */
export function createKernelDropCounter(
  counters: Counters,
  paths: readonly string[] = procNetUdpPaths,
): KernelDropCounter {
  const seen = new Map<DropCounted, { label: string; readonly drops: Map<string, number> }>()
  const total = counters.cell('proxy.kernel_drops')
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | undefined

  function addNew(drops: ReadonlyMap<string, number>): void {
    for (const [counted, last] of seen) {
      for (const address of counted.addresses) {
        const now = drops.get(address) ?? 0
        const more = now - (last.drops.get(address) ?? 0)
        last.drops.set(address, now)
        if (more > 0) count(more, counted.label)
      }
      if (counted.label !== last.label) rename(last, counted.label)
    }
  }

  function count(more: number, label: string): void {
    total.value += more
    counters.add('proxy.kernel_drops', more, label)
  }

  /** Another container speaks there now. */
  function rename(last: { label: string }, label: string): void {
    const former = last.label
    last.label = label
    counters.cell('proxy.kernel_drops', label)
    forgetUnused(former)
  }

  function forgetUnused(label: string): void {
    for (const other of seen.values()) if (other.label === label) return
    counters.forget('proxy.kernel_drops', label)
  }

  return {
    add(counted) {
      seen.set(counted, { label: counted.label, drops: new Map() })
      counters.cell('proxy.kernel_drops', counted.label)
    },
    count() {
      next ??= running.then(() => {
        next = undefined
        const asked = readAll(paths).then(addNew)
        running = asked
        return asked
      })
      return next
    },
    remove(counted) {
      const last = seen.get(counted)
      seen.delete(counted)
      if (last !== undefined) forgetUnused(last.label)
    },
  }
}

async function readAll(paths: readonly string[]): Promise<Map<string, number>> {
  const texts = await Promise.all(paths.map((path) => readFile(path, 'latin1').catch(() => '')))
  return new Map(texts.flatMap((text) => [...parseKernelDrops(text)]))
}
