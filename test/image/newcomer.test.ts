import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { command, type Docker, openDocker } from './support/docker.js'
import { type House, openHouse, type Terminal } from './support/newcomer-house.js'
import { isForSecondTerminal, resultOf, shellBlocks, startsDaemon } from './support/page-commands.js'

const project = fileURLToPath(new URL('../..', import.meta.url))

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
  const blocks = shellBlocks(text)
  let terminal: Terminal | undefined
  for (const block of blocks) {
    if (!block.every(isForSecondTerminal)) {
      await leave(terminal)
      terminal = undefined
    }
    const starting = block.filter(startsDaemon)
    for (const line of block.filter((line) => !startsDaemon(line))) {
      const output = await house.run(line)
      if (resultOf(line).on === 'screen') await terminal?.shows(resultOf(line).shows)
      else expect(`${line}\n${output}`).toMatch(resultOf(line).shows)
    }
    if (starting.length > 0) {
      terminal = await house.openTerminal(starting.join('\n'))
      for (const line of starting) await terminal.shows(resultOf(line).shows)
    }
  }
  await leave(terminal)
  return blocks.flat()
}

async function leave(terminal: Terminal | undefined): Promise<void> {
  if (terminal === undefined) return
  const screen = await terminal.interrupt()
  for (const hop of ['statsd-proxy', 'collector', 'consume']) {
    expect(screen).toMatch(new RegExp(`${hop} +\\d+ .*balanced`))
  }
}
