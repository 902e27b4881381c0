import { createSocket, type SocketType } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { type RelayedServer, type RelayOrder, relayDone } from './relay-order.js'

/**
 * A program of its own: hands sockets that it has inherited as descriptors to the process at the other end of its IPC channel.
 * `handle-passing.ts` starts it, because a running Node process can open an IPC channel to its own children only, and a
 * started one to whatever its environment names. What comes in at a socket while it is here goes along as bytes.
 */

await relay(JSON.parse(readFileSync(0, 'utf8')) as RelayOrder)

async function relay({ sockets, awaitReady }: RelayOrder): Promise<void> {
  try {
    const ready = receiverReady()
    ready.catch(() => {})
    if (awaitReady) await ready
    for (const { descriptor, type, server } of sockets) {
      await (type === 'server' ? passServer(descriptor, server) : passUdp(descriptor, type))
    }
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
    // Stays: only with a listener the channel keeps this process alive while an acknowledgement is on its way.
    process.on('message', () => resolve())
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

async function passServer(descriptor: number, about: RelayedServer | undefined): Promise<void> {
  const passConnection = (connection: Socket) => void send({ connection: about?.name }, connection)
  const server = createServer({ pauseOnConnect: true }, passConnection)
  await new Promise<void>((resolve) => server.listen({ fd: descriptor }, resolve))
  await send({ server: about }, server)
  server.close()
}

function send(message: object, handle?: ReturnType<typeof createSocket> | ReturnType<typeof createServer> | Socket) {
  return new Promise<void>((resolve, reject) => {
    process.send?.(message, handle, {}, (error) => (error ? reject(error) : resolve()))
  })
}
