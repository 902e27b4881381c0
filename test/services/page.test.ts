import { createSocket } from 'node:dgram'
import { mkdir, writeFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import type { LedgerSnapshot } from '../../src/model/ledger.js'
import { type Browser, startBrowser } from '../support/browser.js'
import { type BuiltCli, buildCli } from '../support/built-cli.js'
import { endPrograms, type Program, startProgram } from '../support/program.js'

let cli: BuiltCli
let browser: Browser

beforeAll(async () => {
  cli = await buildCli()
  browser = await startBrowser()
}, 60_000)
afterEach(endPrograms)
afterAll(async () => {
  await browser?.close()
  await cli?.remove()
})

/** Where the live page of a daemon is, by its log. */
async function pageAddress(program: Program): Promise<string> {
  const { address } = await program.logWhere(({ msg }) => typeof msg === 'string' && msg.startsWith('serving / '))
  return `${address}/`
}

async function ledgersOf(address: string, token?: string): Promise<Record<string, LedgerSnapshot>> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const ledgers = (await (await fetch(`${address}ledger`, { headers })).json()) as LedgerSnapshot[]
  return Object.fromEntries(ledgers.map((ledger) => [ledger.hop, ledger]))
}

/** A figure as it stands on the page. */
async function figure(page: Page, hop: string, key: string): Promise<number> {
  const text = await page.locator(`dd[data-hop="${hop}"][data-figure="${key}"]`).textContent()
  return Number(text?.replaceAll(',', ''))
}

/** What a metric name's or a container's row says, cell by cell. */
function cells(page: Page, id: string): Promise<string[]> {
  return page.locator(`[data-row="${id}"] :is(td, th)`).allTextContents()
}

async function screenshot(page: Page, name: string): Promise<void> {
  const dir = process.env.SCREENSHOTS
  if (dir === undefined) return
  await mkdir(dir, { recursive: true })
  await writeFile(`${dir}/${name}.png`, await page.screenshot({ fullPage: true }))
}

async function send(line: string, port: number): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise((resolve) => socket.send(line, port, '127.0.0.1', resolve))
  socket.close()
}

test('the page of local-stack shows the figures of its ledgers, the flow, drops with their reason, and rows that can be searched', async () => {
  const stack = startProgram(cli.path, ['local-stack'])
  const running = (await stack.logWhere(({ msg }) => msg === 'running')) as {
    tryIt?: string
    parts?: { [part: string]: string }
  }
  const address = await pageAddress(stack)
  expect(running.parts?.['live page']).toBe(address)
  const tryItPort = Number(running.tryIt?.split(' ').at(-1))
  const { page, complaints, origins } = await browser.open(address)

  await page.locator('[data-hop="consume"] .balance').waitFor()
  await expectFigures(page, address)

  // Every arrow of the stack moves.
  for (const arrow of [
    'containers statsd-proxy',
    'statsd-proxy collector',
    'agent collector',
    'collector bus',
    'bus consume',
  ]) {
    await expectSoon(page, `parseFloat(document.querySelector('[data-arrow="${arrow}"]')?.textContent ?? '') > 0`)
  }
  expect(await page.locator('[data-arrow="consume sink stdout"]').textContent()).toMatch(/^[\d.]+k?\/s$/)

  // An event is no metric: it is dropped, with its reason, where the proxy is.
  await send('_e{5,4}:title|text', tryItPort)
  await page.locator('[data-drop="statsd-proxy not_a_metric"]').waitFor()
  await page.locator('[data-row="try-it"] td.bad').waitFor()
  expect((await cells(page, 'try-it'))[0]).toContain('try-it')

  await page.getByRole('tab', { name: 'Metric names' }).click()
  await page.getByLabel('Search by name').fill('WEB.')
  await page.locator('[data-row="web.requests"]').waitFor()
  await expectSoon(page, `document.querySelectorAll('#table tbody tr').length === 3`)
  expect(await page.locator('#found').textContent()).toBe('3 metric names')

  await page.getByRole('tab', { name: 'Frameworks' }).click()
  await page.getByLabel('Search by name').fill('marathon')
  await page.locator('#table tbody tr', { hasText: 'marathon' }).first().waitFor()
  await page.getByLabel('Search by name').fill('no such thing')
  await page.getByText('Nothing is called like “no such thing”').waitFor()

  await expectFigures(page, address)
  await screenshot(page, 'local-stack-light')
  expect(complaints).toEqual([])
  expect([...origins]).toEqual([new URL(address).origin])
}, 90_000)

test('dark where the system is, until somebody chooses; on a narrow screen nothing is wider than it', async () => {
  const stack = startProgram(cli.path, ['local-stack'])
  const { page, complaints } = await browser.open(await pageAddress(stack), { scheme: 'dark', width: 390 })
  await page.locator('[data-arrow="collector bus"]').waitFor()
  const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
  const dark = await background()
  await screenshot(page, 'local-stack-narrow-dark')
  const theme = page.getByRole('button', { name: /^Theme/ })
  await theme.click()
  expect(await theme.textContent()).toBe('Theme: Light')
  expect(await background()).not.toBe(dark)
  await page.reload()
  expect(await theme.textContent()).toBe('Theme: Light')
  await theme.click()
  expect([await theme.textContent(), await background()]).toEqual(['Theme: Dark', dark])
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
  expect(complaints).toEqual([])
}, 60_000)

test('a daemon with a token asks for it, takes no wrong one, and shows its own hop; when it ends the page says so', async () => {
  const program = startProgram(cli.path, [
    'collector',
    ...['--bus', 'none', '--agent-polling=false', '--listen-endpoint', '127.0.0.1:0'],
    ...['--admin-listen', '127.0.0.1:0', '--admin-token', 'a secret'],
  ])
  const address = await pageAddress(program)
  const { page } = await browser.open(address)
  const token = page.getByLabel('Token', { exact: true })
  await token.fill('not it')
  await page.getByRole('button', { name: 'Show figures' }).click()
  await page.getByText('This is not it.').waitFor()
  await token.fill('a secret')
  await page.getByRole('button', { name: 'Show figures' }).click()
  await page.locator('[data-arrow="senders collector"]').waitFor()
  expect(await page.locator('dd[data-figure="received"]').count()).toBe(1)
  expect(await figure(page, 'collector', 'received')).toBe((await ledgersOf(address, 'a secret')).collector?.received)
  await screenshot(page, 'collector')
  await program.stop()
  await page.getByText('The daemon does not answer.').waitFor()
}, 60_000)

/** @param expression of the page's own script; resolves when it is true */
async function expectSoon(page: Page, expression: string): Promise<void> {
  await page.waitForFunction(expression)
}

/** Figures only grow: what the page shows lies between what the ledgers said before and what they say after. */
async function expectFigures(page: Page, address: string): Promise<void> {
  const before = await ledgersOf(address)
  // Events come each second: the next one is surely newer than what was just read.
  await page.waitForTimeout(2100)
  for (const hop of ['statsd-proxy', 'collector', 'consume']) {
    for (const key of ['received', 'forwarded'] as const) {
      const shown = await figure(page, hop, key)
      const after = (await ledgersOf(address))[hop]?.[key] ?? 0
      expect({ hop, key, shown, ofLedgers: shown >= (before[hop]?.[key] ?? 0) && shown <= after }).toMatchObject({
        ofLedgers: true,
      })
      expect(shown).toBeGreaterThan(0)
    }
    expect(await page.locator(`[data-hop="${hop}"] .balance`).textContent()).toBe('balanced')
  }
}
