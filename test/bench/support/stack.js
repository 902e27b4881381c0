import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { startProduct } from './processes.js'

/** Limits that no load of the bench reaches. */
const noLimit = 1_000_000_000

/** Ids of the containers that the agent's files know. */
export function containerIds(count) {
  return Array.from({ length: count }, (_, i) => `bench-container-${i + 1}`)
}

/**
 * What a Mesos agent says of so many containers, as files.
 *
 * @returns flags for proxy and collector
 */
export function agentFlags(dir, count) {
  const framework = { id: 'bench-framework-0001', name: 'marathon' }
  const known = containerIds(count).map((id) => ({ id, executorId: `shop.checkout.${id}` }))
  const executors = known.map(({ id, executorId }) => ({ id: executorId, container: id, labels: [] }))
  const containers = known.map(({ id, executorId }) => {
    return { container_id: id, executor_id: executorId, framework_id: framework.id }
  })
  return [
    ...[
      '--agent-test-state-file',
      fileWith(dir, 'state.json', { id: 'bench-agent', frameworks: [{ ...framework, executors }] }),
    ],
    ...['--agent-test-containers-file', fileWith(dir, 'containers.json', containers)],
    ...['--agent-poll-period', '3600'],
  ]
}

function fileWith(dir, name, content) {
  mkdirSync(dir, { recursive: true })
  const path = join(dir, name)
  writeFileSync(path, JSON.stringify(content))
  return path
}

/**
 * Starts a statsd-proxy and announces containers to it.
 *
 * @returns the program, and the UDP port of each container
 */
export async function startProxy({ program, dir, collectorPort, containers = 1, flags = [], core }) {
  const args = [
    'statsd-proxy',
    ...['--listen-host', '127.0.0.1', '--isolator-listen', '127.0.0.1:0', '--state-path-dir', join(dir, 'state')],
    ...['--output-collector-port', String(collectorPort)],
    // A period that does not end: it would add two datapoints for each container, which nobody sent.
    ...['--container-limit-amount-kbytes', String(noLimit), '--container-limit-period-secs', '3600'],
    ...agentFlags(join(dir, 'agent'), containers),
    ...flags,
  ]
  const proxy = startProduct(program, args, { core })
  const { address } = await proxy.logWhere(({ msg }) => msg === 'the isolator module can announce containers here')
  const [, isolatorPort] = String(address).split(':')
  const ports = []
  for (const id of containerIds(containers)) ports.push(await announce(Number(isolatorPort), id))
  return { ...proxy, ports, isolatorPort: Number(isolatorPort) }
}

function announce(port, containerId) {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path: '/container', method: 'POST' }, (response) => {
      let body = ''
      response.on('data', (piece) => {
        body += piece
      })
      response.on('end', () => resolve(JSON.parse(body).statsd_port))
    })
    asked.on('error', reject).end(JSON.stringify({ container_id: containerId }))
  })
}

/** Starts a collector. @returns the program, and its TCP port */
export async function startCollector({ program, dir, bus, containers = 1, flags = [], core }) {
  const args = [
    'collector',
    ...['--listen-endpoint', '127.0.0.1:0', '--bus', bus, '--bus-dir', join(dir, 'bus')],
    ...['--input-limit-amount-kbytes', String(noLimit), '--global-limit-amount-kbytes', String(noLimit)],
    ...agentFlags(join(dir, 'agent'), containers),
    // An agent without figures of its own: only what is sent is to be counted.
    ...['--agent-test-system-file', fileWith(dir, 'snapshot.json', {})],
    ...flags,
  ]
  const collector = startProduct(program, [...args, '--admin-listen', '127.0.0.1:0'], { core })
  const { address } = await collector.logWhere(({ msg }) => msg === 'taking in Avro streams')
  return { ...collector, port: Number(String(address).split(':')[1]), ledger: await ledgerOf(collector) }
}

/** Reads the account of a running process that was given --admin-listen. */
export async function ledgerOf(product) {
  const { address } = await product.logWhere(({ address, msg }) => address && /^serving/.test(msg))
  return async () => {
    const [ledger] = await (await fetch(`${address}/ledger`)).json()
    return ledger
  }
}

/** Throws where a hop's account does not add up, or does not hold what it must. */
export function checkLedger(ledger, expected = {}) {
  const { hop, received, forwarded, dropped, held } = ledger
  const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  if (received !== forwarded + lost + held) throw new Error(`${hop} does not add up: ${JSON.stringify(ledger)}`)
  for (const [name, value] of Object.entries({ held: 0, ...expected })) {
    const is = name === 'lost' ? lost : ledger[name]
    if (is !== value) throw new Error(`${hop}: ${name} is ${is}, not ${value}: ${JSON.stringify(ledger)}`)
  }
}
