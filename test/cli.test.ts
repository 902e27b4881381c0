import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuiltCli, buildCli } from './support/built-cli.js'

let cli: BuiltCli

beforeAll(async () => {
  cli = await buildCli()
  await cli.replaceCommand('emit-avro', standIn)
}, 120_000)

afterAll(() => cli.remove())

/** In place of a command: what it does is told by --topic. */
const standIn = `
import { StatsError } from '../platform/errors.js'
const untilAborted = signal => new Promise(resolve => {
  const alive = setInterval(() => {}, 1000)
  signal.addEventListener('abort', () => { clearInterval(alive); resolve() }, { once: true })
})
const deeds = {
  async show(options, { stdout, effective, operands, version, stdoutIsTerminal }) {
    const given = effective.filter(({ origin }) => origin.from !== 'default')
    stdout.write(JSON.stringify({ options, given, operands, version, stdoutIsTerminal }) + '\\n')
  },
  async drain(_options, { signal, stdout }) {
    stdout.write('running\\n')
    await untilAborted(signal)
    stdout.write('drained\\n')
  },
  async stubborn(_options, { signal, stdout }) {
    stdout.write('running\\n')
    await untilAborted(signal)
    stdout.write('draining\\n')
    await new Promise(resolve => setTimeout(resolve, 60000))
  },
  async talk(_options, { signal, stdout }) {
    while (!signal.aborted) {
      stdout.write('x'.repeat(1000) + '\\n')
      await new Promise(resolve => setImmediate(resolve))
    }
    throw new Error('write EPIPE')
  },
  async away() { throw new StatsError('DS_AWAY', 'The server is away. Start it.', { exitCode: 69 }) },
  async failure() { throw new StatsError('DS_FAILURE', 'It did not work.') },
  async fault() { undefined.x },
}
export const run = (options, context) => deeds[options.topic](options, context)
`

function call(args: readonly string[], env: Record<string, string> = {}) {
  const { PATH = '' } = process.env
  const result = spawnSync(process.execPath, [cli.path, ...args], { encoding: 'utf8', env: { PATH, ...env } })
  const { status, stdout, stderr } = result
  return { status, stdout, stderr }
}

async function start(topic: string): Promise<{ child: ChildProcess; nextText: () => Promise<string> }> {
  const child = spawn(process.execPath, [cli.path, 'emit', 'avro', '--topic', topic], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const nextText = async () => String((await once(child.stdout!, 'data'))[0])
  return { child, nextText }
}

describe('what is asked for goes to stdout, what is wrong to stderr', () => {
  test.each<[args: string[], status: number, stdout: RegExp, stderr: RegExp]>([
    [['--help'], 0, /Commands:[\s\S]*Exit codes:/, /^$/],
    [['collector', '--help'], 0, /--listen-endpoint/, /^$/],
    [['--version'], 0, /^\d+\.\d+\.\d+\n$/, /^$/],
    [[], 2, /^$/, /Commands:/],
    [['colector'], 2, /^$/, /^dcos-stats: "colector" is no command\. Did you mean collector\? .*\n$/],
    [
      ['emit', 'avro', '--tpic', 'x'],
      2,
      /^$/,
      /^dcos-stats emit avro: one mistake in the options\n {2}--tpic is unknown\. Did you mean --topic\?\nSee/,
    ],
    [['emit', 'avro', '--topic', 'away'], 69, /^$/, /^dcos-stats emit avro: The server is away\. Start it\.\n$/],
    [['emit', 'avro', '--topic', 'failure'], 1, /^$/, /^dcos-stats emit avro: It did not work\.\n$/],
    [['emit', 'avro', '--topic', 'fault'], 1, /^$/, /TypeError: [\s\S]* at .*emit-avro\.js/],
  ])('%j', (args, status, stdout, stderr) => {
    expect(call(args)).toEqual({ status, stdout: expect.stringMatching(stdout), stderr: expect.stringMatching(stderr) })
  })

  test('a wrong variable is wrong configuration', () => {
    expect(call(['emit', 'avro'], { BLOCK_SIZE: 'big' })).toEqual({
      status: 78,
      stdout: '',
      stderr: expect.stringContaining('got "big" from variable BLOCK_SIZE'),
    })
  })
})

test('a command gets its options from flags, variables and file, and what stands behind --', async () => {
  const config = join(cli.home, 'emit.yaml')
  await writeFile(config, 'topic: other\nperiod: 0.5\nblock-size: 5\n')
  const args = ['emit', 'avro', '-topic', 'show', '--config', config, '--', 'x', '--y']
  const { stdout, stderr, status } = call(args, { BLOCK_SIZE: '7' })
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  expect(JSON.parse(stdout)).toMatchObject({
    options: { topic: 'show', period: 0.5, blockSize: 7, endpoint: { host: '127.0.0.1', port: 8124 } },
    given: expect.arrayContaining([
      { name: 'topic', value: 'show', origin: { from: 'flag', flag: '--topic' } },
      { name: 'block-size', value: '7', origin: { from: 'variable', variable: 'BLOCK_SIZE' } },
      { name: 'period', value: '0.5', origin: { from: 'file', file: config, key: 'period' } },
    ]),
    operands: ['x', '--y'],
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    stdoutIsTerminal: false,
  })
})

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s lets the command drain: exit 0', async (signal) => {
    const { child, nextText } = await start('drain')
    await nextText()
    child.kill(signal)
    expect(await nextText()).toBe('drained\n')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('a second signal ends at once: %s exits %i', async (signal, status) => {
    const { child, nextText } = await start('stubborn')
    await nextText()
    child.kill('SIGTERM')
    expect(await nextText()).toBe('draining\n')
    child.kill(signal)
    expect(await once(child, 'exit')).toEqual([status, null])
  })
})

test('when the reader of stdout goes, that is no failure (dcos-stats ... | head)', async () => {
  const { child, nextText } = await start('talk')
  await nextText()
  child.stdout!.destroy()
  const complaint = once(child.stderr!, 'data').then(([data]) => String(data))
  const ended = once(child, 'exit')
  expect(await Promise.race([ended, complaint])).toEqual([0, null])
})

test('--help answers in under 300 ms, or four times what node takes for nothing (the best of up to twelve)', () => {
  let bestMs = Number.POSITIVE_INFINITY
  let floorMs = Number.POSITIVE_INFINITY
  for (let round = 0; round < 12 && bestMs >= 300; round++) {
    floorMs = Math.min(floorMs, elapsedMs(['-e', '0']))
    bestMs = Math.min(bestMs, elapsedMs([cli.path, '--help']))
  }
  expect(bestMs).toBeLessThan(Math.max(300, 4 * floorMs))
})

function elapsedMs(args: readonly string[]): number {
  const startMs = performance.now()
  spawnSync(process.execPath, args)
  return performance.now() - startMs
}

test('--help loads neither the parts of a command nor the libraries that a command needs', async () => {
  const { files } = await loadedBy(['collector', '--help'])
  expect(files).toContain('options/collector.js')
  expect(files.filter((file) => /^(bus|inputs|outputs|pipeline|telemetry)\//.test(file))).toEqual([])
})

test('a command that has no config file does not load the library for it', async () => {
  const { packages } = await loadedBy(['emit', 'avro', '--topic', 'show'])
  expect(packages).toContain('zod')
  expect(packages).not.toContain('yaml')
  expect((await loadedBy(['--help'])).packages).not.toContain('zod')
})

/** What a run loads: own files below dist, and packages by name. V8's coverage lists every script. */
async function loadedBy(args: readonly string[]): Promise<{ files: string[]; packages: string[] }> {
  const directory = await mkdtemp(join(cli.home, 'loaded-'))
  call(args, { NODE_V8_COVERAGE: directory })
  const [report = ''] = await readdir(directory)
  const { result } = JSON.parse(await readFile(join(directory, report), 'utf8')) as { result: { url: string }[] }
  const urls = result.map(({ url }) => url)
  const packages = urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? [])
  return { files: urls.flatMap((url) => url.split('/dist/')[1] ?? []), packages: [...new Set(packages)] }
}
