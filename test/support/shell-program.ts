import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Ending } from './program.js'

/** A folder for PATH in which the built program is called `dcos-stats`, as in the image and after an install. */
export interface CommandFolder {
  readonly path: string
  remove(): Promise<void>
}

export async function makeCommandFolder(cli: string): Promise<CommandFolder> {
  const path = await mkdtemp(join(tmpdir(), 'dcos-stats-path-'))
  const command = join(path, 'dcos-stats')
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`)
  await chmod(command, 0o755)
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

export interface ShellProgram {
  readonly pid: number
  stdout(): string
  stderr(): string
  readonly ended: Promise<Ending>
  /** Resolves once the output of both kinds is as it is wanted; rejects with it where the program has ended before. */
  until(isMeant: (output: { stdout: string; stderr: string }) => boolean): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<Ending>
}

const running = new Set<ChildProcess>()

/** Starts a program that is looked for in `folder` first, with nothing in its environment but PATH and `env`. */
export function startInFolder(
  folder: CommandFolder,
  [program, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): ShellProgram {
  const PATH = [folder.path, process.env.PATH].join(delimiter)
  const child = spawn(program, args, { env: { PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const texts = { stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  const look = () => {
    for (const watcher of [...watchers]) watcher()
  }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text) => {
      texts[name] += text
      look()
    })
  }
  running.add(child)
  const ended = new Promise<Ending>((resolve) => {
    child.on('close', (code, signal) => {
      running.delete(child)
      resolve({ code, signal })
    })
  })
  return {
    pid: child.pid ?? 0,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    ended,
    until(isMeant) {
      return new Promise((resolve, reject) => {
        const watcher = () => {
          if (!isMeant(texts)) return
          watchers.delete(watcher)
          resolve()
        }
        watchers.add(watcher)
        watcher()
        void ended.then(() => {
          if (watchers.delete(watcher)) {
            reject(
              new Error(
                `${program} ${args.join(' ')} ended\n${texts.stdout.slice(-2000)}\n${texts.stderr.slice(-4000)}`,
              ),
            )
          }
        })
      })
    },
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}

/** For afterEach: no process outlives its test. */
export async function endShellPrograms(): Promise<void> {
  const closings = [...running].map((child) => new Promise((resolve) => child.once('close', resolve)))
  for (const child of running) child.kill('SIGKILL')
  await Promise.all(closings)
}
