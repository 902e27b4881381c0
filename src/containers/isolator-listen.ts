import type { Server } from 'node:http'
import type { ListenAddress } from '../platform/hosts.js'
import { type Listening, type ListenOptions, listenAt } from '../platform/listen.js'

const closeTimeoutMs = 1000

/**
 * `listenAt` for --isolator-listen. At the end, whoever has not said what he wants within a second is not waited for.
 */
export async function listenForIsolator(
  server: Server,
  address: ListenAddress,
  { socketMode, replaceLive, inherit }: Required<Pick<ListenOptions, 'socketMode' | 'replaceLive' | 'inherit'>>,
): Promise<Listening> {
  const listening = await listenAt(server, address, {
    option: '--isolator-listen',
    errorCode: 'DS_ISOLATOR_LISTEN',
    socketMode,
    replaceLive,
    inherit,
  })
  const withinTime = async (end: Promise<void>) => {
    const timer = setTimeout(() => server.closeAllConnections(), closeTimeoutMs)
    await end
    clearTimeout(timer)
  }
  return {
    ...listening,
    close: () => withinTime(listening.close()),
    leave: () => withinTime(listening.leave()),
  }
}
