import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { alternate, median, ratioOf } from '../support/figures.js'
import { startProduct } from '../support/processes.js'

/** How soon the program is there. */
export default async function start(bench) {
  if (bench.isWanted('--help')) await bench.step('start: --help', () => measureHelp(bench), 6)
  if (bench.isWanted('local-stack')) await bench.step('start: local-stack', () => measureLocalStack(bench), 5)
}

async function measureHelp(bench) {
  const rounds = bench.quick ? 1 : 11
  const samples = await alternate(rounds, {
    node: async () => timed(['-e', '0']),
    help: async () => timed([bench.program, '--help']),
  })
  const shared = { part: 'start', unit: 'ms' }
  const of = (name, key) => median(samples[name].map((sample) => sample[key]))
  bench.report({ ...shared, case: 'node -e 0', subject: 'Node', cpu: of('node', 'cpuMs'), wall: of('node', 'wallMs') })
  bench.report({
    ...shared,
    case: '--help',
    subject: 'dcos-stats',
    cpu: of('help', 'cpuMs'),
    wall: of('help', 'wallMs'),
    ratio: ratioOf(samples.help, samples.node, 'wallMs'),
    target: 4,
  })
}

/** bash tells what a process used that has ended. */
function timed(args) {
  const { stderr } = spawnSync(
    'bash',
    ['-c', 'TIMEFORMAT="%R %U %S"; time "$@" > /dev/null', '-', process.execPath, ...args],
    {
      encoding: 'utf8',
    },
  )
  const [wall = Number.NaN, user = 0, system = 0] = stderr.trim().split('\n').at(-1).split(' ').map(Number)
  return { wallMs: wall * 1000, cpuMs: (user + system) * 1000 }
}

async function measureLocalStack(bench) {
  const times = []
  for (let round = 0; round < (bench.quick ? 1 : 3); round++) {
    const startMs = performance.now()
    const stack = startProduct(bench.program, ['local-stack'], { stdout: 'pipe' })
    await once(createInterface({ input: stack.child.stdout }), 'line')
    times.push(performance.now() - startMs)
    stack.child.stdout.resume()
    const ledgers = await stack.stop()
    for (const { hop, received, forwarded, dropped, held } of ledgers) {
      const lost = Object.values(dropped).reduce((sum, count) => sum + count, 0)
      if (received !== forwarded + lost + held) throw new Error(`${hop} does not add up`)
    }
  }
  const seconds = median(times) / 1000
  bench.report({
    part: 'start',
    case: 'local-stack, first metric',
    subject: 'dcos-stats',
    unit: 's',
    value: seconds,
    target: 3,
  })
}
