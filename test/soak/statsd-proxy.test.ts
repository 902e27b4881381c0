import { countedProxies } from '../support/counted-proxies.js'
import type { ProxyProcess } from '../support/proxy.js'
import { announceMany, restartUnderLoad } from '../support/restarts.js'
import { type SoakResult, soak } from '../support/soak.js'

const counted = countedProxies()
const { start } = counted

// 208 KiB is what a kernel gives whose net.core.rmem_max nobody has raised.
test.each([
  4096, 208,
])('20 restarts under 20,000 datagrams a second on 20 endpoints, receive buffers of %i KiB', async (kbytes) => {
  const proxy = start('--receive-buffer-kbytes', String(kbytes))
  const result = await restartUnderLoad(proxy, counted.collector, { restarts: 20, ratePerSecond: 20_000 })
  const lost = ((100 * result.missing) / result.sentDatapoints).toFixed(5)
  process.stdout.write(`20 restarts, buffers of ${kbytes} KiB: ${JSON.stringify(result)}, lost ${lost} %\n`)
  // Small buffers overflow on a machine that has no core to spare, restart or not; the restart itself loses nothing.
  expect(result).toMatchObject({ missing: kbytes === 4096 ? 0 : result.kernelDropped, repeated: 0 })
})

test('restarts with 1,000 endpoints', async () => {
  const proxy = start('--log-level', 'info')
  const result = await restartUnderLoad(proxy, counted.collector, {
    restarts: 3,
    ratePerSecond: 10_000,
    endpoints: 1000,
  })
  process.stdout.write(`3 restarts with 1,000 endpoints: ${JSON.stringify(result)}\n`)
  expect(result).toMatchObject({ missing: 0, repeated: 0 })
})

const isLossless = ({ missing }: SoakResult) => missing === 0

test('a minute at the highest rate without loss: memory stays flat', async () => {
  const proxy = start()
  const ports = await announceMany(proxy, 20)
  let ratePerSecond = await highestLosslessRate(proxy, ports)
  let result = await soak(proxy.pid, counted.collector, { ports, ratePerSecond, seconds: 60 })
  // A few seconds do not show a rate that a minute with its pauses cannot hold.
  for (let tries = 1; tries < 3 && !isLossless(result); tries++) {
    ratePerSecond = Math.floor(ratePerSecond * 0.8)
    result = await soak(proxy.pid, counted.collector, { ports, ratePerSecond, seconds: 60 })
  }
  process.stdout.write(`a minute under load: ${JSON.stringify(result)}\n`)
  expect(result).toMatchObject({ missing: 0, repeated: 0 })
  expect(result.lastMbytes).toBeLessThan(result.firstMbytes * 1.1 + 10)
}, 300_000)

/** Tries ever higher rates for three seconds each, up to what the sender can do. */
async function highestLosslessRate(proxy: ProxyProcess, ports: readonly number[]): Promise<number> {
  let highest = 10_000
  for (let ratePerSecond = 15_000; ratePerSecond < 200_000; ratePerSecond = Math.floor(ratePerSecond * 1.25)) {
    const result = await soak(proxy.pid, counted.collector, { ports, ratePerSecond, seconds: 3 })
    process.stdout.write(`at ${ratePerSecond}/s: ${JSON.stringify(result)}\n`)
    if (!isLossless(result) || result.ratePerSecond < ratePerSecond * 0.95) break
    highest = ratePerSecond
  }
  return highest
}
