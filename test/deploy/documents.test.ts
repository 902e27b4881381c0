import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { workingCommands } from '../../src/commands/index.js'
import { resultOf, results, shellBlocks } from '../image/support/page-commands.js'
import { everyOption, knownOptions } from '../support/known-options.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const pages = readdirSync(join(root, 'deploy'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md'))
  .map((path) => join('deploy', path))

/** What a reader sees as a flag: `--name`, also with a value behind. */
function flagsIn(text: string): string[] {
  return [...text.matchAll(/`--([a-z][a-z0-9-]*)/g)].map(([, name = '']) => name)
}

describe.each(pages)('%s', (page) => {
  test('names only options, commands and files that exist', () => {
    expectToExist(page)
  })

  test('is short, and within 160 columns but for tables', () => {
    const lines = read(page).split('\n')
    expect(lines.length).toBeLessThan(160)
    expect(lines.filter((line) => line.length > 160 && !line.startsWith('|'))).toEqual([])
  })
})

/** All that a page names of us. */
function expectToExist(page: string): void {
  const text = read(page)
  // Those of docker and of the Mesos agent, and what every program has.
  const foreign = new Set(['build-arg', 'read-only', 'modules', 'isolation', 'version', 'help'])
  const { flags } = everyOption()
  expect(flagsIn(text).filter((name) => !flags.has(name) && !foreign.has(name))).toEqual([])
  const names = [...workingCommands.map(({ name }) => name), 'completion']
  const commands = [...text.matchAll(/`dcos-stats ((?:[a-z-]+ ?)+)/g)].map(([, words = '']) => words.trim())
  const known = (words: string) =>
    names.some((name) => words.replace(/^(validate|config show) ?/, '').startsWith(name)) ||
    /^(validate|config show)$/.test(words)
  expect(commands.filter((words) => !known(words))).toEqual([])
  const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, target = '']) => target)
  expect(links.filter((target) => !exists(resolve(root, dirname(page), target)))).toEqual([])
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

describe('what a newcomer types (test/image tries it)', () => {
  const typed = ['README.md', 'deploy/DEMO.md'].flatMap((page) => shellBlocks(read(page)).flat())

  test.each([...new Set(typed)])('%s: its result is looked at', (line) => {
    expect(resultOf(line)).toHaveProperty('shows')
  })

  test('each result is looked for somewhere', () => {
    expect(results.filter((result) => !typed.some((line) => resultOf(line) === result))).toEqual([])
  })

  test.each(['README.md', ...pages])('%s names only scripts that package.json has', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = [...read(page).matchAll(/\bnpm (?:run (?:--silent )?([a-z:]+)|(test|start))\b/g)]
    expect(named.map(([, run, usual]) => run ?? usual ?? '').filter((name) => scripts[name] === undefined)).toEqual([])
  })
})

test('every picture is shown on a page', () => {
  const pictures = readdirSync(join(root, 'deploy', 'pictures')).filter((name) => name.endsWith('.png'))
  expect(pictures.length).toBeGreaterThan(1)
  const text = pages.map(read).join('')
  expect(pictures.filter((name) => !text.includes(`](pictures/${name})`))).toEqual([])
})

describe('README.md', () => {
  const text = read('README.md')

  test('names only options, commands and files that exist', () => {
    expectToExist('README.md')
  })

  test.each(workingCommands.map(({ name }) => name))('has the options of %s', (name) => {
    expect(text).toContain(`<!-- options:${name.replaceAll(' ', '-')} -->`)
  })

  test.each(['validate', 'config-show'])('has the options of %s', (name) => {
    expect(text).toContain(`<!-- options:${name} -->`)
  })

  test('is short: a page and a half of text for each reader, but for what is folded away', () => {
    const unfolded = text.replace(/<details>[\s\S]*?<\/details>/g, '').split('\n')
    expect(unfolded.length).toBeLessThan(250)
    expect(unfolded.filter((line) => line.length > 160)).toEqual([])
  })
})

describe('COMING-FROM-DCOS-METRICS.md', () => {
  const text = read('deploy/COMING-FROM-DCOS-METRICS.md')
  const sections = Object.fromEntries(
    text
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.split('\n')[0], section]),
  )

  test.each([
    ['Module parameters -> statsd-proxy', ['statsd-proxy']],
    ['Collector', ['collector']],
    ['Consumers', ['consume']],
    ['Emitters', ['emit statsd', 'emit avro']],
  ])('%s: the right column has options of its command', (heading, commands) => {
    const known = commands.flatMap((command) => [...knownOptions(command).flags])
    const cells = tableRows(sections[heading] ?? '').map(([, , here = '']) => here)
    const named = cells.flatMap(flagsIn)
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter((name) => !known.includes(name))).toEqual([])
  })

  // Every name that the first releases read, from their sources.
  test.each<[string, string[]]>([
    [
      'Module parameters -> statsd-proxy',
      names(`container_limit_amount_kbytes container_limit_period_secs listen_interface listen_port_mode listen_port
        listen_port_start listen_port_end output_collector_enabled output_collector_ip output_collector_port
        output_collector_chunking output_collector_chunk_size_datapoints output_collector_chunk_timeout_seconds
        output_statsd_enabled output_statsd_host output_statsd_port output_statsd_host_refresh_seconds
        output_statsd_annotation_mode output_statsd_chunking output_statsd_chunk_size_bytes state_path_dir`),
    ],
    [
      'Collector',
      names(`agent-ip-command agent-metrics-topic agent-poll-period agent-polling agent-port agent-test-containers-file agent-test-metrics-file
        agent-test-state-file agent-test-system-file auth-credential global-limit-amount-kbytes global-limit-period
        input-limit-amount-kbytes input-limit-period http-profile kafka kafka-brokers kafka-compress-snappy kafka-flush-ms
        kafka-framework kafka-produce-count kafka-produce-kbytes kafka-produce-period-ms kafka-require-all-acks
        kafka-single-topic kafka-topic-prefix kafka-verbose listen-endpont record-input-hexdump record-input-log
        record-output-hexdump record-output-log statsd-period statsd-udp-host statsd-udp-port config
        poll_agent kafka_producer http_profiler kafka_flag_enabled http_profiler_enabled`),
    ],
    [
      'Consumers',
      names(`KAFKA_FRAMEWORK_NAME KAFKA_TOPIC_PATTERN KAFKA_TOPIC_POLL_PERIOD_MS KAFKA_TOPICS FRAMEWORK_NAMES
        STATS_PRINT_PERIOD_MS PRINT_RECORDS POLL_TIMEOUT_MS CONSUMER_THREADS OUTPUT_HOST OUTPUT_PORT GRAPHITE_PROTOCOL
        EXIT_ON_CONNECT_FAILURE GRAPHITE_PREFIX GRAPHITE_PREFIX_IDS RABBIT_USERNAME RABBIT_PASSWORD RABBIT_EXCHANGE
        OUTPUT_USERNAME OUTPUT_PASSWORD OUTPUT_DATABASE MEASUREMENT_NAME BATCH_POINTS BATCH_MS CREATE_DB LOG_LEVEL
        RETENTION_POLICY KEY_PREFIX ENABLE_TAGS FLUSH_THRESHOLD`),
    ],
    [
      'Emitters',
      names(
        'STATSD_UDP_HOST STATSD_UDP_PORT debug flood endpoint topic period block-size block-tick-ms record-output-log',
      ),
    ],
  ])('%s: every old name is there', (heading, old) => {
    const cells = tableRows(sections[heading] ?? '').flat()
    expect(old.filter((name) => !cells.some((cell) => cell.includes(`\`${name}\``)))).toEqual([])
  })
})

function names(text: string): string[] {
  return text.split(/\s+/)
}

function tableRows(section: string): string[][] {
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}
