import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseReply, prune, type Shape } from '../../src/agent/parse-reply.js'
import { readStateReply, stateShape } from '../../src/agent/replies.js'

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text))
}

const shape: Shape = { fields: { a: 'all', list: { each: { fields: { b: 'all' } } } } }

test.each<[string, unknown, Shape, unknown]>([
  ['keeps what is wanted', { a: { x: 1 }, z: 2 }, shape, { a: { x: 1 } }],
  ['of each item', { list: [{ b: 1, c: 2 }, { c: 3 }, null, 4] }, shape, { list: [{ b: 1 }, {}, null, 4] }],
  ['an object in place of a list is an empty object', { list: { b: 1 } }, shape, { list: {} }],
  ['a list in place of an object is an empty list', [1], shape, []],
  ['plain values are what they are', 'text', shape, 'text'],
  ['null is null', { list: null }, shape, { list: null }],
  [
    'only the items that have one of the values',
    [{ key: 'x' }, { key: 'y', value: 1 }, null, 3, { key: 'z' }],
    { each: 'all', having: { field: 'key', oneOf: ['y', 'z'] } },
    [{ key: 'y', value: 1 }, { key: 'z' }],
  ],
])('prune: %s', (_rule, value, wanted, expected) => {
  expect(prune(value, wanted)).toEqual(expected)
})

// The same rules for both ways: inline, and in a thread that knows nothing but its source text.
describe.each([
  ['inline', Number.POSITIVE_INFINITY],
  ['in a thread', 0],
])('parseReply %s', (_way, inlineBytes) => {
  test('parses and prunes', async () => {
    const bytes = bytesOf('{"a": "grün 😀", "list": [{"b": 1.5, "c": 2}], "z": {}}')
    expect(await parseReply(bytes, shape, { inlineBytes })).toEqual({ a: 'grün 😀', list: [{ b: 1.5 }] })
  })

  test.each([
    ['text', '<html>503</html>'],
    ['nothing', ''],
    ['a reply that was cut off', '{"a": [1, 2'],
  ])('refuses %s', async (_what, text) => {
    await expect(parseReply(bytesOf(text), shape, { inlineBytes })).rejects.toMatchObject({
      code: 'DS_AGENT_REPLY',
      message: expect.stringContaining('JSON'),
    })
  })

  test('reads a part of a bigger buffer', async () => {
    const whole = bytesOf('xx{"a":1}yy')
    expect(await parseReply(whole.subarray(2, 9), shape, { inlineBytes })).toEqual({ a: 1 })
  })
})

test('a thread is given up when the program ends', async () => {
  const end = new AbortController()
  const parsing = parseReply(bigState(20_000_000, 'running').bytes, stateShape, { signal: end.signal })
  end.abort()
  await expect(parsing).rejects.toMatchObject({ code: 'DS_AGENT_REPLY' })
})

test.each([
  'running',
  'completed',
] as const)('a /state of 50 MB, most of it %s executors, does not hold up the event loop for more than 200 ms', async (kind) => {
  const { bytes, executors } = bigState(50_000_000, kind)
  expect(bytes.length).toBeGreaterThanOrEqual(50_000_000)
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const parsed = await parseReply(bytes, stateShape)
  const state = await readStateReply(parsed)
  await new Promise((resolve) => setTimeout(resolve, 20))
  delay.disable()
  expect(state.frameworks[0]?.executors).toHaveLength(kind === 'running' ? executors : 0)
  expect(delay.max / 1e6).toBeLessThan(200)
})

/** A /state of at least `size` bytes; its executors are as an agent of Mesos 1.11 describes a task of Marathon. */
function bigState(size: number, kind: 'running' | 'completed'): { bytes: Uint8Array<ArrayBuffer>; executors: number } {
  const first = JSON.stringify(bigExecutor(0))
  const executors = Math.ceil(size / first.length) + 1
  const list = Array.from({ length: executors }, (_, index) => bigExecutor(index))
  const framework = {
    id: 'fw',
    name: 'marathon',
    executors: kind === 'running' ? list : [],
    completed_executors: kind === 'running' ? [] : list,
  }
  return { bytes: bytesOf(JSON.stringify({ id: 'agent-S0', frameworks: [framework] })), executors }
}

function bigExecutor(index: number): object {
  const id = `group_web-${String(index).padStart(6, '0')}.148de2dd-4fb0-11e6-90c7-76e71a96a1cb`
  const labels = [
    { key: 'MARATHON_APP_ID', value: `/group/web-${index}` },
    { key: 'DCOS_PACKAGE_METADATA', value: 'x'.repeat(1500) },
  ]
  const container = `7a7bce7d-0bcb-4ff2-836b-${String(index).padStart(12, '0')}`
  const containerStatus = {
    container_id: { value: container },
    network_infos: [{ ip_addresses: [{ protocol: 'IPv4' }] }],
  }
  const statuses = ['TASK_STARTING', 'TASK_RUNNING'].map((state) => ({ state, container_status: containerStatus }))
  const resources = { cpus: 0.1, mem: 32, disk: 0, gpus: 0, ports: '[31000-31001]' }
  const task = {
    id,
    name: 'web',
    framework_id: 'fw',
    executor_id: '',
    slave_id: 'agent-S0',
    resources,
    labels,
    statuses,
  }
  return { id, name: 'Command Executor', source: id, container, resources, labels, tasks: [task], queued_tasks: [] }
}
