import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { command, type Docker, openDocker } from './support/docker.js'
import { type House, openHouse, type Terminal } from './support/newcomer-house.js'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** What one sees who types a line: in its own output, or on the screen of the daemons that run meanwhile. */
const results: readonly { line: RegExp; shows: RegExp; on?: 'screen' }[] = [
  { line: /^npm ci$/, shows: /added \d+ packages/ },
  { line: /^npm run build$/, shows: /^/ },
  { line: /^npm run lint$/, shows: /Checked \d+ files.*No fixes applied/ },
  { line: /^npm test$/, shows: /Tests: +(\d+ skipped, )?\d+ passed, \d+ total/ },
  { line: /^npm run docs$/, shows: /current/ },
  { line: /^npm start/, shows: /Running, all in this process[\s\S]*Try it: [\s\S]*web\.requests/, on: 'screen' },
  { line: /^echo 'hello:1\|c\|#who:me' \| nc/, shows: /\bhello\b.*who/, on: 'screen' },
  { line: /^echo 'hello:nonsense\|c' \| nc/, shows: /\bhello\b.*\b0\b/, on: 'screen' },
  { line: /^bin\/dcos-stats collector .*&$/, shows: /taking in Avro streams/, on: 'screen' },
  { line: /^bin\/dcos-stats statsd-proxy .*&$/, shows: /the isolator module can announce containers/, on: 'screen' },
  { line: /^bin\/dcos-stats consume .*$/, shows: /"name":"numbered"|numbered/, on: 'screen' },
  { line: /^curl .*\/ready$/, shows: /"ready":true/ },
  { line: /^curl .*\/ledger$/, shows: /"hop":"statsd-proxy"/ },
  { line: /^curl .*\/metrics \| grep/, shows: /^dcos_stats_\w+(\{.*\})? [1-9]/m },
  { line: /^bin\/dcos-stats top /, shows: /statsd-proxy[\s\S]*containers: \d+[\s\S]*try-it/ },
  { line: /^bin\/dcos-stats audit /, shows: /statsd-proxy[\s\S]*collector[\s\S]*consume/ },
  { line: /^bin\/dcos-stats emit statsd /, shows: /^/ },
  { line: /^bin\/dcos-stats emit avro /, shows: /^/ },
]

let docker: Docker
let clone: string
let house: House

/** A fresh clone, in a container that has Node, npm, and a shell with nc and curl. */
beforeAll(async () => {
  docker = await openDocker()
  clone = await mkdtemp(join(tmpdir(), 'dcos-stats-clone-'))
  await command('git', ['clone', '--quiet', '--depth', '1', `file://${project}`, clone])
  house = await openHouse(docker, clone)
}, 600_000)

afterAll(async () => {
  await house?.close()
  await docker?.close()
  if (clone) await rm(clone, { recursive: true, force: true })
})

test('every command of README.md does what it says', async () => {
  const tried = await followPage('README.md')
  expect(tried).toEqual(expect.arrayContaining(['npm ci', 'npm start', 'npm run build', 'npm run lint', 'npm test']))
}, 1_800_000)

test('every command of deploy/DEMO.md does what it says', async () => {
  expect((await followPage('deploy/DEMO.md')).length).toBeGreaterThan(5)
}, 600_000)

/** Types the page's shell blocks, one after the other, as a reader would, and looks at what comes. */
async function followPage(page: string): Promise<string[]> {
  const text = await readFile(join(clone, page), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => linesOf(block))
  let terminal: Terminal | undefined
  for (const block of blocks) {
    if (!block.every(isForTerminal)) {
      await leave(terminal)
      terminal = undefined
    }
    const starting = block.filter(startsDaemon)
    for (const line of block.filter((line) => !startsDaemon(line))) {
      const output = await house.run(line)
      if (resultOf(page, line).on === 'screen') await terminal?.shows(resultOf(page, line).shows)
      else expect(`${line}\n${output}`).toMatch(resultOf(page, line).shows)
    }
    if (starting.length > 0) {
      terminal = await house.openTerminal(starting.join('\n'))
      if (starting.length > 1) await house.run('bin/dcos-stats emit avro --count 10')
      for (const line of starting) await terminal.shows(resultOf(page, line).shows)
    }
  }
  await leave(terminal)
  return blocks.flat()
}

function linesOf(block: string): string[] {
  const lines = block.split('\n').map((line) => line.replace(/\s+# .*$/, ''))
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}

function resultOf(page: string, line: string): (typeof results)[number] {
  const result = results.find((row) => row.line.test(line))
  if (result === undefined) throw new Error(`${page} has a command whose result nobody looks at: ${line}`)
  return result
}

function startsDaemon(line: string): boolean {
  return /^npm start|&$|^bin\/dcos-stats (consume|local-stack)/.test(line)
}

/** What a reader types into a second terminal while the first one shows what runs. */
function isForTerminal(line: string): boolean {
  return /\| nc |127\.0\.0\.1:9100|^bin\/dcos-stats emit/.test(line)
}

async function leave(terminal: Terminal | undefined): Promise<void> {
  if (terminal === undefined) return
  const screen = await terminal.interrupt()
  for (const hop of ['statsd-proxy', 'collector', 'consume']) {
    expect(screen).toMatch(new RegExp(`${hop} +\\d+ .*balanced`))
  }
}
