import { readFile } from 'node:fs/promises'
import { parseReply } from '../../src/agent/parse-reply.js'
import type { AgentMetrics, AgentPoller } from '../../src/agent/poller.js'
import {
  type ContainerEntry,
  containersShape,
  readContainersReply,
  readSnapshotReply,
} from '../../src/agent/replies.js'
import { decodeDatapoints } from '../../src/codec/datapoints.js'
import { agentMetricLists, createMesosAgentSource } from '../../src/inputs/mesos-agent.js'
import { unknownAgentState } from '../../src/model/agent-state.js'
import { imbalance } from '../../src/model/ledger.js'
import { countDatapoints, type MetricList } from '../../src/model/metric-list.js'
import { Counters } from '../../src/telemetry/counters.js'
import { Ledger } from '../../src/telemetry/ledger.js'

const timeMs = 1_700_000_000_000

async function recorded(name: string): Promise<AgentMetrics> {
  const read = async (file: string) =>
    new Uint8Array(await readFile(new URL(`../../samples/agent/${name}/${file}.json`, import.meta.url)))
  return {
    snapshot: readSnapshotReply(await parseReply(await read('metrics-snapshot'), 'all')),
    snapshotTimeMs: timeMs,
    containers: await readContainersReply(await parseReply(await read('containers'), containersShape)),
  }
}

function pointsOf(list: MetricList | undefined): Record<string, number> {
  return Object.fromEntries(
    (list === undefined ? [] : decodeDatapoints(list.datapoints)).map(({ name, value }) => [name, value]),
  )
}

test.each([
  ['mesos-1.0', 57, 8, 18],
  ['mesos-1.11-task', 68, 1, 6],
  ['mesos-1.11-task-group', 68, 1, 6],
])('%s: every number of the recording, one list per container', async (name, ofAgent, containers, ofContainer) => {
  const { lists, unsupported, withoutStatistics } = await agentMetricLists(await recorded(name), 'agent')
  expect([unsupported, withoutStatistics]).toEqual([0, 0])
  expect(lists.map(({ datapoints }) => datapoints.count)).toEqual([ofAgent, ...Array(containers).fill(ofContainer)])
})

test("the agent's own: topic agent, no tags, slashes as dots, the time of the poll", async () => {
  const { lists } = await agentMetricLists(await recorded('mesos-1.0'), 'own-topic')
  const [own] = lists
  expect([own?.topic, own?.tags]).toEqual(['own-topic', []])
  expect(pointsOf(own)).toMatchObject({
    'dcos.metrics.agent.slave.cpus_percent': 1.075,
    'dcos.metrics.agent.containerizer.mesos.provisioner.bind.remove_rootfs_errors': 0,
    'dcos.metrics.agent.system.mem_free_bytes': 11334365184,
  })
  expect(new Set(decodeDatapoints(own!.datapoints).map((point) => point.timeMs))).toEqual(new Set([timeMs]))
})

test("a container's: topic framework, three tags in order, the statistics' own time without its fraction", async () => {
  const { lists } = await agentMetricLists(await recorded('mesos-1.0'), 'agent')
  const kafka = lists.at(-1)
  expect(kafka?.topic).toBe('1d899b6c-ba54-4aaa-954c-eaefa1759a2f-0000')
  expect(kafka?.tags).toEqual([
    { key: 'container_id', value: 'd9b393a0-39d5-4470-b51d-eb5a05e8e267' },
    { key: 'executor_id', value: 'kafka.49275511-4f6e-11e6-90c7-76e71a96a1cb' },
    { key: 'framework_id', value: '1d899b6c-ba54-4aaa-954c-eaefa1759a2f-0000' },
  ])
  const points = pointsOf(kafka)
  expect(points).toMatchObject({
    'dcos.metrics.container.cpus_throttled_time_secs': 25.542159476,
    'dcos.metrics.container.mem_limit_bytes': 1323302912,
  })
  expect(points).not.toHaveProperty(['dcos.metrics.container.timestamp'])
  expect(decodeDatapoints(kafka!.datapoints)[0]?.timeMs).toBe(1469152846169)
})

const ids = { containerId: 'c', executorId: 'e', frameworkId: 'f' }

test.each<[string, ContainerEntry['statistics'], Record<string, number>, number]>([
  ['objects are joined by dots', { timestamp: 1, a: { b: { c: 1 }, d: 2 } }, { 'a.b.c': 1, 'a.d': 2 }, 0],
  [
    'lists by their index',
    { timestamp: 1, disk_statistics: [{ used_bytes: 5 }, { used_bytes: 6, persistence: { id: 'x' } }] },
    { 'disk_statistics.0.used_bytes': 5, 'disk_statistics.1.used_bytes': 6 },
    1,
  ],
  [
    'what is no number is left out and counted',
    { timestamp: 1, a: null, b: 'x', c: true, d: 4, e: {}, f: [] },
    { d: 4 },
    3,
  ],
  ['a nested timestamp is a number like others', { timestamp: 1, perf: { timestamp: 2 } }, { 'perf.timestamp': 2 }, 0],
  ['a number too big for a double', { timestamp: 1, a: Number.POSITIVE_INFINITY, b: 0 }, { b: 0 }, 1],
])('statistics: %s', async (_rule, statistics, expected, unsupportedValues) => {
  const containers = { containers: [{ ...ids, statistics }], skipped: {} }
  const { lists, unsupported, withoutStatistics } = await agentMetricLists({ containers }, 'agent')
  const named = Object.entries(expected).map(([key, value]) => [`dcos.metrics.container.${key}`, value])
  expect(pointsOf(lists[0])).toEqual(Object.fromEntries(named))
  expect([unsupported, withoutStatistics]).toEqual([unsupportedValues, 0])
})

test.each<[string, ContainerEntry['statistics']]>([
  ['without statistics', undefined],
  ['with empty statistics', {}],
  ['without a timestamp', { cpus_limit: 1 }],
  ['whose timestamp is no number', { timestamp: 'now', cpus_limit: 1 }],
])('a container %s is skipped and counted; the others come through', async (_what, statistics) => {
  const good = { ...ids, containerId: 'good', statistics: { timestamp: 2.5, cpus_limit: 1 } }
  const containers = { containers: [{ ...ids, statistics }, good], skipped: {} }
  const { lists, withoutStatistics } = await agentMetricLists({ containers }, 'agent')
  expect(lists.map(({ tags }) => tags[0]?.value)).toEqual(['good'])
  expect(withoutStatistics).toBe(1)
})

test('nothing that a JSON text can say makes it fail: statistics 10,000 levels deep', async () => {
  const text = `[{"container_id":"c","executor_id":"e","framework_id":"f","statistics":{"timestamp":1,"a":${'['.repeat(10_000)}1${']'.repeat(10_000)},"b":2}}]`
  const bytes = new Uint8Array(Buffer.from(text))
  const containers = await readContainersReply(await parseReply(bytes, containersShape))
  const { lists, unsupported } = await agentMetricLists({ containers }, 'agent')
  expect(pointsOf(lists[0])).toEqual({ 'dcos.metrics.container.b': 2 })
  expect(unsupported).toBe(1)
})

/** A poller that brings what a test gives it, and ends with the signal. */
function givenPoller(): { poller: AgentPoller; bring(metrics: AgentMetrics): void } {
  const callbacks = new Set<(metrics: AgentMetrics) => void>()
  const poller: AgentPoller = {
    state: () => unknownAgentState,
    refresh: async () => {},
    onState: () => () => {},
    onMetrics(callback) {
      callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
    run: (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
  }
  return {
    poller,
    bring: (metrics) => {
      for (const callback of callbacks) callback(metrics)
    },
  }
}

describe('the source', () => {
  const metrics: AgentMetrics = { snapshot: { a: 1, b: 2, c: 'x' }, snapshotTimeMs: timeMs }

  function started(emit: (lists: readonly MetricList[]) => Promise<void>) {
    const { poller, bring } = givenPoller()
    const counters = new Counters()
    const ledger = new Ledger('collector')
    const stop = new AbortController()
    const source = createMesosAgentSource({ poller, agentTopic: 'agent', counters, ledger })
    return { bring, counters, ledger, stop, running: source.run(emit, stop.signal) }
  }

  test('does not wait for room: what comes meanwhile is dropped as queue_full', async () => {
    const emitted: number[] = []
    let makeRoom = () => {}
    const { bring, counters, ledger, stop, running } = started((lists) => {
      emitted.push(countDatapoints(lists))
      return new Promise((resolve) => {
        makeRoom = resolve
      })
    })
    bring(metrics)
    bring(metrics)
    await settled()
    expect(emitted).toEqual([2])
    expect(ledger.snapshot()).toMatchObject({ received: 4, polled: 4, dropped: { queue_full: 2 } })
    makeRoom()
    await settled()
    bring(metrics)
    await settled()
    expect(emitted).toEqual([2, 2])
    expect(counters.value('collector.agent_poll.metrics_values')).toBe(6)
    expect(counters.value('collector.agent_poll.metrics_values_unsupported')).toBe(3)
    ledger.forwarded += 4
    expect(imbalance(ledger.snapshot())).toBe(0)
    stop.abort()
    makeRoom()
    await running
  })

  test('hands over what the last poll brought before it ends', async () => {
    let taken = false
    const { bring, stop, running } = started(async () => {
      await settled()
      taken = true
    })
    bring(metrics)
    stop.abort()
    await running
    expect(taken).toBe(true)
  })

  test('counts containers without statistics, and emits nothing where there is nothing', async () => {
    const emitted: unknown[] = []
    const { bring, counters, ledger, stop, running } = started(async (lists) => void emitted.push(lists))
    bring({ containers: { containers: [{ ...ids, statistics: undefined }], skipped: {} } })
    await settled()
    expect(emitted).toEqual([])
    expect(ledger.received).toBe(0)
    expect(counters.value('collector.agent_poll.parts_skipped', 'container_without_statistics')).toBe(1)
    stop.abort()
    await running
  })
})

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
