import { createServer } from 'node:net'

/** `port` where nobody listens on it by TCP, else 0, which lets the kernel choose. */
export function freePortOr0(host: string, port: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(0))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(port)))
  })
}
