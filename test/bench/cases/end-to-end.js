import { median, percentile } from '../support/figures.js'
import { memoryMbytesOf } from '../support/usage.js'
import { defaultPeriods, fastPeriods, startWholeStack } from '../support/whole-stack.js'

const part = 'end to end'
const firstRate = 100_000
const highestRate = 3_200_000
const bisections = 3
/** A rate that is just too high can be held for seconds, while buffers fill. */
const confirmSeconds = 12
/** What they take about. */
const fastSeconds = 150
const defaultSeconds = 80
const idleLimitMbytes = 80
const probes = { lines: 200, periodMs: 23 }

/** emit -> proxy -> collector -> embedded bus -> consume: what it takes without loss, how long a datapoint is on its way. */
export default async function endToEnd(bench) {
  let rate = firstRate
  if (bench.isWanted('100 ms'))
    await bench.step(
      'end to end: periods of 100 ms',
      async () => {
        rate = await measureFast(bench)
      },
      fastSeconds,
    )
  if (bench.isWanted('defaults') && !bench.quick)
    await bench.step('end to end: default periods', () => measureDefaults(bench, rate), defaultSeconds)
}

async function measureFast(bench) {
  const stack = await startWholeStack(bench, 'fast', fastPeriods)
  await stack.emit({ rate: firstRate, seconds: bench.quick ? 0.5 : 3, graceMs: 10_000 })
  const { rate, limitedBy } = await highestLossless(bench, stack)
  bench.report({
    part,
    case: `highest rate without loss${limitedBy}`,
    subject: 'dcos-stats',
    unit: 'datapoints/s',
    value: rate,
  })
  const lines = bench.share(probes.lines)
  reportDelays(bench, 'idle, periods of 100 ms', await stack.delays({ ...probes, lines, limitMs: 5000 }))
  const load = stack.emit({ rate: rate / 2, seconds: bench.quick ? 1 : 6, graceMs: 10_000 })
  // A second later emit has started.
  await new Promise((resolve) => setTimeout(resolve, bench.quick ? 300 : 1000))
  const busy = await stack.delays({ ...probes, lines, limitMs: 10_000 })
  reportDelays(bench, 'at half of that rate, periods of 100 ms', busy)
  await load
  await soak(bench, stack, rate * 0.8)
  await stack.stop()
  return rate
}

/** Doubles the rate until something is lost or stays behind, then halves the step; what was found has to hold for longer, too. */
async function highestLossless(bench, stack) {
  let limitedBy = ''
  const holds = async (tried, seconds = bench.quick ? 0.5 : 2) => {
    const { lossless, linesPerSecond } = await stack.emit({ rate: tried, seconds, graceMs: 1500 })
    const sent = linesPerSecond >= tried * 0.97
    if (lossless && !sent) limitedBy = ' (emit sends no faster)'
    return lossless && sent
  }
  let rate = 0
  let step = firstRate
  for (let tried = firstRate; tried <= highestRate && (await holds(tried)); tried *= 2) {
    rate = tried
    step = tried
    if (bench.quick) return { rate, limitedBy }
  }
  for (let bisection = 0; bisection < bisections; bisection++) {
    step /= 2
    if (await holds(rate + step)) rate += step
  }
  while (rate > step && !(await holds(rate, confirmSeconds))) rate -= step
  if (rate === 0) throw new Error(`less than ${firstRate} datapoints/s without loss`)
  return { rate, limitedBy }
}

/** For a minute: nothing is lost, and memory stays. */
async function soak(bench, stack, rate) {
  const seconds = bench.quick ? 2 : 60
  const warmSeconds = bench.quick ? 1 : 10
  const load = stack.emit({ rate, seconds, graceMs: 10_000 })
  await new Promise((resolve) => setTimeout(resolve, warmSeconds * 1000))
  const samples = await memoryDuring(stack, seconds - warmSeconds)
  const quarter = Math.ceil(samples.length / 4)
  const early = medians(samples.slice(0, quarter))
  const late = medians(samples.slice(-quarter))
  const { lossless, kernelDrops, missing } = await load
  const shared = { part: 'growth', subject: 'dcos-stats' }
  const name = `${seconds} s at 80 % of the highest rate`
  const how = lossless ? '' : ` (the kernel dropped ${kernelDrops} packets; ${missing} lines less came out in time)`
  bench.report({ ...shared, case: `${name}: loss${how}`, unit: 'rounds with loss', value: lossless ? 0 : 1, target: 0 })
  for (const role of Object.keys(stack.roles)) {
    const memory = { unit: 'MiB, end over early', value: late[role], ratio: late[role] / early[role], target: 1.1 }
    bench.report({ ...shared, case: `${name}: memory of ${role}`, ...memory })
  }
}

/** What each role has of its own, every half second: what a queue holds at one moment says nothing. */
async function memoryDuring(stack, seconds) {
  const samples = []
  for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs; ) {
    samples.push(memoryOf(stack, 'own'))
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return samples
}

function medians(samples) {
  return Object.fromEntries(
    Object.keys(samples[0]).map((role) => [role, median(samples.map((sample) => sample[role]))]),
  )
}

async function measureDefaults(bench, rate) {
  const stack = await startWholeStack(bench, 'defaults', defaultPeriods)
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const idle = memoryOf(stack, 'rss')
  for (const [role, value] of Object.entries(idle)) {
    bench.report({
      part: 'growth',
      case: `idle: memory of ${role}`,
      subject: 'dcos-stats',
      unit: 'MiB',
      value,
      target: idleLimitMbytes,
    })
  }
  // Longer than a period, so that lines come at any moment of it.
  reportDelays(bench, 'idle, default periods', await stack.delays({ lines: 130, periodMs: 120, limitMs: 40_000 }))
  const load = stack.emit({ rate: rate / 2, seconds: 10, graceMs: 40_000 })
  await new Promise((resolve) => setTimeout(resolve, 2000))
  const busy = await stack.delays({ ...probes, limitMs: 40_000 })
  reportDelays(bench, 'at half of that rate, default periods', busy)
  await load
  await stack.stop()
}

/** @param kind the bus's file is mapped, and its pages are only cached: growth is looked for in what is the process's own */
function memoryOf({ roles }, kind) {
  return Object.fromEntries(Object.entries(roles).map(([role, pid]) => [role, memoryMbytesOf(pid)[kind]]))
}

function reportDelays(bench, name, delays) {
  for (const percent of [50, 99]) {
    const value = percentile(delays, percent)
    bench.report({ part, case: `delay, ${name}`, subject: `dcos-stats, p${percent}`, unit: 'ms', value })
  }
}
