import { join } from 'node:path'
import { alternate, median, ratioOf } from '../support/figures.js'
import { core, costOf, startProduct, startWorker } from '../support/processes.js'
import { checkLedger, ledgerOf, startCollector } from '../support/stack.js'

const connections = 20
const load = 150_000
/** More than a million datapoints: then V8 has settled, nearly. */
const warmUpRounds = 6
const target = 3

const sinks = {
  stdout: { flags: () => [] },
  influx: {
    worker: 'http-discard',
    flags: (port) => [
      '--output-host',
      '127.0.0.1',
      '--output-port',
      String(port),
      '--output-database',
      'b',
      '--gzip=false',
    ],
  },
  graphite: {
    worker: 'tcp-discard',
    flags: (port) => ['--output-host', '127.0.0.1', '--output-port', String(port)],
  },
}

/** Datapoints a CPU second from the embedded bus to each sink, over decoding with avsc and printing with template strings. */
export default async function consume(bench) {
  for (const sink of Object.keys(sinks)) {
    if (bench.isWanted(`to ${sink}`)) await bench.step(`consume: to ${sink}`, () => measureSink(bench, sink))
  }
}

async function measureSink(bench, sink) {
  const { program } = bench
  const dir = join(bench.dir, `consume-${sink}`)
  const collector = await startCollector({
    program,
    dir,
    bus: 'embedded',
    containers: connections,
    core: core.others,
    flags: ['--kafka-produce-period-ms', '100'],
  })
  const sender = startWorker('tcp-send', { program, lists: 10, datapoints: 10, connections })
  const { worker, flags } = sinks[sink]
  const reader = worker && startWorker(worker)
  const port = (await reader?.call('open'))?.port
  const busDir = join(dir, 'bus')
  const args = ['consume', '--sink', sink, '--bus', 'embedded', '--bus-dir', busDir, '--admin-listen', '127.0.0.1:0']
  const more = ['--stats-print-period-ms', '0', '--from', 'earliest', '--kafka-topics', 'metrics-ours', ...flags(port)]
  const ours = startProduct(program, [...args, ...more], { core: core.measured, stdout: 'ignore' })
  const settings = { program, busDir, topic: 'metrics-avsc', sink, port }
  const avsc = startWorker('avsc-consume', settings, { core: core.measured })

  const sent = { ours: 0, avsc: 0 }
  const round = (subject, pid, count) => () => {
    const send = async () => {
      const given = { port: collector.port, topic: subject, datapoints: bench.share(load) }
      const { datapoints } = await sender.call('send', { ...given, limitSeconds: bench.roundLimitSeconds })
      sent[subject] += datapoints
      while ((await collector.ledger()).forwarded < sent.ours + sent.avsc) {
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
      return datapoints
    }
    return costOf(pid, send, async () => (await count()) === sent[subject])
  }
  const account = await ledgerOf(ours)
  const forwarded = async () => (await account()).forwarded
  const rounds = {
    avsc: round('avsc', avsc.pid, () => avsc.call('count')),
    ours: round('ours', ours.pid, forwarded),
  }
  await alternate(bench.quick ? 1 : warmUpRounds, rounds)
  const samples = await alternate(bench.rounds, rounds)

  const perSecond = (subject) => median(samples[subject].map(({ cpuUs }) => 1e6 / cpuUs))
  const shared = { part: 'consume', case: `embedded bus to ${sink}`, unit: 'datapoints a CPU second' }
  bench.report({ ...shared, subject: 'avsc and template strings', value: perSecond('avsc') })
  const ratio = 1 / ratioOf(samples.ours, samples.avsc, 'cpuUs')
  bench.report({ ...shared, subject: 'dcos-stats', value: perSecond('ours'), ratio, target, atLeast: true })

  const counted = await avsc.call('count')
  if (counted !== sent.avsc) throw new Error(`avsc counted ${counted} of ${sent.avsc} datapoints`)
  const [ledger] = await ours.stop()
  checkLedger(ledger, { received: sent.ours, forwarded: sent.ours, lost: 0 })
  const [gathered] = await collector.stop()
  checkLedger(gathered, { received: sent.ours + sent.avsc, forwarded: sent.ours + sent.avsc, lost: 0 })
  for (const each of [sender, avsc, reader]) await each?.end()
}
