import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BuiltCli, buildCli } from './built-cli.js'
import { endPrograms } from './program.js'
import { type ProxyProcess, startProxy } from './proxy.js'
import { type CountingCollector, startCountingCollector } from './statsd-load.js'

/** What the tests of a file have in common that start proxies and count what arrives behind them. */
export interface CountedProxies {
  readonly cli: BuiltCli
  /** New for each test. */
  readonly dir: string
  /** New for each test, which may put another one in its place. */
  collector: CountingCollector
  /** A proxy in front of the collector, with its state in `dir`. */
  start(...more: string[]): ProxyProcess
}

/** Prepares every test of the file, and ends behind it what it started. */
export function countedProxies(): CountedProxies {
  let cli: BuiltCli
  let dir: string
  let collector: CountingCollector

  beforeAll(async () => {
    cli = await buildCli()
  }, 120_000)
  afterAll(() => cli.remove())

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'dcos-stats-counted-'))
    collector = await startCountingCollector()
  })
  afterEach(async () => {
    await endPrograms()
    await collector.stop()
    await rm(dir, { recursive: true, force: true })
  })

  return {
    get cli() {
      return cli
    },
    get dir() {
      return dir
    },
    get collector() {
      return collector
    },
    set collector(other) {
      collector = other
    },
    start: (...more) => startProxy(cli.path, { stateDir: join(dir, 'state'), collectorPort: collector.port, more }),
  }
}
