import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'

/** Debian's; another one by CHROMIUM. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface Browser {
  /** A page of a context of its own; what it complains of is kept. */
  open(address: string, look?: { scheme?: 'light' | 'dark'; width?: number; height?: number }): Promise<OpenPage>
  close(): Promise<void>
}

export interface OpenPage {
  readonly page: Page
  /** Errors of scripts, and what the browser refused. */
  readonly complaints: readonly string[]
  /** Where it asked for anything, without path. */
  readonly origins: ReadonlySet<string>
}

/** A headless Chromium with a profile of its own. */
export async function startBrowser(): Promise<Browser> {
  const dir = await mkdtemp(join(tmpdir(), 'dcos-stats-browser-'))
  const contexts: BrowserContext[] = []
  let profiles = 0
  return {
    async open(address, { scheme = 'light', width = 1280, height = 900 } = {}) {
      const profile = join(dir, String(profiles++))
      const looks = { colorScheme: scheme, viewport: { width, height } }
      const context = await chromium.launchPersistentContext(profile, { executablePath, args: flags, ...looks })
      contexts.push(context)
      const page = context.pages()[0] ?? (await context.newPage())
      const complaints: string[] = []
      const origins = new Set<string>()
      page.on('pageerror', (error) => complaints.push(String(error.stack)))
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text())
      })
      page.on('request', (request) => origins.add(new URL(request.url()).origin))
      await page.goto(address)
      return { page, complaints, origins }
    },
    async close() {
      for (const context of contexts) await context.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
