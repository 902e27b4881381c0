import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, open, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A server started for a test. */
export interface Program {
  readonly pid: number
  /** Ends it by its pid; resolves when it is gone. */
  end(signal?: NodeJS.Signals): Promise<void>
}

/** Where a program is, from PATH and the folders where distributions put daemons; fails with what to install. */
export async function programPath(name: string, debianPackage: string): Promise<string> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin']
  for (const folder of folders) {
    const path = join(folder, name)
    if (await isExecutable(path)) return path
  }
  throw new Error(
    `${name} is needed for this test and is not there: install it (Debian: apt-get install ${debianPackage}).`,
  )
}

/**
 * Starts a program with its output in a file, and waits until `isReady`.
 *
 * @param logPath takes stdout and stderr; its end is shown where the program does not become ready
 */
export async function startProgram({
  path,
  args,
  cwd,
  logPath,
  isReady,
  readyWithinMs = 20_000,
}: {
  path: string
  args: readonly string[]
  cwd: string
  logPath: string
  isReady: () => Promise<boolean>
  readyWithinMs?: number
}): Promise<Program> {
  const log = await open(logPath, 'a')
  const child = spawn(path, args, { cwd, stdio: ['ignore', log.fd, log.fd] })
  await log.close()
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const program: Program = {
    pid: child.pid ?? 0,
    async end(signal = 'SIGTERM') {
      child.kill(signal)
      await gone
    },
  }
  await waitUntilReady(child, isReady, readyWithinMs, async () => {
    await program.end('SIGKILL')
    return `${path} did not become ready: ${(await readFile(logPath, 'utf8')).slice(-2000)}`
  })
  return program
}

async function waitUntilReady(
  child: ChildProcess,
  isReady: () => Promise<boolean>,
  withinMs: number,
  giveUp: () => Promise<string>,
): Promise<void> {
  const endMs = performance.now() + withinMs
  while (!(await isReady())) {
    if (child.exitCode !== null || performance.now() > endMs) throw new Error(await giveUp())
    await sleep(50)
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
