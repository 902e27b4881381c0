import { readdir, readFile, readlink } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import type { HostPort, ListenAddress } from './hosts.js'
import { procAddress } from './proc-net.js'

type ReadTable = (table: string) => Promise<string>

const maxReadings = 10

/** A socket of this process by where it is bound: a UDP socket, or one that listens. A unix socket's path is the one it was bound at. */
export type BoundAddress = ({ readonly kind: 'udp' } & HostPort) | ListenAddress

/**
 * The descriptors of this process's own sockets. Node tells none for a UDP socket, so the kernel is asked (Linux only):
 * its tables name the inode of each bound socket, and /proc/self/fd the inode behind each descriptor.
 *
 * @param readTable the text of one of the kernel's tables in /proc/self/net
 * @returns a descriptor for each address, in their order; undefined where this process has no such socket
 */
export async function findOwnDescriptors(
  addresses: readonly BoundAddress[],
  readTable: ReadTable = readKernelTable,
): Promise<(number | undefined)[]> {
  const [inodes, descriptors] = await Promise.all([findInodes(addresses, readTable), readOwnDescriptors()])
  return addresses.map((address) => {
    const inode = inodes.get(addressKey(address))
    return inode === undefined ? undefined : descriptors.get(inode)
  })
}

/**
 * The kernel tells a table page by page, and goes on by counting rows: where another socket of the machine was closed
 * meanwhile, it leaves a row out. So for what is missing it is asked again.
 */
async function findInodes(addresses: readonly BoundAddress[], readTable: ReadTable): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  let missing = addresses
  for (let reading = 0; reading < maxReadings && missing.length > 0; reading++) {
    for (const [key, inode] of await readInodes(missing, readTable)) found.set(key, inode)
    missing = missing.filter((address) => !found.has(addressKey(address)))
  }
  return found
}

async function readInodes(addresses: readonly BoundAddress[], readTable: ReadTable): Promise<Map<string, string>> {
  const tables = [...new Set(addresses.map(tableOf))]
  const rows = tables.map(async (table) => inodesIn(await readTable(table), table))
  return new Map((await Promise.all(rows)).flat())
}

function readKernelTable(table: string): Promise<string> {
  return readFile(`/proc/self/net/${table}`, 'utf8').catch(() => '')
}

function tableOf(address: BoundAddress): string {
  if (address.kind === 'unix') return 'unix'
  return isIPv6(address.host.replace(/%.*/, '')) ? `${address.kind}6` : address.kind
}

function addressKey(address: BoundAddress): string {
  const bound = address.kind === 'unix' ? address.path : procAddress(address.host, address.port)
  return `${tableOf(address)} ${bound}`
}

/** @returns inodes by `addressKey` */
function inodesIn(text: string, table: string): [key: string, inode: string][] {
  return text.split('\n').flatMap((row) => {
    const { bound, inode } = (table === 'unix' ? unixRow : internetRow)(row, table)
    return bound === undefined || inode === undefined ? [] : [[`${table} ${bound}`, inode]]
  })
}

/** Columns of /proc/net/{udp,tcp}{,6}: sl, local_address, rem_address, st, queues, timer, retransmits, uid, timeout, inode. */
function internetRow(row: string, table: string) {
  const [, bound, , state, , , , , , inode] = row.trim().split(/\s+/)
  // The connections of a server have its address, too; 0A is TCP_LISTEN.
  return table.startsWith('udp') || state === '0A' ? { bound, inode } : {}
}

/** Columns of /proc/net/unix: Num, RefCount, Protocol, Flags, Type, St, Inode, Path. */
function unixRow(row: string) {
  const [, flags, inode, bound] = /^\S+: \S+ \S+ (\S+) \S+ \S+ +(\d+) (.*)$/.exec(row) ?? []
  // __SO_ACCEPTCON: it listens.
  return flags === '00010000' ? { bound, inode } : {}
}

/** Descriptors by the inode of the socket behind them. */
async function readOwnDescriptors(): Promise<Map<string, number>> {
  const names = await readdir('/proc/self/fd').catch(() => [])
  const links = await Promise.all(
    names.map(async (name) => [await readlink(`/proc/self/fd/${name}`).catch(() => ''), Number(name)] as const),
  )
  return new Map(
    links.flatMap(([link, descriptor]) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(link) ?? []
      return inode === undefined ? [] : [[inode, descriptor] as const]
    }),
  )
}
