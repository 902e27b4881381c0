import { createSocket } from 'node:dgram'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OpenSocket } from '../../src/containers/endpoint.js'
import type { Identities } from '../../src/containers/identities.js'
import type { PortMode } from '../../src/containers/ports.js'
import { createRegistry } from '../../src/containers/registry.js'
import { createStateDir } from '../../src/containers/state-dir.js'
import type { ContainerIdentity } from '../../src/model/agent-state.js'
import { Counters } from '../../src/telemetry/counters.js'
import { silentLog } from '../../src/telemetry/log.js'
import { createFakeClock } from '../support/fake-clock.js'
import { createUdpEndpoints } from '../support/udp-endpoint.js'

const closers: (() => Promise<unknown>)[] = []
let path: string

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'dcos-stats-registry-'))
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await rm(path, { recursive: true, force: true })
})

function start({
  portMode = { mode: 'ephemeral' },
  identities,
  openSocket,
  persist = true,
}: {
  portMode?: PortMode
  identities?: Identities
  openSocket?: OpenSocket
  persist?: boolean
} = {}) {
  const endpoints = createUdpEndpoints()
  const counters = new Counters()
  const clock = createFakeClock()
  const registry = createRegistry({
    portMode,
    openSocket: openSocket ?? endpoints.openSocket,
    ...(persist ? { stateDir: createStateDir({ path, log: silentLog, counters }) } : {}),
    ...(identities === undefined ? {} : { identities }),
    log: silentLog,
    counters,
    clock,
  })
  closers.push(() => registry.close())
  return { registry, endpoints, counters, clock }
}

function simulatedAgent() {
  const known = new Map<string, ContainerIdentity>()
  const callbacks = new Set<() => void>()
  const agent = {
    refreshes: 0,
    /** What the agent's replies will name from now on, at the next refresh. */
    knows: (containerId: string) =>
      known.set(containerId, { frameworkId: 'framework-1', executorId: 'executor.1', containerId }),
    identify: (containerId: string) => known.get(containerId),
    onIdentities(callback: () => void) {
      callbacks.add(callback)
      return () => void callbacks.delete(callback)
    },
    async refresh() {
      agent.refreshes += 1
      for (const callback of callbacks) callback()
    },
  }
  return agent
}

/** A range of ports on 127.0.0.1 that nobody has at this moment. */
async function freeRange(size: number): Promise<{ mode: 'range'; startPort: number; endPort: number }> {
  for (let startPort = 20_000; startPort < 32_000; startPort += size) {
    const probes = createUdpEndpoints()
    const ports = Array.from({ length: size }, (_, index) => startPort + index)
    const results = await Promise.allSettled(
      ports.map((port) => probes.openSocket({ port, owner: { status: 'unknown' } })),
    )
    await Promise.all(probes.open().map((socket) => socket.close()))
    if (results.every(({ status }) => status === 'fulfilled')) {
      return { mode: 'range', startPort, endPort: startPort + size - 1 }
    }
  }
  throw new Error('no free ports on this machine')
}

function send(port: number, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.send(text, port, '127.0.0.1', (cause) => {
      socket.close()
      if (cause) reject(cause)
      else resolve()
    })
  })
}

describe('ephemeral', () => {
  test('a container has a socket of its own, which receives', async () => {
    const { registry, endpoints } = start()
    const first = await registry.register('one')
    const second = await registry.register('two')
    expect(first).toEqual({ containerId: 'one', host: '127.0.0.1', port: expect.any(Number) })
    expect(second?.port).not.toBe(first?.port)
    const arrived = endpoints.sockets[1]!.nextPacket()
    await send(second!.port, 'hits:1|c')
    expect(await arrived).toBe('hits:1|c')
    expect(endpoints.sockets[0]!.packets).toEqual([])
  })

  test('a repeated registration gives the same endpoint, also while the first one is under way', async () => {
    const { registry, endpoints } = start()
    const answers = await Promise.all([registry.register('one'), registry.register('one')])
    expect(await registry.register('one')).toEqual(answers[0])
    expect(answers[1]).toEqual(answers[0])
    expect(endpoints.sockets).toHaveLength(1)
  })

  test('an ended container has its socket closed and its file removed, and may come again', async () => {
    const { registry, endpoints } = start()
    await registry.register('one')
    await registry.unregister('one')
    expect(endpoints.open()).toEqual([])
    expect(await readdir(join(path, 'containers'))).toEqual([])
    const ending = registry.register('one').then(() => registry.unregister('one'))
    await ending
    const again = await registry.register('one')
    expect(JSON.parse(await readFile(join(path, 'containers', 'one'), 'utf8')).statsd_port).toBe(again?.port)
  })

  test('a container that ends while its socket is being opened leaves nothing behind', async () => {
    const { registry, endpoints } = start()
    const registered = registry.register('one')
    await registry.unregister('one')
    await registered
    expect(endpoints.sockets).toHaveLength(1)
    expect(endpoints.open()).toEqual([])
    expect(await readdir(join(path, 'containers'))).toEqual([])
  })

  test('one that comes again while it is ending keeps the file of its new endpoint', async () => {
    const { registry, endpoints } = start()
    await registry.register('one')
    const [, again] = await Promise.all([registry.unregister('one'), registry.register('one')])
    expect(endpoints.open().map(({ port }) => port)).toEqual([again?.port])
    expect(JSON.parse(await readFile(join(path, 'containers', 'one'), 'utf8')).statsd_port).toBe(again?.port)
  })

  test('a socket that cannot be opened is no answer, and is counted; the next announcement tries again', async () => {
    const endpoints = createUdpEndpoints()
    let failures = 1
    const { registry, counters } = start({
      openSocket: (request) => {
        failures -= 1
        return failures >= 0 ? Promise.reject(new Error('EMFILE')) : endpoints.openSocket(request)
      },
    })
    closers.push(() => Promise.all(endpoints.open().map((socket) => socket.close())))
    expect(await registry.register('one')).toBeUndefined()
    expect(counters.value('proxy.containers_without_endpoint', 'failed')).toBe(1)
    expect(await registry.register('one')).toBeDefined()
    await registry.close()
    closers.length = 0
  })

  test.each([
    ['empty', ''],
    ['the parent folder', '..'],
    ['the parent folder behind slashes', '/../'],
    ['with NUL', 'a\0b'],
    ['longer than a file name', 'x'.repeat(256)],
    ['not valid Unicode', '\ud800'],
  ])('an id is refused that is %s', async (_rule, containerId) => {
    const { registry, endpoints } = start()
    await expect(registry.register(containerId)).rejects.toMatchObject({ code: 'DS_CONTAINER_ID' })
    await registry.unregister(containerId)
    expect(endpoints.sockets).toEqual([])
  })
})

describe('single', () => {
  test('one container is known; two or more on the port are nobody; the port stays open', async () => {
    const { registry, endpoints } = start({ portMode: { mode: 'single', port: (await freeRange(1)).startPort } })
    const first = await registry.register('one')
    const second = await registry.register('two')
    expect(second?.port).toBe(first?.port)
    expect(endpoints.sockets).toHaveLength(1)
    expect(endpoints.sockets[0]!.owners.at(-1)).toEqual({ status: 'unknown' })
    await registry.unregister('one')
    await registry.unregister('two')
    expect(endpoints.open()).toHaveLength(1)
  })

  test('when all but one have ended, the port is the one container again', async () => {
    const agent = simulatedAgent()
    agent.knows('one')
    agent.knows('two')
    const portMode: PortMode = { mode: 'single', port: (await freeRange(1)).startPort }
    const { registry, endpoints } = start({ portMode, identities: agent })
    await registry.register('one')
    expect(endpoints.sockets[0]!.owners.at(-1)).toMatchObject({ identity: { containerId: 'one' } })
    await registry.register('two')
    expect(endpoints.sockets[0]!.owners.at(-1)).toEqual({ status: 'unknown' })
    await registry.unregister('one')
    expect(endpoints.sockets[0]!.owners.at(-1)).toMatchObject({ identity: { containerId: 'two' } })
  })
})

describe('range', () => {
  test('the lowest free port comes first, also after some were freed', async () => {
    const portMode = await freeRange(4)
    const { registry } = start({ portMode })
    const ports = await Promise.all(['a', 'b', 'c'].map(async (id) => (await registry.register(id))?.port))
    expect(ports).toEqual([portMode.startPort, portMode.startPort + 1, portMode.startPort + 2])
    await registry.unregister('b')
    await registry.unregister('a')
    expect((await registry.register('d'))?.port).toBe(portMode.startPort)
    expect((await registry.register('e'))?.port).toBe(portMode.startPort + 1)
    expect((await registry.register('f'))?.port).toBe(portMode.startPort + 3)
  })

  test('a depleted range gives no endpoint, counted, and gives one again when a port is free', async () => {
    const { registry, counters } = start({ portMode: await freeRange(2) })
    const ends = await Promise.all(['a', 'b', 'c'].map((id) => registry.register(id)))
    expect(ends.map((end) => end === undefined)).toEqual([false, false, true])
    expect(counters.value('proxy.containers_without_endpoint', 'depleted')).toBe(1)
    await registry.unregister('a')
    expect(await registry.register('c')).toMatchObject({ port: ends[0]!.port })
  })

  test('a port that somebody else has is passed over, and taken once it is free', async () => {
    const portMode = await freeRange(3)
    const other = await createUdpEndpoints().openSocket({ port: portMode.startPort, owner: { status: 'unknown' } })
    const { registry } = start({ portMode })
    expect((await registry.register('a'))?.port).toBe(portMode.startPort + 1)
    await other.close()
    expect((await registry.register('b'))?.port).toBe(portMode.startPort)
    expect((await registry.register('c'))?.port).toBe(portMode.startPort + 2)
  })

  test('a failure that no other port would mend ends the search, and the port stays free', async () => {
    const portMode = await freeRange(3)
    const endpoints = createUdpEndpoints()
    let opened = 0
    const { registry } = start({
      portMode,
      openSocket: (request) => {
        opened += 1
        if (opened > 1) return endpoints.openSocket(request)
        return Promise.reject(Object.assign(new Error('too many open files'), { code: 'EMFILE' }))
      },
    })
    expect(await registry.register('a')).toBeUndefined()
    expect(opened).toBe(1)
    expect((await registry.register('a'))?.port).toBe(portMode.startPort)
  })
})

describe('who it is', () => {
  test("what a closing socket still reads is the ended container's, not nobody's", async () => {
    const { registry, endpoints } = start()
    await registry.register('one')
    const owner = endpoints.sockets[0]!.owners.at(-1)
    await registry.unregister('one')
    expect(endpoints.sockets[0]!.closed).toBe(true)
    expect(endpoints.sockets[0]!.owners.at(-1)).toEqual(owner)
  })

  test('a known container is known at once, a new one is asked for and pending until the agent names it', async () => {
    const agent = simulatedAgent()
    agent.knows('one')
    const { registry, endpoints, clock } = start({ identities: agent })
    await registry.register('one')
    expect(agent.refreshes).toBe(0)
    expect(endpoints.sockets[0]!.owners.at(-1)).toMatchObject({ status: 'known' })

    await registry.register('two')
    expect(agent.refreshes).toBe(1)
    expect(endpoints.sockets[1]!.owners.at(-1)).toEqual({ status: 'pending', containerId: 'two' })
    agent.knows('two')
    await clock.advance(500)
    expect(agent.refreshes).toBe(2)
    expect(registry.ownerOf('two')).toEqual({
      status: 'known',
      identity: { frameworkId: 'framework-1', executorId: 'executor.1', containerId: 'two' },
    })
    expect(endpoints.sockets[1]!.owners.at(-1)).toEqual(registry.ownerOf('two'))
    await clock.advance(60_000)
    expect(agent.refreshes).toBe(2)
  })

  test('a container that the agent never names is asked for six times, then left to the polls', async () => {
    const agent = simulatedAgent()
    const { registry, clock } = start({ identities: agent })
    await registry.register('ghost')
    await clock.advance(120_000)
    expect(agent.refreshes).toBe(6)
  })

  test('the agent names a nested container by the last part of its id', async () => {
    const agent = simulatedAgent()
    agent.knows('nested')
    const { registry } = start({ identities: agent })
    await registry.register('outer/nested')
    expect(registry.ownerOf('outer/nested')).toMatchObject({ identity: { containerId: 'nested' } })
  })

  test('without an agent nobody is waited for', async () => {
    const { registry, endpoints } = start()
    await registry.register('one')
    expect(endpoints.sockets[0]!.owners.at(-1)).toEqual({ status: 'unknown' })
  })
})

describe('restart', () => {
  test('the same containers have the same ports without being announced again', async () => {
    const before = start()
    const ids = ['one', 'outer/nested', 'percent%2Fsign']
    const told = await Promise.all(ids.map((id) => before.registry.register(id)))
    await before.registry.close()
    const after = start()
    await after.registry.recover()
    expect(new Set(after.registry.endpoints())).toEqual(new Set(told))
    const arrived = after.endpoints.sockets.find(({ port }) => port === told[1]!.port)!.nextPacket()
    await send(told[1]!.port, 'hits:1|c')
    expect(await arrived).toBe('hits:1|c')
    expect(await after.registry.register('one')).toEqual(told[0])
  })

  test('a port that somebody else has is that container alone; once free it is had again', async () => {
    const before = start()
    const [one, two] = [await before.registry.register('one'), await before.registry.register('two')]
    await before.registry.close()
    const thief = await createUdpEndpoints().openSocket({ port: one!.port, owner: { status: 'unknown' } })
    const after = start()
    await after.registry.recover()
    expect(after.registry.endpoints()).toEqual([two])
    expect(after.counters.value('proxy.containers_without_endpoint', 'not_recovered')).toBe(1)
    await thief.close()
    await after.registry.reconcile(['one', 'two'])
    expect(new Set(after.registry.endpoints())).toEqual(new Set([one, two]))
  })

  test('a container without its former port that is announced anew gets another one', async () => {
    const before = start()
    const one = await before.registry.register('one')
    await before.registry.close()
    const thief = await createUdpEndpoints().openSocket({ port: one!.port, owner: { status: 'unknown' } })
    closers.push(() => thief.close())
    const after = start()
    await after.registry.recover()
    const again = await after.registry.register('one')
    expect(again?.port).not.toBe(one?.port)
    expect(JSON.parse(await readFile(join(path, 'containers', 'one'), 'utf8')).statsd_port).toBe(again?.port)
  })

  test('a recovered port outside of the range is an error for that container only', async () => {
    const before = start()
    await before.registry.register('one')
    await before.registry.close()
    const after = start({ portMode: await freeRange(2) })
    await after.registry.recover()
    expect(after.registry.endpoints()).toEqual([])
    expect(await after.registry.register('two')).toBeDefined()
  })

  test('containers that shared a port in single mode share it in the next mode too, as nobody', async () => {
    const before = start({ portMode: { mode: 'single', port: (await freeRange(1)).startPort } })
    await before.registry.register('one')
    await before.registry.register('two')
    await before.registry.close()
    const after = start()
    await after.registry.recover()
    expect(after.registry.endpoints()).toHaveLength(2)
    expect(after.endpoints.open()).toHaveLength(1)
    expect(after.endpoints.sockets[0]!.owners.at(-1)).toEqual({ status: 'unknown' })
    await after.registry.unregister('one')
    await after.registry.unregister('two')
    expect(after.endpoints.open()).toEqual([])
  })
})

describe('reconcile', () => {
  test('a recovered container that the agent misses twice in a row is ended and forgotten', async () => {
    const before = start()
    await before.registry.register('gone')
    await before.registry.register('alive')
    await before.registry.close()
    const { registry, endpoints } = start()
    await registry.recover()
    await registry.reconcile(['alive'])
    expect(registry.endpoints()).toHaveLength(2)
    await registry.reconcile(['alive'])
    expect(registry.endpoints().map(({ containerId }) => containerId)).toEqual(['alive'])
    expect(endpoints.open()).toHaveLength(1)
    expect(await readdir(join(path, 'containers'))).toEqual(['alive'])
  })

  test('misses that are not in a row do not count together', async () => {
    const { registry } = start()
    await registry.register('one')
    for (const listed of [['one'], [], ['one'], []]) await registry.reconcile(listed)
    expect(registry.endpoints()).toHaveLength(1)
    await registry.reconcile([])
    expect(registry.endpoints()).toEqual([])
  })

  test('one that was announced and not listed yet stays', async () => {
    const { registry } = start()
    await registry.register('new')
    for (let poll = 0; poll < 5; poll += 1) await registry.reconcile(['other'])
    expect(registry.endpoints()).toHaveLength(1)
  })

  test('a nested container is listed by the last part of its id', async () => {
    const before = start()
    await before.registry.register('outer/nested')
    await before.registry.close()
    const { registry } = start()
    await registry.recover()
    for (let poll = 0; poll < 3; poll += 1) await registry.reconcile(['nested'])
    expect(registry.endpoints()).toHaveLength(1)
  })
})

test('the operator is warned before the descriptors run out, once', async () => {
  const warnings: string[] = []
  const registry = createRegistry({
    portMode: { mode: 'ephemeral' },
    openSocket: createUdpEndpoints().openSocket,
    log: { ...silentLog, warn: (_fields: unknown, text?: string) => void warnings.push(String(text)) },
    counters: new Counters(),
    descriptorLimit: 10,
  })
  closers.push(() => registry.close())
  for (let index = 0; index < 7; index += 1) await registry.register(`c${index}`)
  expect(warnings).toEqual([])
  await registry.register('c7')
  await registry.register('c8')
  expect(warnings).toEqual([expect.stringContaining('ulimit -n')])
})
