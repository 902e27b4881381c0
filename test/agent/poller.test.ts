import { type AgentEndpoint, type AgentQuery, createAgentQuery } from '../../src/agent/agent-address.js'
import { createAgentClient } from '../../src/agent/client.js'
import { type AgentMetrics, type AgentPoller, createAgentPoller } from '../../src/agent/poller.js'
import { startSimulatedAgent } from '../../src/agent/simulated-agent.js'
import { unknownAgentState } from '../../src/model/agent-state.js'
import { systemClock } from '../../src/platform/clock.js'
import { StatsError } from '../../src/platform/errors.js'
import { Counters } from '../../src/telemetry/counters.js'
import { type Log, silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'

type Answer = string | (() => string | Promise<string>)

const goodAnswers: Record<AgentEndpoint, Answer> = {
  state: stateOf('c1'),
  snapshot: '{"slave/uptime_secs": 1}',
  containers: '[]',
}

function stateOf(...containerIds: string[]): string {
  const executors = containerIds.map((container) => ({ id: `executor of ${container}`, container }))
  return JSON.stringify({ id: 'S0', frameworks: [{ id: 'f', name: 'marathon', executors }] })
}

/** A poller with a fake clock over answers that a test may change at any time. */
function scripted({ pollPeriodMs = 15_000, snapshot = true } = {}) {
  const clock = createFakeClock()
  const answers = { ...goodAnswers }
  const asked: { endpoint: AgentEndpoint; atMs: number }[] = []
  const startMs = clock.nowMs()
  const query: AgentQuery = async (endpoint) => {
    asked.push({ endpoint, atMs: clock.nowMs() - startMs })
    const answer = answers[endpoint]
    return new Uint8Array(Buffer.from(typeof answer === 'string' ? answer : await answer()))
  }
  const lines: { level: string; fields: Record<string, unknown>; text: string }[] = []
  const line = (level: string) => (fields: Record<string, unknown>, text: string) => lines.push({ level, fields, text })
  const log = { ...silentLog, warn: line('warn'), info: line('info') } as unknown as Log
  const counters = new Counters()
  const poller = createAgentPoller({ query, clock, log, counters, pollPeriodMs, snapshot })
  const states: string[][] = []
  poller.onState(({ containers }) => states.push([...containers.keys()]))
  const metrics: AgentMetrics[] = []
  poller.onMetrics((brought) => metrics.push(brought))
  const stop = new AbortController()
  const timesOf = (wanted: AgentEndpoint) => asked.filter(({ endpoint }) => endpoint === wanted).map(({ atMs }) => atMs)
  return { clock, answers, asked, lines, counters, poller, states, metrics, stop, timesOf }
}

function fails(error: StatsError): () => never {
  return () => {
    throw error
  }
}

const away = new StatsError('DS_AGENT_AWAY', 'nobody there')

test('polls at once and then each period: /state, /metrics/snapshot, /containers', async () => {
  const { poller, clock, asked, stop, states, metrics } = scripted()
  expect(poller.state()).toBe(unknownAgentState)
  const running = poller.run(stop.signal)
  await clock.advance(0)
  expect(asked.map(({ endpoint, atMs }) => [endpoint, atMs])).toEqual([
    ['state', 0],
    ['snapshot', 0],
    ['containers', 0],
  ])
  expect(poller.state().agentId).toBe('S0')
  expect(metrics).toEqual([
    {
      snapshot: { 'slave/uptime_secs': 1 },
      snapshotTimeMs: clock.nowMs(),
      containers: { containers: [], skipped: {} },
    },
  ])
  await clock.advance(30_000)
  expect(asked.slice(3).map(({ endpoint, atMs }) => [endpoint, atMs])).toEqual([
    ['state', 15_000],
    ['snapshot', 15_000],
    ['containers', 15_000],
    ['state', 30_000],
    ['snapshot', 30_000],
    ['containers', 30_000],
  ])
  expect(states).toHaveLength(3)
  stop.abort()
  await running
})

test('the snapshot is not asked where it is not wanted', async () => {
  const { poller, clock, asked, stop } = scripted({ snapshot: false })
  const running = poller.run(stop.signal)
  await clock.advance(0)
  expect(asked.map(({ endpoint }) => endpoint)).toEqual(['state', 'containers'])
  stop.abort()
  await running
})

test('polls of a slow agent do not overlap, and those that it made impossible are left out', async () => {
  const { poller, clock, answers, stop, timesOf } = scripted({ pollPeriodMs: 1000 })
  answers.snapshot = async () => {
    await clock.sleep(2500)
    return '{"a": 1}'
  }
  const running = poller.run(stop.signal)
  await clock.advance(7000)
  expect(timesOf('state')).toEqual([0, 3000, 6000])
  stop.abort()
  await clock.advance(2500)
  await running
})

test('each endpoint fails on its own, and the older state stays', async () => {
  const { poller, clock, answers, counters, stop, metrics } = scripted()
  const running = poller.run(stop.signal)
  await clock.advance(0)
  answers.state = fails(away)
  answers.containers = '<html>'
  await clock.advance(15_000)
  expect(poller.state().agentId).toBe('S0')
  expect(poller.state().containers.has('c1')).toBe(true)
  expect(metrics[1]).toEqual({ snapshot: { 'slave/uptime_secs': 1 }, snapshotTimeMs: clock.nowMs() })
  expect(counters.value('collector.agent_poll.queries')).toBe(6)
  expect(counters.value('collector.agent_poll.query_failures')).toBe(1)
  expect(counters.value('collector.agent_poll.query_bad_data')).toBe(1)

  answers.state = stateOf('c2')
  answers.snapshot = fails(away)
  await clock.advance(15_000)
  expect([...poller.state().containers.keys()]).toEqual(['c2'])
  expect(metrics).toHaveLength(2)
  stop.abort()
  await running
})

test('a failure is logged once until it changes or is over', async () => {
  const { poller, clock, answers, lines, stop } = scripted()
  const running = poller.run(stop.signal)
  const told = () => lines.splice(0).map(({ level, fields }) => [level, fields.path, fields.code])
  answers.state = fails(away)
  await clock.advance(60_000)
  expect(told()).toEqual([['warn', '/state', 'DS_AGENT_AWAY']])
  answers.state = '{"half": '
  await clock.advance(15_000)
  answers.state = 'other words'
  await clock.advance(30_000)
  expect(told()).toEqual([['warn', '/state', 'DS_AGENT_REPLY']])
  answers.state = goodAnswers.state
  await clock.advance(30_000)
  expect(told()).toEqual([['info', '/state', undefined]])
  answers.state = fails(away)
  await clock.advance(15_000)
  expect(told()).toEqual([['warn', '/state', 'DS_AGENT_AWAY']])
  stop.abort()
  await running
})

test('incomplete parts are counted at each poll, told once, and the others come through', async () => {
  const { poller, clock, answers, lines, counters, stop } = scripted()
  answers.containers = JSON.stringify([{}, { container_id: 'c9', executor_id: 'e', framework_id: 'f' }])
  const running = poller.run(stop.signal)
  await clock.advance(30_000)
  expect(poller.state().containers.get('c9')).toEqual({ containerId: 'c9', executorId: 'e', frameworkId: 'f' })
  expect(counters.value('collector.agent_poll.parts_skipped', 'container')).toBe(3)
  expect(lines.map(({ level, fields }) => [level, fields])).toEqual([['warn', { path: '/containers', container: 1 }]])
  stop.abort()
  await running
})

test.each([
  ['the credential is refused', new StatsError('DS_AGENT_AUTH', 'x', { exitCode: 69 })],
  ['the address cannot be had', new StatsError('DS_AGENT_IP', 'x', { exitCode: 78 })],
])('ends where %s, and lets nobody wait', async (_what, error) => {
  const { poller, answers, stop } = scripted()
  answers.state = fails(error)
  const refreshed = poller.refresh()
  await expect(poller.run(stop.signal)).rejects.toBe(error)
  await refreshed
  await poller.refresh()
})

test('a state callback comes for a good /state only, also where nothing changed, and can be ended', async () => {
  const { poller, clock, answers, states, stop } = scripted()
  let called = 0
  const cancel = poller.onState(() => called++)
  const running = poller.run(stop.signal)
  await clock.advance(15_000)
  expect(states).toEqual([['c1'], ['c1']])
  cancel()
  answers.state = fails(away)
  await clock.advance(15_000)
  expect(states).toHaveLength(2)
  answers.state = goodAnswers.state
  await clock.advance(15_000)
  expect(states).toHaveLength(3)
  expect(called).toBe(2)
  stop.abort()
  await running
})

describe('refresh', () => {
  test('asks /state and /containers at once, and brings no metrics', async () => {
    const { poller, clock, asked, answers, metrics, stop } = scripted()
    const running = poller.run(stop.signal)
    await clock.advance(5000)
    answers.state = stateOf('c1', 'new')
    const refreshed = poller.refresh()
    await clock.advance(0)
    await refreshed
    expect(poller.state().containers.has('new')).toBe(true)
    expect(asked.slice(3).map(({ endpoint, atMs }) => [endpoint, atMs])).toEqual([
      ['state', 5000],
      ['containers', 5000],
    ])
    expect(metrics).toHaveLength(1)
    stop.abort()
    await running
  })

  test('does not put off the next poll', async () => {
    const { poller, clock, timesOf, stop } = scripted()
    const running = poller.run(stop.signal)
    await clock.advance(14_900)
    void poller.refresh()
    await clock.advance(15_100)
    expect(timesOf('snapshot')).toEqual([0, 15_000, 30_000])
    stop.abort()
    await running
  })

  test('100 calls share one question; further ones wait for 250 ms', async () => {
    const { poller, clock, timesOf, stop } = scripted()
    const running = poller.run(stop.signal)
    await clock.advance(1000)
    await Promise.all([...Array.from({ length: 100 }, () => poller.refresh()), clock.advance(0)])
    expect(timesOf('state')).toEqual([0, 1000])
    for (let step = 0; step < 100; step++) {
      void poller.refresh()
      await clock.advance(10)
    }
    expect(timesOf('state')).toEqual([0, 1000, 1250, 1500, 1750, 2000])
    stop.abort()
    await running
  })

  test('a question that is already under way does not count as an answer', async () => {
    const { poller, clock, answers, timesOf, stop } = scripted()
    const running = poller.run(stop.signal)
    await clock.advance(1000)
    answers.state = async () => {
      await clock.sleep(500)
      return stateOf('old')
    }
    void poller.refresh()
    await clock.advance(100)
    let seen: string[] = []
    void poller.refresh().then(() => {
      seen = [...poller.state().containers.keys()]
    })
    answers.state = stateOf('new')
    await clock.advance(399)
    expect(seen).toEqual([])
    await clock.advance(1)
    expect(seen).toEqual(['new'])
    expect(timesOf('state')).toEqual([0, 1000, 1500])
    stop.abort()
    await running
  })

  test('before the first poll it waits for that, after the end for nothing', async () => {
    const { poller, clock, asked, stop } = scripted()
    const early = poller.refresh()
    const running = poller.run(stop.signal)
    await clock.advance(0)
    await early
    expect(asked).toHaveLength(3)
    stop.abort()
    await running
    await poller.refresh()
    expect(asked).toHaveLength(3)
  })
})

test('readiness follows /state', async () => {
  const seen: string[] = []
  const readiness = {
    ready: () => void seen.push('ready'),
    waiting: (_part: string, reason: string) => void seen.push(reason),
  }
  const clock = createFakeClock()
  let fail = true
  const query: AgentQuery = async (endpoint) => {
    if (fail) throw away
    return new Uint8Array(Buffer.from(goodAnswers[endpoint] as string))
  }
  const options = { query, clock, log: silentLog, counters: new Counters(), pollPeriodMs: 1000, readiness }
  const stop = new AbortController()
  const running = createAgentPoller(options).run(stop.signal)
  await clock.advance(0)
  fail = false
  await clock.advance(1000)
  stop.abort()
  await running
  expect(seen).toEqual(['the Mesos agent has not answered yet', 'nobody there', 'ready'])
})

describe('over HTTP, with the system clock', () => {
  async function polling(
    options: { url: string; credential?: string; timeoutMs?: number },
    use: (poller: AgentPoller, running: Promise<void>) => Promise<void>,
  ): Promise<void> {
    const counters = new Counters()
    const client = createAgentClient({ userAgent: 'dcos-stats/test', ...options })
    const query = createAgentQuery({ address: { ...options, ipCommand: '', port: 0 }, client, counters })
    const poller = createAgentPoller({ query, clock: systemClock, log: silentLog, counters, pollPeriodMs: 60_000 })
    const stop = new AbortController()
    const running = poller.run(stop.signal)
    running.catch(() => {})
    try {
      await use(poller, running)
    } finally {
      stop.abort()
      await running.catch(() => {})
    }
  }

  test('a new container of the simulated agent is known after a refresh', async () => {
    const agent = await startSimulatedAgent()
    await polling({ url: agent.url }, async (poller) => {
      await new Promise<void>((resolve) => poller.onState(() => resolve()))
      expect(poller.state().agentId).toBe(agent.agentId)
      expect([...poller.state().frameworkNames.values()]).toEqual([
        'marathon',
        'mesos-execute instance',
        'mesos-execute instance',
      ])
      for (const { frameworkId, executorId, containerId } of agent.containers()) {
        expect(poller.state().containers.get(containerId)).toEqual({ frameworkId, executorId, containerId })
      }
      const added = agent.addContainer({ containerId: 'new', executorId: 'e', frameworkName: 'marathon' })
      await poller.refresh()
      expect(poller.state().containers.get('new')).toEqual(added)
    })
    await agent.close()
  })

  test('a refused credential ends the poller', async () => {
    const agent = await startSimulatedAgent({ credential: 'right' })
    await polling({ url: agent.url, credential: 'wrong' }, async (_poller, running) => {
      await expect(running).rejects.toMatchObject({ code: 'DS_AGENT_AUTH', exitCode: 69 })
    })
    await polling({ url: agent.url, credential: 'right' }, async (poller) => {
      await poller.refresh()
      expect(poller.state().agentId).toBe(agent.agentId)
    })
    await agent.close()
  })
})
