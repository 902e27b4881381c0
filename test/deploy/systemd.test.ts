import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePorts } from '../services/support/ports.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { knownOptions } from '../support/known-options.js'
import { type CommandFolder, endShellPrograms, makeCommandFolder, startInFolder } from '../support/shell-program.js'

const run = promisify(execFile)
const folder = fileURLToPath(new URL('../../deploy/systemd/', import.meta.url))
const readme = readFileSync(join(folder, 'README.md'), 'utf8')
const units = readdirSync(folder).filter((name) => name.endsWith('.service'))
const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0
const testWithSystemd = hasAnalyze ? test : test.skip

interface Unit {
  /** By key; those that are given several times one behind the other. */
  readonly service: ReadonlyMap<string, readonly string[]>
  readonly command: string
  readonly words: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** @param instance what %i stands for */
function readUnit(name: string, instance = 'influx'): Unit {
  const text = readFileSync(join(folder, name), 'utf8').replaceAll('%i', instance)
  const service = new Map<string, string[]>()
  for (const [, key = '', value = ''] of text.matchAll(/^(\w+)=(.*)$/gm)) {
    service.set(key, [...(service.get(key) ?? []), value])
  }
  const [program = '', ...words] = service.get('ExecStart')?.[0]?.split(' ') ?? []
  expect(program).toBe('/opt/dcos-stats/bin/dcos-stats')
  const environment = Object.fromEntries(
    (service.get('Environment') ?? []).flatMap((line) =>
      line.split(' ').map((pair) => pair.split(/=(.*)/).slice(0, 2)),
    ),
  )
  return { service, command: words[0] ?? '', words, environment }
}

/** The lines of an environment file, also those that stand there as a comment to be taken in. */
function readVariables(name: string): [name: string, value: string][] {
  const text = readFileSync(join(folder, 'etc', name), 'utf8')
  return [...text.matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value])
}

describe.each(units)('%s', (name) => {
  test('sets only what its command knows', () => {
    const { command, words, environment } = readUnit(name)
    const { flags, variables } = knownOptions(command)
    expect(Object.keys(environment).filter((variable) => !variables.has(variable))).toEqual([])
    const given = words.filter((word) => word.startsWith('--')).map((word) => word.slice(2))
    expect(given.filter((flag) => !flags.has(flag))).toEqual([])
  })

  test('gives its process longer to drain than that takes for itself, and does not repeat a wrong configuration', () => {
    const { service } = readUnit(name)
    expect(Number(service.get('TimeoutStopSec')?.[0])).toBeGreaterThan(10)
    expect(service.get('RestartPreventExitStatus')).toEqual(['2 78'])
  })

  testWithSystemd('is exposed no more than the README says', async () => {
    const [, said] = /`systemd-analyze security` \(\d+\) says ([\d.]+) for each unit/.exec(readme) ?? []
    const dir = await mkdtemp(join(tmpdir(), 'dcos-stats-units-'))
    try {
      // A template is looked at as one of its instances.
      const path = join(dir, name.replace('@', '@influx'))
      await copyFile(join(folder, name), path)
      const { stdout } = await run('systemd-analyze', ['security', '--offline=yes', '--no-pager', path])
      const [, exposure] = /exposure level for \S+: ([\d.]+)/.exec(stdout) ?? []
      expect(Number(exposure)).toBeLessThanOrEqual(Number(said))
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  })
})

test.each([
  ['statsd-proxy.env', 'statsd-proxy'],
  ['collector.env', 'collector'],
  ['consume-influx.env', 'consume'],
  ['consume-graphite.env', 'consume'],
])('every variable in etc/%s is one of %s', (name, command) => {
  const { variables } = knownOptions(command)
  const given = readVariables(name)
  expect(given.length).toBeGreaterThan(2)
  expect(given.filter(([variable]) => !variables.has(variable))).toEqual([])
})

test('the README names the files that are there', () => {
  expect(units.filter((name) => !readme.includes(name.replace(/@?\.service$/, '')))).toEqual([])
  const files = readdirSync(join(folder, 'etc'))
  expect(files.filter((name) => !readme.includes(`(etc/${name})`))).toEqual([])
})

describe('started as systemd starts them', () => {
  let cli: BuiltCli
  let commands: CommandFolder
  let dir: string

  beforeAll(async () => {
    cli = await buildCli()
    commands = await makeCommandFolder(cli.path)
  }, 60_000)
  afterAll(async () => {
    await commands.remove()
    await cli.remove()
  })
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dcos-stats-systemd-'))
  })
  afterEach(async () => {
    await endShellPrograms()
    await rm(dir, { recursive: true, force: true })
  })

  /** Directories and ports are this test's own; systemd makes the unit's directories before it starts anything. */
  async function start(name: string, instance: string, overrides: Record<string, string>) {
    const { service, words, environment } = readUnit(name, instance)
    for (const key of ['StateDirectory', 'RuntimeDirectory']) {
      for (const path of service.get(key) ?? []) await mkdir(join(dir, path), { recursive: true })
    }
    const own = Object.entries(environment).map(([key, value]) => [key, value.replaceAll(/%[St]/g, dir)])
    return startInFolder(commands, ['dcos-stats', ...words], { ...Object.fromEntries(own), ...overrides })
  }

  test('the collector and a consumer of its bus run and drain', async () => {
    const [avro, admin] = await freePorts(2)
    const bus = { BUS: 'embedded', KAFKA_TOPIC_POLL_PERIOD_MS: '300' }
    const consumer = await start('dcos-stats-consume@.service', 'stdout', bus)
    const collector = await start('dcos-stats-collector.service', '', {
      ...{ BUS: 'embedded', AGENT_POLLING: 'false', KAFKA_PRODUCE_PERIOD_MS: '100' },
      ...{ LISTEN_ENDPOINT: `127.0.0.1:${avro}`, ADMIN_LISTEN: `127.0.0.1:${admin}` },
    })
    await collector.until(({ stderr }) => stderr.includes('taking in Avro streams'))
    const emitter = startInFolder(commands, ['dcos-stats', 'emit', 'avro'], {
      ENDPOINT: `127.0.0.1:${avro}`,
      COUNT: '20',
    })
    expect((await emitter.ended).code).toBe(0)
    await consumer.until(({ stdout }) => stdout.includes('"value":20'))
    for (const program of [collector, consumer]) expect(await program.stop()).toEqual({ code: 0, signal: null })
  }, 40_000)

  test('ExecReload= puts another process in the place of the proxy, and the one that is watched stays and ends with it', async () => {
    const [admin] = await freePorts(1)
    const name = 'dcos-stats-statsd-proxy.service'
    const proxy = await start(name, '', { AGENT_POLLING: 'false', ADMIN_LISTEN: `127.0.0.1:${admin}` })
    const listening = 'the isolator module can announce containers here'
    await proxy.until(({ stderr }) => stderr.includes(listening))
    const { service } = readUnit(name)
    // As that program does; not every machine that has Node has it.
    expect(service.get('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID'])
    process.kill(proxy.pid, 'SIGHUP')
    await proxy.until(({ stderr }) => stderr.split(listening).length === 3)
    // Only the parent gets the signal.
    expect(service.get('KillMode')).toEqual(['mixed'])
    expect(await proxy.stop()).toEqual({ code: 0, signal: null })
    expect(proxy.stderr().split('ledger at exit')).toHaveLength(3)
  }, 40_000)
})
