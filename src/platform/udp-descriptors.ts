import type { Socket } from 'node:dgram'
import type { HostPort } from './hosts.js'
import { findOwnDescriptors } from './own-descriptors.js'

interface Asked {
  readonly bound: HostPort
  readonly answer: (descriptor: number | undefined) => void
}

const asked: Asked[] = []
let isLooking = false

/**
 * The descriptor of a bound UDP socket of this process (Linux only; undefined elsewhere). Many that ask at once are answered by
 * one look at the kernel's tables, which have a row for each socket of the machine.
 */
export function findUdpDescriptor(socket: Socket): Promise<number | undefined> {
  return new Promise((answer) => {
    const { address: host, port } = socket.address()
    asked.push({ bound: { host, port }, answer })
    if (!isLooking) void look()
  })
}

async function look(): Promise<void> {
  isLooking = true
  while (asked.length > 0) {
    const answered = asked.splice(0)
    const addresses = answered.map(({ bound }) => ({ kind: 'udp' as const, ...bound }))
    const descriptors = await findOwnDescriptors(addresses)
    for (const [i, { answer }] of answered.entries()) answer(descriptors[i])
  }
  isLooking = false
}
