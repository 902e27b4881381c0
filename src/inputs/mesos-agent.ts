import { setImmediate } from 'node:timers/promises'
import type { AgentMetrics, AgentPoller } from '../agent/poller.js'
import type { ContainerEntry } from '../agent/replies.js'
import { encodeDatapoints } from '../codec/datapoints.js'
import { countDatapoints, type Datapoint, type MetricList, type Tag } from '../model/metric-list.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { Emit, Source } from './source.js'

/** Datapoints made in one go; then other work has its turn. */
const sliceDatapoints = 2000

/** Deeper statistics than Mesos has; what lies below is counted as unsupported. */
const deepestNesting = 16

const noTags: readonly Tag[] = []

/**
 * The metrics of the local Mesos agent and its containers, one emit per poll. `run` runs the poller.
 *
 * It never waits: what a poll brings while the one before has not been taken yet is dropped and counted as
 * `queue_full`, since the next poll brings newer numbers.
 *
 * @param agentTopic topic of the agent's own metrics, --agent-metrics-topic
 */
export function createMesosAgentSource({
  poller,
  agentTopic,
  counters,
  ledger,
}: {
  poller: AgentPoller
  agentTopic: string
} & Pick<Telemetry, 'counters' | 'ledger'>): Source {
  return {
    name: 'mesos-agent',
    async run(emit, signal) {
      let converting = Promise.resolve()
      let handing: Promise<void> | undefined
      const cancel = poller.onMetrics((metrics) => {
        converting = converting.then(() => take(metrics))
      })
      try {
        await poller.run(signal)
      } finally {
        cancel()
        await converting
        await handing
      }

      async function take(metrics: AgentMetrics): Promise<void> {
        const { lists, datapoints } = await convert(metrics)
        if (datapoints === 0) return
        ledger.received += datapoints
        ledger.polled += datapoints
        if (handing !== undefined) return ledger.drop('queue_full', datapoints)
        handing = handOver(emit, lists).finally(() => {
          handing = undefined
        })
      }
    },
  }

  async function convert(metrics: AgentMetrics): Promise<{ lists: MetricList[]; datapoints: number }> {
    const { lists, unsupported, withoutStatistics } = await agentMetricLists(metrics, agentTopic)
    const datapoints = countDatapoints(lists)
    counters.add('collector.agent_poll.metrics_values', datapoints)
    counters.add('collector.agent_poll.metrics_values_unsupported', unsupported)
    if (withoutStatistics > 0) {
      counters.add('collector.agent_poll.parts_skipped', withoutStatistics, 'container_without_statistics')
    }
    return { lists, datapoints }
  }
}

// A rejection means that the lists were given back at the end of the process; the ledger then shows them as held.
async function handOver(emit: Emit, lists: readonly MetricList[]): Promise<void> {
  await emit(lists).catch(() => {})
}

/**
 * What one poll brought, as lists: one of the agent (`dcos.metrics.agent.<key>`, `/` as `.`, at the time of the poll),
 * and one per container (`dcos.metrics.container.<key>`, nested keys joined by `.`, at the statistics' own time).
 *
 * @returns besides the lists, how many values were no finite numbers, and how many containers had no statistics
 */
export async function agentMetricLists(
  { snapshot, snapshotTimeMs = 0, containers }: AgentMetrics,
  agentTopic: string,
): Promise<{ lists: MetricList[]; unsupported: number; withoutStatistics: number }> {
  const lists: MetricList[] = []
  let unsupported = 0
  let withoutStatistics = 0
  let sinceBreak = 0

  if (snapshot !== undefined) {
    const numbers = createNumbers('dcos.metrics.agent', snapshotTimeMs)
    for (const [key, value] of Object.entries(snapshot)) numbers.add(key.replaceAll('/', '.'), value)
    unsupported += numbers.unsupported()
    addList(agentTopic, noTags, numbers.datapoints)
  }
  for (const container of containers?.containers ?? []) {
    if (sinceBreak > sliceDatapoints) {
      await setImmediate()
      sinceBreak = 0
    }
    const { timestamp, ...statistics } = container.statistics ?? {}
    if (!isFiniteNumber(timestamp)) {
      withoutStatistics++
      continue
    }
    const numbers = createNumbers('dcos.metrics.container', Math.trunc(timestamp * 1000))
    for (const [key, value] of Object.entries(statistics)) numbers.add(key, value)
    unsupported += numbers.unsupported()
    addList(container.frameworkId, containerTags(container), numbers.datapoints)
  }
  return { lists, unsupported, withoutStatistics }

  function addList(topic: string, tags: readonly Tag[], datapoints: readonly Datapoint[]): void {
    sinceBreak += datapoints.length
    if (datapoints.length > 0) lists.push({ topic, tags, datapoints: encodeDatapoints(datapoints) })
  }
}

function containerTags({ containerId, executorId, frameworkId }: ContainerEntry): readonly Tag[] {
  return [
    { key: 'container_id', value: containerId },
    { key: 'executor_id', value: executorId },
    { key: 'framework_id', value: frameworkId },
  ]
}

/** Gathers the numbers of a JSON value, those in objects and lists under the path to them. */
function createNumbers(prefix: string, timeMs: number) {
  const datapoints: Datapoint[] = []
  let unsupported = 0
  return {
    datapoints,
    unsupported: () => unsupported,
    add: (key: string, value: unknown) => add(`${prefix}.${key}`, value, 1),
  }

  function add(name: string, value: unknown, depth: number): void {
    if (isFiniteNumber(value)) datapoints.push({ name, timeMs, value })
    else if (typeof value !== 'object' || value === null || depth > deepestNesting) unsupported++
    else for (const [key, inner] of Object.entries(value)) add(`${name}.${key}`, inner, depth + 1)
  }
}

// JSON can say 1e999, which is read as infinity.
function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value)
}
