import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { alternate, median, ratioOf } from '../support/figures.js'
import { core, costOf, startWorker } from '../support/processes.js'
import { checkLedger, startCollector } from '../support/stack.js'

const connections = 20
/** About three million datapoints, with what fills the bus: then V8 has settled. */
const warmUpRounds = { null: 4, deflate: 6 }

const shapes = [
  { lists: 10, datapoints: 10, load: 500_000, target: 0.4 },
  { lists: 1, datapoints: 100, load: 750_000, target: 0.2 },
  { lists: 100, datapoints: 1, load: 150_000, target: 0.35 },
]
const targets = { deflate: 1.5, embedded: 1.7 }
const floors = {
  null: { bytes: 'tcp-discard', written: 'tcp-write', avsc: 'avsc-collect' },
  deflate: { inflate: 'inflate-count' },
}

/**
 * What the bus keeps. It is measured when that is full: what is new then takes the place of what goes, as on every node but in its
 * first hours. Before that each page of the files is new to the machine, which costs more than all else, on virtual machines above all.
 */
const retentionMbytes = 256
const firstSegment = '0000000000.log'
const fillLoad = 2_000_000

/** Deflated blocks are a tenth as large: a load that is long enough to be measured has more of them. */
const deflatedLoad = 3

/** CPU of the whole collector for each datapoint, over avsc's and over a reader that only inflates. */
export default async function collector(bench) {
  // The others are the same code.
  for (const shape of bench.quick ? shapes.slice(0, 1) : shapes) {
    for (const codec of ['null', 'deflate']) {
      const name = `${shape.lists} lists × ${shape.datapoints}, ${codec}`
      if (bench.isWanted(name)) await bench.step(`collector: ${name}`, () => measureShape(bench, name, shape, codec))
    }
  }
}

async function measureShape(bench, name, { lists, datapoints, load, target }, codec) {
  const { program } = bench
  const sender = startWorker('tcp-send', { program, lists, datapoints, codec, connections })
  const subjects = {}
  const dirOf = (subject) => join(bench.dir, `collector-${lists}-${codec}-${subject}`)
  for (const [subject, worker] of Object.entries(floors[codec]))
    subjects[subject] = await startFloor(worker, dirOf(subject))
  for (const bus of codec === 'null' ? ['none', 'embedded'] : ['none']) {
    subjects[bus] = await startCollector({
      program,
      dir: dirOf(bus),
      bus,
      containers: connections,
      flags: ['--bus-retention-mbytes', String(retentionMbytes)],
      core: core.measured,
    })
  }
  const isSteady = async () =>
    (await subjects.written.call('isSteady')) &&
    !(await readdir(join(dirOf('embedded'), 'bus', 'segments'))).includes(firstSegment)

  const sent = Object.fromEntries(Object.keys(subjects).map((subject) => [subject, 0]))
  const rounds = Object.fromEntries(Object.keys(subjects).map((subject) => [subject, () => round(subject)]))
  await alternate(bench.quick ? 1 : warmUpRounds[codec], rounds)
  if (codec === 'null' && !bench.quick)
    while (!(await isSteady())) for (const subject of ['written', 'none', 'embedded']) await send(subject, fillLoad)
  const samples = await alternate(bench.rounds, rounds)

  async function round(subject) {
    const { pid, ledger } = subjects[subject]
    const datapoints = bench.share(codec === 'deflate' ? deflatedLoad * load : load)
    const isDone = ledger && (async () => (await ledger()).received === sent[subject])
    return costOf(pid, () => send(subject, datapoints), isDone)
  }

  async function send(subject, datapoints) {
    const given = { port: subjects[subject].port, datapoints, limitSeconds: bench.roundLimitSeconds }
    const answer = await sender.call('send', given)
    sent[subject] += answer.datapoints
    return answer.datapoints
  }

  const report = (subject, title, more = {}) =>
    bench.report({
      part: 'collector',
      case: name,
      subject: title,
      unit: 'µs/datapoint',
      cpu: median(samples[subject].map(({ cpuUs }) => cpuUs)),
      wall: median(samples[subject].map(({ wallUs }) => wallUs)),
      ...more,
    })
  const over = (base, subject) => ratioOf(samples[subject], samples[base], 'cpuUs')
  if (codec === 'null') {
    report('bytes', 'counting bytes')
    report('written', 'writing bytes to a file')
    report('avsc', 'avsc decoding and encoding')
    report('none', 'dcos-stats, bus none', { ratio: over('avsc', 'none'), base: 'avsc', target })
    const ratio = over('none', 'embedded')
    report('embedded', 'dcos-stats, bus embedded', { ratio, base: 'bus none', target: targets.embedded })
  } else {
    report('inflate', 'inflating only')
    report('none', 'dcos-stats, bus none', {
      ratio: over('inflate', 'none'),
      base: 'inflating',
      target: targets.deflate,
    })
  }

  for (const bus of ['none', 'embedded']) {
    if (subjects[bus] === undefined) continue
    const [ledger] = await subjects[bus].stop()
    checkLedger(ledger, { received: sent[bus], forwarded: sent[bus], lost: 0 })
  }
  if (codec === 'null') {
    const counted = await subjects.avsc.call('count')
    if (counted !== sent.avsc) throw new Error(`avsc counted ${counted} of ${sent.avsc} datapoints`)
    const { received, written } = await subjects.written.call('finish')
    if (written !== received) throw new Error(`${written} of ${received} bytes were written`)
  } else {
    const inflated = (await subjects.inflate.call('count')) * lists * datapoints
    if (inflated !== sent.inflate) throw new Error(`${inflated} of ${sent.inflate} datapoints were inflated`)
  }
  for (const each of [sender, ...Object.keys(floors[codec]).map((floor) => subjects[floor])]) await each.end()
  // What the kernel has not written yet it would write while the next case is measured.
  for (const subject of Object.keys(subjects)) await rm(dirOf(subject), { recursive: true, force: true })
}

async function startFloor(name, dir) {
  await mkdir(dir)
  const floor = startWorker(name, { dir }, { core: core.measured })
  return { ...floor, ...(await floor.call('open')) }
}
