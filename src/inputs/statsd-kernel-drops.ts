import { readFile } from 'node:fs/promises'
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

/** Sockets whose drops are counted together. */
export interface DropCounted {
  /** The container that they belong to, or what stands for it; may change. */
  readonly label: string
  readonly addresses: readonly string[]
}

/** Counts what the kernel dropped: `proxy.kernel_drops`, in all and by container. */
export interface KernelDropCounter {
  /** @param already what has been counted of them before, by `procAddress` */
  add(counted: DropCounted, already?: Readonly<Record<string, number>>): void
  /** Asks the kernel. Whoever asks while it is asked shares the next answer. */
  count(): Promise<void>
  /** What the kernel told last of these sockets, by `procAddress`. */
  counted(counted: DropCounted): Record<string, number>
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
        const now = drops.get(address)
        // The kernel may leave a row out while sockets are opened and closed elsewhere; the next reading has it.
        if (now === undefined) continue
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
    add(counted, already = {}) {
      seen.set(counted, { label: counted.label, drops: new Map(Object.entries(already)) })
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
    counted: (counted) => Object.fromEntries(seen.get(counted)?.drops ?? []),
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
