import type { SimulatedAgent } from '../agent/simulated-agent.js'
import { createBatchApp, createWebApp, createWorkerApp, type SimulatedApp } from '../inputs/simulated-app.js'
import type { HostPort } from '../options/address.js'
import { createStatsdSender, type StatsdSender } from '../outputs/statsd-udp.js'
import type { Clock } from '../platform/clock.js'
import { seededRandom } from '../platform/random.js'

/** Where somebody sends StatsD to see it come out: the first one registered, so that it gets the first port. */
export const tryItContainer = { containerId: 'try-it', executorId: 'try-it', applicationId: '/try-it' } as const

/** The container that the stack's own metrics are sent as. */
export const ownContainer = {
  containerId: 'dcos-stats',
  executorId: 'dcos-stats',
  applicationId: '/dcos-stats',
} as const

/** Lists the stack's own two containers at a simulated agent, in the framework that a user would start them with. */
export function addOwnContainers(agent: SimulatedAgent): void {
  for (const container of [tryItContainer, ownContainer])
    agent.addContainer({ ...container, frameworkName: 'marathon' })
}

/** Containers that the simulated agent lists and that nothing but this process plays: at least two frameworks. */
export function castOf(agent: SimulatedAgent): { containerId: string; app: SimulatedApp }[] {
  const random = seededRandom(7)
  const roles = [createWebApp(random), createWorkerApp(random), createBatchApp(random)]
  const own = new Set<string>([tryItContainer.containerId, ownContainer.containerId])
  const byFramework = new Map<string, string[]>()
  for (const { containerId, frameworkId } of agent.containers()) {
    if (own.has(containerId)) continue
    byFramework.set(frameworkId, [...(byFramework.get(frameworkId) ?? []), containerId])
  }
  // One of each framework in turn, so that they differ as early as possible.
  const inTurn: string[] = []
  const frameworks = [...byFramework.values()]
  for (let i = 0; inTurn.length < roles.length && frameworks.some((ids) => ids.length > i); i++) {
    for (const ids of frameworks) if (ids[i] !== undefined) inTurn.push(ids[i] as string)
  }
  return roles.flatMap((app, i) => {
    const containerId = inTurn[i]
    return containerId === undefined ? [] : [{ containerId, app }]
  })
}

/** Lets an application send its metrics each period; the returned function ends that once everything is sent. */
export function playApp(
  app: SimulatedApp,
  { host, port }: HostPort,
  clock: Clock,
  periodMs: number,
): () => Promise<void> {
  const sender: StatsdSender = createStatsdSender({ host, port, clock, maxAgeMs: 50 })
  const play = () => {
    for (const line of app.tick()) sender.send(line)
  }
  play()
  const stop = clock.every(periodMs, play)
  return async () => {
    stop()
    await sender.close()
  }
}
