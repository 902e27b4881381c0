// Takes the pictures of deploy/DEMO.md from the program's own page: `npm run build && node deploy/pictures/take.js`.
// Needs a Chromium: /usr/bin/chromium, or the one that CHROMIUM names.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const program = fileURLToPath(new URL('../../bin/dcos-stats', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking']

const stack = start('local-stack', '--log-format', 'json')
stack.stdout.resume()
const { parts, tryIt } = await firstLine(stack, ({ msg }) => msg === 'running')
const browser = await chromium.launch({ executablePath, args })

await sleep(30_000)
await flood(tryIt.split(' ').at(-1))
await sleep(15_000)
const load = flood(tryIt.split(' ').at(-1))
await sleep(4000)
await take('live-page.png', { colorScheme: 'light' })
await load
await take('live-page-dark.png', { colorScheme: 'dark' }, async (page) => {
  await page.getByRole('tab', { name: 'Metric names' }).click()
})
await browser.close()
stack.kill('SIGINT')
await once(stack, 'close')

/** As long a flood as runs into the limit of the container. */
async function flood(port) {
  const to = ['--statsd-udp-host', '127.0.0.1', '--statsd-udp-port', port]
  const emitter = start('emit', 'statsd', ...to, '--count', '400000', '--rate', '50000', '--lines-per-packet', '20')
  emitter.stdout.resume()
  emitter.stderr.resume()
  await once(emitter, 'close')
}

async function take(name, look, prepare = async () => {}) {
  const context = await browser.newContext({ ...look, viewport: { width: 1200, height: 960 } })
  const page = await context.newPage()
  await page.goto(parts['live page'])
  await prepare(page)
  await page.locator('#table tbody tr').first().waitFor()
  await page.evaluate('scrollTo(0, 0)')
  await sleep(3000)
  await page.screenshot({ path: `${here}${name}` })
  await context.close()
}

function start(...line) {
  return spawn(process.execPath, [program, ...line], { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function firstLine({ stderr }, isMeant) {
  for await (const text of createInterface({ input: stderr })) {
    const line = JSON.parse(text)
    if (isMeant(line)) {
      stderr.resume()
      return line
    }
  }
  throw new Error('local-stack ended before it ran')
}
