import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { imbalance, type LedgerSnapshot } from '../../src/model/ledger.js'
import { countedProxies } from '../support/counted-proxies.js'
import { until } from '../support/partner.js'
import type { JsonLine } from '../support/program.js'
import { announce, askIsolator, startProxy } from '../support/proxy.js'
import { announceMany, restartUnderLoad, resultOf, seenAtLeast, takenOver } from '../support/restarts.js'
import { startCountingCollector, startLoad } from '../support/statsd-load.js'
import { summary } from '../support/statsd-reading.js'
import { createSender } from '../support/statsd-source.js'
import { startTcpCollector } from '../support/tcp-collector.js'

const counted = countedProxies()
const { start } = counted

/** The accounts of all processes that have written to one log. */
function accounts(log: readonly JsonLine[]): LedgerSnapshot[] {
  return log.filter(({ msg }) => String(msg).startsWith('ledger at exit')) as unknown as LedgerSnapshot[]
}

function expectAllBalanced(ledgers: readonly LedgerSnapshot[], forwarded: number): void {
  expect(ledgers.map((ledger) => ({ ...ledger, missing: imbalance(ledger) }))).toEqual(
    ledgers.map((ledger) => ({ ...ledger, dropped: {}, held: 0, missing: 0 })),
  )
  expect(ledgers.reduce((sum, ledger) => sum + ledger.forwarded, 0)).toBe(forwarded)
}

/** One that has ended and that nobody has asked about yet does not count. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

const linuxOnly = process.platform === 'linux' ? test : test.skip

linuxOnly('SIGHUP, three times under load: nothing is lost or comes twice, the watched process stays', async () => {
  const proxy = start()
  const result = await restartUnderLoad(proxy, counted.collector, { restarts: 3, ratePerSecond: 5000 })
  process.stdout.write(`3 restarts under load: ${JSON.stringify(result)}\n`)
  expect(result).toMatchObject({ missing: 0, repeated: 0 })
  expect(isAlive(proxy.pid)).toBe(true)
  expect(await proxy.stop()).toEqual({ code: 0, signal: null })
  expect(accounts(proxy.log)).toHaveLength(4)
  expectAllBalanced(accounts(proxy.log), result.sentDatapoints)
})

linuxOnly('--takeover under load: the new process is the proxy, the old one ends with 0, nothing is lost', async () => {
  const before = start()
  const ports = await announceMany(before, 5)
  const load = startLoad({ ports, ratePerSecond: 5000 })
  await seenAtLeast(counted.collector, 1000)

  const after = start('--takeover')
  await takenOver(after)
  expect(await before.ended).toEqual({ code: 0, signal: null })
  await seenAtLeast(counted.collector, counted.collector.seen() + 1000)
  // What was started to take over can be restarted like any other.
  process.kill(after.pid, 'SIGHUP')
  await takenOver(after, 2)
  await seenAtLeast(counted.collector, counted.collector.seen() + 1000)

  const result = await resultOf(await load.stop(), counted.collector)
  expect(result).toMatchObject({ missing: 0, repeated: 0 })
  expect(await announce(await before.isolator(), 'c3')).toEqual({ host: '127.0.0.1', port: ports[3] })
  expect(await after.stop('SIGINT')).toEqual({ code: 0, signal: null })
  expectAllBalanced([...accounts(before.log), ...accounts(after.log)], result.sentDatapoints)
})

linuxOnly('the isolator API answers every request during restarts, over TCP', () => restartUnderRequests('127.0.0.1:0'))
linuxOnly('the isolator API answers every request during restarts, over a unix socket', () =>
  restartUnderRequests(`unix:${join(counted.dir, 'isolator.sock')}`),
)

async function restartUnderRequests(isolatorListen: string): Promise<void> {
  const proxy = start('--isolator-listen', isolatorListen)
  const isolator = await proxy.isolator()
  let asking = true
  const announced = new Map<string, number>()
  const clients = [0, 1, 2].map(async (client) => {
    for (let number = 0; asking; number++) {
      const id = `c${client}-${number % 40}`
      const { port } = await announce(isolator, id)
      expect(announced.get(id) ?? port).toBe(port)
      announced.set(id, port)
    }
  })
  for (let restart = 1; restart <= 2; restart++) {
    process.kill(proxy.pid, 'SIGHUP')
    await takenOver(proxy, restart)
    await proxy.logWhere(nthMessage(/this one watches it/, restart))
  }
  asking = false
  await Promise.all(clients)
  expect(announced.size).toBeGreaterThan(0)
  expect(new Set(announced.values()).size).toBe(announced.size)
  expect(await askIsolator(isolator, `DELETE /container/c0-0 HTTP/1.1\r\nContent-Length: 0\r\nHost: \r\n\r\n`)).toMatch(
    /^HTTP\/1\.1 202 /,
  )
}

function nthMessage(pattern: RegExp, count: number): (line: JsonLine) => boolean {
  let seen = 0
  return ({ msg }) => pattern.test(String(msg)) && ++seen === count
}

linuxOnly('what waits for a collector that is away goes along', async () => {
  const { port } = counted.collector
  const proxy = start()
  const sender = createSender()
  const endpoint = await proxy.announce('c0')
  await counted.collector.stop()
  for (let number = 0; number < 500; number++) await sender.send(endpoint.port, `load.0:${number}|g`)
  await proxy.logWhere(({ msg }) => msg === 'waiting for collector')
  process.kill(proxy.pid, 'SIGHUP')
  await takenOver(proxy)
  await proxy.logWhere(({ msg }) => String(msg).includes('this one watches it'))
  counted.collector = await startCountingCollector(port)
  await seenAtLeast(counted.collector, 500)
  expect(counted.collector.tally([500])).toEqual({ missing: 0, repeated: 0 })
  await proxy.stop()
  await sender.close()
  const [first, second] = accounts(proxy.log)
  expect(first).toMatchObject({ received: 500, forwarded: 500, dropped: {}, held: 0 })
  expect(second).toMatchObject({ received: 500, forwarded: 500, dropped: {}, held: 0 })
})

linuxOnly('what an endpoint knew goes along: gauges, its limit, and the admin port', async () => {
  const tcp = await startTcpCollector()
  const adminPort = await unusedPort()
  const admin = ['--admin-listen', `127.0.0.1:${adminPort}`]
  const proxy = startProxy(counted.cli.path, {
    stateDir: join(counted.dir, 'state'),
    collectorPort: tcp.port,
    more: ['--gauge-deltas', '--container-limit-amount-kbytes', '1', '--container-limit-period-secs', '600', ...admin],
  })
  const sender = createSender()
  const { port } = await proxy.announce('c0')
  await sender.send(port, 'level:40|g')
  await tcp.received(1)
  process.kill(proxy.pid, 'SIGHUP')
  await takenOver(proxy)
  await sender.send(port, 'level:+2|g')
  await tcp.received(2)
  expect(tcp.connections.flatMap(({ lists }) => summary(lists))).toEqual(['level 40', 'level 42'])

  // 1 KB in the period: 20 bytes are used up, the padding takes it to the limit.
  await sender.send(port, 'x'.repeat(1010))
  process.kill(proxy.pid, 'SIGHUP')
  await takenOver(proxy, 2)
  await sender.send(port, 'late:1|c')
  // The same address is served by the new process, as soon as the one before has ended.
  const served = async () => (await fetch(`http://127.0.0.1:${adminPort}/ledger`)).json() as Promise<LedgerSnapshot[]>
  let ledgers = await served().catch(() => [])
  while (ledgers[0]?.received !== 1) ledgers = await served().catch(() => [])
  await proxy.stop()
  expect(accounts(proxy.log).at(-1)).toMatchObject({ received: 1, dropped: { container_limit: 1 } })
  await sender.close()
  await tcp.stop()
})

/** A TCP port that nobody had a moment ago. */
async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

linuxOnly('a process that cannot start changes nothing: the running one goes on', async () => {
  const config = join(counted.dir, 'proxy.yaml')
  await writeFile(config, 'unknown-hold-ms: 1000\n')
  const proxy = start('--config', config)
  const { port } = await proxy.announce('c0')
  await writeFile(config, 'unknown-hold-mss: 1000\n')
  process.kill(proxy.pid, 'SIGHUP')
  await proxy.logWhere(({ msg }) => msg === 'no other process took over: this one goes on')
  expect(await proxy.announce('c0')).toEqual({ host: '127.0.0.1', port })

  await writeFile(config, '')
  process.kill(proxy.pid, 'SIGHUP')
  await takenOver(proxy)
  expect(await proxy.announce('c0')).toEqual({ host: '127.0.0.1', port })
})

linuxOnly(
  'a second proxy on the same state directory is refused; --takeover with nobody there starts anew',
  async () => {
    const first = start('--takeover')
    await first.logWhere(({ msg }) => String(msg).startsWith('no statsd-proxy is running to take over from'))
    const { port } = await first.announce('c0')
    const second = start('--isolator-listen', 'off')
    expect(await second.ended).toEqual({ code: 69, signal: null })
    expect(second.stderr.join('\n')).toContain('Take over from it by --takeover')
    expect(await first.announce('c0')).toEqual({ host: '127.0.0.1', port })
  },
)

linuxOnly('the worker ends when the process that watches it is killed', async () => {
  const proxy = start()
  await proxy.announce('c0')
  process.kill(proxy.pid, 'SIGHUP')
  await takenOver(proxy)
  const { pid } = await proxy.logWhere(({ msg }) => String(msg).includes('this one watches it'))
  process.kill(proxy.pid, 'SIGKILL')
  // Only with the last writer the log ends. The kernel closes a process's files before it ends it.
  await proxy.ended
  await until(() => !isAlive(Number(pid)))
  const again = start()
  await again.logWhere(({ msg }) => msg === 'endpoints of an earlier run are back')
})
