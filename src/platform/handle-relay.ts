import { createSocket, type SocketType } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { type RelayOrder, relayDone } from './relay-order.js'

/**
 * A program of its own: hands sockets that it has inherited as descriptors to the process at the other end of its IPC channel.
 * `handle-passing.ts` starts it, because a running Node process can open an IPC channel to its own children only, and a
 * started one to whatever its environment names. What comes in at a socket while it is here goes along as bytes.
 */

await relay(JSON.parse(readFileSync(0, 'utf8')) as RelayOrder)

async function relay({ sockets, awaitReady }: RelayOrder): Promise<void> {
  try {
    if (awaitReady) await receiverReady()
    for (const { descriptor, type } of sockets)
      await (type === 'tcp' ? passServer(descriptor) : passUdp(descriptor, type))
    // Is written only once the receiver has acknowledged the last handle: a late acknowledgement would reach somebody else.
    await send({ relayed: sockets.length })
    process.stdout.write(relayDone)
  } catch (cause) {
    process.stdout.write(String(cause))
  }
  if (process.connected) process.disconnect()
}

function receiverReady(): Promise<void> {
  return new Promise((resolve, reject) => {
    process.once('message', () => resolve())
    process.once('disconnect', () => reject(new Error('it ended before it was ready')))
  })
}

async function passUdp(descriptor: number, type: SocketType): Promise<void> {
  const socket = createSocket(type)
  socket.on('message', (packet) => process.send?.({ packet: packet.toString('base64'), at: socket.address() }))
  socket.bind({ fd: descriptor })
  await send({ socket: 'udp' }, socket)
  socket.close()
}

async function passServer(descriptor: number): Promise<void> {
  const server = createServer({ pauseOnConnect: true }, (connection) => void send({ connection: true }, connection))
  await new Promise<void>((resolve) => server.listen({ fd: descriptor }, resolve))
  await send({ socket: 'tcp' }, server)
  server.close()
}

function send(message: object, handle?: ReturnType<typeof createSocket> | ReturnType<typeof createServer> | Socket) {
  return new Promise<void>((resolve, reject) => {
    process.send?.(message, handle, {}, (error) => (error ? reject(error) : resolve()))
  })
}
