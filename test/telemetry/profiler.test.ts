import { request } from 'node:http'
import { startAdmin } from '../../src/telemetry/admin.js'
import { Counters } from '../../src/telemetry/counters.js'
import { profileRoutes } from '../../src/telemetry/profile-routes.js'
import { createProfiler } from '../../src/telemetry/profiler.js'
import { Readiness } from '../../src/telemetry/readiness.js'

const open: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function start() {
  const profiler = await createProfiler()
  open.push(profiler)
  const parts = { counters: new Counters(), ledgers: [], readiness: new Readiness() }
  const admin = await startAdmin({ host: '127.0.0.1', port: 0, ...parts, routes: profileRoutes(profiler) })
  open.push(admin)
  const ask = (path: string, signal?: AbortSignal) =>
    new Promise<{ status: number; body: string; fileName: string | undefined }>((resolve, reject) => {
      const asked = request({ ...admin.address, path, ...(signal && { signal }) }, (response) => {
        let body = ''
        response.on('data', (piece) => {
          body += piece
        })
        const fileName = response.headers['content-disposition']
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body, fileName }))
      })
      asked.on('error', reject).end()
    })
  return { profiler, ask }
}

test('a CPU profile names the function that was busy meanwhile', async () => {
  const { ask } = await start()
  const answer = ask('/profile/cpu?seconds=1')
  let done = false
  void answer.finally(() => {
    done = true
  })
  while (!done) {
    fibonacci(20)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { status, body, fileName } = await answer
  expect([status, fileName]).toEqual([200, `attachment; filename="dcos-stats-${process.pid}.cpuprofile"`])
  const { nodes, startTime, endTime } = JSON.parse(body)
  expect(endTime - startTime).toBeGreaterThan(900_000)
  expect(nodes.some((node: ProfileNode) => node.callFrame.functionName === 'fibonacci')).toBe(true)
})

test('a heap profile names the function whose memory is still in use', async () => {
  const { ask } = await start()
  const kept = allocateMuch()
  const { status, body, fileName } = await ask('/profile/heap')
  expect([status, fileName]).toEqual([200, `attachment; filename="dcos-stats-${process.pid}.heapprofile"`])
  expect(bytesOf(JSON.parse(body).head, 'allocateMuch')).toBeGreaterThan(1_000_000)
  expect(kept.length).toBeGreaterThan(0)
})

test('one CPU profile at a time; who goes away ends it', async () => {
  const { ask, profiler } = await start()
  const leaving = new AbortController()
  const first = profiler.cpu(60, leaving.signal)
  expect(await ask('/profile/cpu?seconds=1')).toMatchObject({
    status: 409,
    body: expect.stringContaining('being taken already'),
  })
  leaving.abort()
  const { startTime, endTime } = JSON.parse(await first)
  expect(endTime - startTime).toBeLessThan(30_000_000)
  expect(await ask('/profile/cpu?seconds=1')).toMatchObject({ status: 200 })
})

test('a client that hangs up ends its profile', async () => {
  const { ask } = await start()
  const leaving = new AbortController()
  const first = ask('/profile/cpu?seconds=60', leaving.signal)
  setTimeout(() => leaving.abort(), 200)
  await expect(first).rejects.toThrow()
  let status = 409
  while (status === 409) status = (await ask('/profile/cpu?seconds=1')).status
  expect(status).toBe(200)
}, 10_000)

test.each(['0', '61', '-1', 'x', ''])('seconds=%s is refused', async (seconds) => {
  const { ask } = await start()
  expect(await ask(`/profile/cpu?seconds=${seconds}`)).toMatchObject({
    status: 400,
    body: expect.stringContaining('from 1 to 60'),
  })
})

interface ProfileNode {
  readonly callFrame: { readonly functionName: string }
  readonly selfSize: number
  readonly children: readonly ProfileNode[]
}

function fibonacci(n: number): number {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2)
}

function allocateMuch(): object[] {
  return Array.from({ length: 100_000 }, (_, i) => ({ number: i, text: `${i} of many` }))
}

function bytesOf({ callFrame, selfSize, children }: ProfileNode, name: string): number {
  const below = children.reduce((sum, child) => sum + bytesOf(child, callFrame.functionName === name ? '' : name), 0)
  return below + (callFrame.functionName === name ? totalOf({ callFrame, selfSize, children }) : 0)
}

function totalOf({ selfSize, children }: ProfileNode): number {
  return children.reduce((sum, child) => sum + totalOf(child), selfSize)
}
