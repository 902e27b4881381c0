import { readdir, readFile, readlink } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import type { HostPort } from './hosts.js'
import { procAddress } from './proc-net.js'

/** A socket of this process by where it is bound: a UDP socket, or a TCP one that listens. */
export interface BoundAddress extends HostPort {
  readonly protocol: 'udp' | 'tcp'
}

/**
 * The descriptors of this process's own sockets. Node tells none for a UDP socket, so the kernel is asked (Linux only):
 * its tables name the inode of each bound socket, and /proc/self/fd the inode behind each descriptor.
 *
 * @returns a descriptor for each address, in their order; undefined where this process has no such socket
 */
export async function findOwnDescriptors(addresses: readonly BoundAddress[]): Promise<(number | undefined)[]> {
  const [inodes, descriptors] = await Promise.all([readInodes(addresses), readOwnDescriptors()])
  return addresses.map((address) => {
    const inode = inodes.get(addressKey(address))
    return inode === undefined ? undefined : descriptors.get(inode)
  })
}

/** Of a TCP socket that listens; other ones at the same address are its connections. */
const listeningState = '0A'

async function readInodes(addresses: readonly BoundAddress[]): Promise<Map<string, string>> {
  const tables = [...new Set(addresses.map(tableOf))]
  const rows = await Promise.all(tables.map(readTable))
  return new Map(
    rows.flat().flatMap(({ table, address, state, inode }) => {
      const isServer = table.startsWith('udp') || state === listeningState
      return isServer ? [[`${table} ${address}`, inode] as const] : []
    }),
  )
}

function tableOf({ protocol, host }: BoundAddress): string {
  return isIPv6(host.replace(/%.*/, '')) ? `${protocol}6` : protocol
}

function addressKey(address: BoundAddress): string {
  return `${tableOf(address)} ${procAddress(address.host, address.port)}`
}

/** Columns of /proc/net/{udp,tcp}{,6}: sl, local_address, rem_address, st, queues, timer, retransmits, uid, timeout, inode. */
async function readTable(table: string) {
  const text = await readFile(`/proc/self/net/${table}`, 'latin1').catch(() => '')
  return text.split('\n').flatMap((row) => {
    const [, address, , state, , , , , , inode] = row.trim().split(/\s+/)
    return address === undefined || inode === undefined ? [] : [{ table, address, state, inode }]
  })
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
