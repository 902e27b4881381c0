import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKernelDropCounter, parseKernelDrops } from '../../src/inputs/statsd-kernel-drops.js'
import { Counters } from '../../src/telemetry/counters.js'
import { createSender, known, startStatsdUdp } from '../support/statsd-source.js'

const udp = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            
  482: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 76271 2 0000000000000000 1234      
  483: 020200C0:1FBE 00000000:0000 07 00000000:00034F00 00:00000000 00000000     0        0 76272 2 0000000000000000 0         
`
const udp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 2041: 00000000000000000000000001000000:1FBD 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 76273 2 0000000000000000 5
`

test('the drops column is read for each local address', () => {
  expect(parseKernelDrops(udp)).toEqual(
    new Map([
      ['0100007F:1FBD', 1234],
      ['020200C0:1FBE', 0],
    ]),
  )
  expect(parseKernelDrops(udp6)).toEqual(new Map([['00000000000000000000000001000000:1FBD', 5]]))
  expect(parseKernelDrops('')).toEqual(new Map())
})

describe('drops are counted', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'statsd-drops-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  const row = (port: string, drops: number) =>
    `  1: 0100007F:${port} 00000000:0000 07 0:0 00:0 0 0 0 76271 2 0 ${drops}`
  const write = (...rows: string[]) => writeFile(join(directory, 'udp'), ['headings', ...rows, ''].join('\n'))

  test('in all and by container, only what is new, until the socket is closed', async () => {
    const counters = new Counters()
    const counter = createKernelDropCounter(counters, [join(directory, 'udp'), join(directory, 'missing')])
    const c1 = { label: 'c1', addresses: ['0100007F:1FBD'] }
    const c2 = { label: 'c2', addresses: ['0100007F:1FBE', '0100007F:1FBF'] }
    counter.add(c1)
    counter.add(c2)
    await write(row('1FBD', 3), row('1FBE', 0), row('2000', 99))
    await counter.count()
    expect(drops(counters)).toEqual({ total: 3, c1: 3, c2: 0 })
    await write(row('1FBD', 10), row('1FBE', 1), row('1FBF', 1))
    await Promise.all([counter.count(), counter.count(), counter.count()])
    expect(drops(counters)).toEqual({ total: 12, c1: 10, c2: 2 })
    counter.remove(c1)
    await counter.count()
    expect(drops(counters)).toEqual({ total: 12, c2: 2 })
  })

  test('once, also where a reading of the kernel`s table left the socket out', async () => {
    const counters = new Counters()
    const counter = createKernelDropCounter(counters, [join(directory, 'udp')])
    counter.add({ label: 'c1', addresses: ['0100007F:1FBD'] })
    for (const rows of [[row('1FBD', 3)], [], [row('1FBD', 4)]]) {
      await write(...rows)
      await counter.count()
    }
    expect(drops(counters)).toEqual({ total: 4, c1: 4 })
  })

  test('for the container that speaks there now', async () => {
    const counters = new Counters()
    const counter = createKernelDropCounter(counters, [join(directory, 'udp')])
    const shared = { label: 'c1', addresses: ['0100007F:1FBD'] }
    counter.add(shared)
    await write(row('1FBD', 3))
    await counter.count()
    shared.label = 'c2'
    await write(row('1FBD', 5))
    await counter.count()
    expect(drops(counters)).toEqual({ total: 5, c2: 2 })
  })

  test('without harm where the kernel has no such file', async () => {
    const counters = new Counters()
    const counter = createKernelDropCounter(counters, [join(directory, 'missing')])
    counter.add({ label: 'c1', addresses: ['0100007F:1FBD'] })
    await counter.count()
    expect(drops(counters)).toEqual({ total: 0, c1: 0 })
  })
})

const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('what a real kernel drops at a small buffer is counted when the process stops', async () => {
  const input = startStatsdUdp({ receiveBufferKbytes: 1 })
  const { port } = await input.source.open({ port: 0, owner: known('c1') })
  const sender = createSender()
  const sent = 2000
  // All of them before the event loop turns, so that the input cannot read meanwhile.
  await Promise.all(Array.from({ length: sent }, () => sender.send(port, 'a:1|c'.padEnd(500))))
  await input.stop()
  await sender.close()
  const dropped = input.counters.value('proxy.kernel_drops')
  expect(dropped).toBeGreaterThan(0)
  expect(input.ledger.received + dropped).toBe(sent)
})

function drops(counters: Counters): Record<string, number> {
  const readings = [...counters.read()].filter(({ id }) => id === 'proxy.kernel_drops')
  return Object.fromEntries(readings.map(({ label, value }) => [label ?? 'total', value]))
}
