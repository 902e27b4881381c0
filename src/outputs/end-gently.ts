import type { Socket } from 'node:net'

const timeoutMs = 2000

/** Says goodbye after the last byte; what a peer does not take in time is given up. */
export function endGently(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve()
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.destroySoon()
  })
}
