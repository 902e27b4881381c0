import fetch from 'node-fetch'
import { type SimulatedAgent, startSimulatedAgent } from '../../src/agent/simulated-agent.js'
import { createFakeClock, type FakeClock } from '../support/fake-clock.js'

const marathon = '1d899b6c-ba54-4aaa-954c-eaefa1759a2f-0000'
const taskGroup = '1c5550b9-cf75-4b2e-bb67-96f3e12f2767-0002'

type Reply = {
  id: string
  frameworks: {
    id: string
    name: string
    executors: { id: string; container: string; labels?: { key: string; value: string }[] }[]
  }[]
}
type Container = { container_id: string; framework_id: string; executor_id: string; statistics: Record<string, number> }

let agent: SimulatedAgent
let clock: FakeClock

beforeEach(async () => {
  clock = createFakeClock()
  agent = await startSimulatedAgent({ clock })
})
afterEach(() => agent.close())

async function get<T>(path: string): Promise<T> {
  return (await (await fetch(agent.url + path)).json()) as T
}

test('one agent has the frameworks of all recordings', async () => {
  const state = await get<Reply>('/state')
  expect(state.id).toBe(agent.agentId)
  expect(state.frameworks.map(({ name, executors }) => [name, executors.length])).toEqual([
    ['marathon', 7],
    ['mesos-execute instance', 1],
    ['mesos-execute instance', 1],
  ])
  expect(JSON.stringify(state.frameworks)).not.toContain('1c5550b9-cf75-4b2e-bb67-96f3e12f2767-S0')
})

test('the containers of a task group are in /state only', async () => {
  const nested = agent.containers().filter((container) => container.nested)
  expect(nested.map(({ frameworkId }) => frameworkId)).toEqual([taskGroup, taskGroup])
  const listed = (await get<Container[]>('/containers')).map((container) => container.container_id)
  const outer = agent.containers().find((c) => !c.nested && c.frameworkId === taskGroup)
  expect(listed).toContain(outer?.containerId)
  for (const { containerId } of nested) expect(listed).not.toContain(containerId)
})

test('CPU times grow, memory wanders, limits stay, time is now', async () => {
  const polls: Container[][] = []
  for (let poll = 0; poll < 5; poll++) {
    polls.push(await get<Container[]>('/containers'))
    await clock.advance(15_000)
  }
  const of = (name: string) => polls.map((containers) => containers[7]?.statistics[name] ?? Number.NaN)
  expect(of('timestamp')).toEqual([0, 15, 30, 45, 60].map((secs) => 1_700_000_000 + secs))
  for (const name of ['cpus_user_time_secs', 'cpus_system_time_secs', 'cpus_nr_periods']) {
    const values = of(name)
    values.slice(1).forEach((value, index) => {
      expect(value).toBeGreaterThan(values[index] ?? Number.NaN)
    })
  }
  expect(new Set(of('mem_rss_bytes')).size).toBe(5)
  expect(of('mem_rss_bytes')).toEqual(of('mem_anon_bytes'))
  expect(new Set(of('mem_limit_bytes')).size).toBe(1)
})

test('the agent itself gets older and its load moves', async () => {
  const first = await get<Record<string, number>>('/metrics/snapshot')
  await clock.advance(15_000)
  const second = await get<Record<string, number>>('/metrics/snapshot')
  expect((second['slave/uptime_secs'] ?? 0) - (first['slave/uptime_secs'] ?? 0)).toBeCloseTo(15)
  expect(second['system/load_1min']).not.toBe(first['system/load_1min'])
  expect(second['system/mem_total_bytes']).toBe(first['system/mem_total_bytes'])
  expect(second['slave/executors_running']).toBe(9)
})

test('two agents with the same seed and clock say the same', async () => {
  const twin = await startSimulatedAgent({ clock: createFakeClock() })
  try {
    expect(await (await fetch(`${twin.url}/containers`)).json()).toEqual(await get('/containers'))
  } finally {
    await twin.close()
  }
})

test('an added container is listed in both replies, with its label', async () => {
  const added = { containerId: 'try-it', executorId: 'try-it.1', frameworkName: 'marathon', applicationId: '/try/it' }
  expect(agent.addContainer(added)).toEqual({
    frameworkId: marathon,
    executorId: 'try-it.1',
    containerId: 'try-it',
  })
  const state = await get<Reply>('/state')
  expect(state.frameworks[0]?.executors.at(-1)).toMatchObject({
    id: 'try-it.1',
    container: 'try-it',
    labels: [{ key: 'MARATHON_APP_ID', value: '/try/it' }],
  })
  await clock.advance(15_000)
  const listed = (await get<Container[]>('/containers')).find(({ container_id }) => container_id === 'try-it')
  expect(listed).toMatchObject({ framework_id: marathon, executor_id: 'try-it.1' })
  expect(listed?.statistics.cpus_nr_periods).toBe(150)

  agent.removeContainer('try-it')
  expect(JSON.stringify([await get('/state'), await get('/containers')])).not.toContain('try-it')
})

test('a framework that is not there is made', async () => {
  const { frameworkId } = agent.addContainer({ containerId: 'c', executorId: 'e', frameworkName: 'spark' })
  const state = await get<Reply>('/state')
  expect(state.frameworks.at(-1)).toMatchObject({ id: frameworkId, name: 'spark' })
  expect(agent.addContainer({ containerId: 'd', executorId: 'f', frameworkName: 'spark' }).frameworkId).toBe(
    frameworkId,
  )
  expect(agent.addContainer({ containerId: 'g', executorId: 'h', frameworkId: 'own-id' }).frameworkId).toBe('own-id')
})

test.each([
  ['gzip where the client accepts it', { 'Accept-Encoding': 'gzip' }, 'gzip'],
  ['plain where it does not', { 'Accept-Encoding': 'identity' }, null],
])('%s', async (_rule, headers, encoding) => {
  const response = await fetch(`${agent.url}/state`, { headers })
  expect(response.headers.get('content-encoding')).toBe(encoding)
  expect(((await response.json()) as Reply).id).toBe(agent.agentId)
})

test('answers 404 to other paths and 405 to other methods', async () => {
  expect((await fetch(`${agent.url}/nothing`)).status).toBe(404)
  expect((await fetch(`${agent.url}/state`, { method: 'POST' })).status).toBe(405)
})

test('with a credential answers only those who have it', async () => {
  const guarded = await startSimulatedAgent({ clock, credential: 'secret' })
  try {
    expect((await fetch(`${guarded.url}/state`)).status).toBe(401)
    const headers = { Authorization: 'token=secret' }
    expect((await fetch(`${guarded.url}/state`, { headers })).status).toBe(200)
  } finally {
    await guarded.close()
  }
})
