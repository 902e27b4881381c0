import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeBaseImage } from './base-image.js'

export interface Output {
  readonly stdout: string
  readonly stderr: string
}

export interface Docker {
  /** The image of Node that the product's image is built on. */
  readonly base: string
  /** Runs `docker ...args`; rejects, with what docker said, where its exit code is not 0. */
  run(...args: string[]): Promise<Output>
  /** Starts `docker ...args` and leaves it running. */
  spawn(...args: string[]): ChildProcess
  /** Rejects where `isMeant` is not fulfilled in time; asked each 250 ms. */
  until<Value>(look: () => Promise<Value>, isMeant: (value: Value) => boolean, withinMs?: number): Promise<Value>
  /** Ends what `openDocker` has started. */
  close(): Promise<void>
}

const needed =
  'This suite needs docker: a daemon that `docker info` reaches, or, as root on Linux, dockerd and mmdebstrap ' +
  '(Debian: test/image/install).'

/**
 * A docker to test with: the one that is there already, or else a daemon of its own in a temporary folder, without bridge and
 * without a registry: builds and containers use the host's network, and the base image is made from Debian's packages.
 */
export async function openDocker(): Promise<Docker> {
  const { BASE: givenBase } = process.env
  if (await answers(process.env)) {
    const docker = dockerOf(process.env)
    return { ...docker, base: givenBase ?? 'node:22-bookworm-slim', close: async () => {} }
  }
  const daemon = await startDaemon()
  try {
    const docker = dockerOf(daemon.env)
    return { ...docker, base: givenBase ?? (await makeBaseImage(docker.run)), close: daemon.close }
  } catch (cause) {
    await daemon.close()
    throw cause
  }
}

function dockerOf(env: NodeJS.ProcessEnv): Pick<Docker, 'run' | 'spawn' | 'until'> {
  return {
    run: (...args) => command('docker', args, env),
    spawn: (...args) => spawn('docker', args, { env, stdio: ['ignore', 'pipe', 'pipe'] }),
    async until(look, isMeant, withinMs = 60_000) {
      const endMs = performance.now() + withinMs
      for (;;) {
        const value = await look()
        if (isMeant(value)) return value
        if (performance.now() > endMs) throw new Error(`Not in ${withinMs} ms; the last: ${JSON.stringify(value)}`)
        await sleep(250)
      }
    },
  }
}

async function startDaemon(): Promise<{ env: NodeJS.ProcessEnv; close: () => Promise<void> }> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new Error(needed)
  const folder = await mkdtemp(join(tmpdir(), 'dcos-stats-docker-'))
  const socket = `unix://${join(folder, 'd.sock')}`
  // dockerd lies where users' PATHs do not always look. Without a plug-in the client builds by itself.
  const PATH = [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter)
  const env = { ...process.env, PATH, DOCKER_HOST: socket, DOCKER_BUILDKIT: '0' }
  const log = await open(join(folder, 'log'), 'a')
  const flags = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '-H', socket]
  const own = ['--pidfile', join(folder, 'pid'), '--bridge=none', '--iptables=false', '--ip6tables=false']
  const daemon = spawn('dockerd', [...flags, ...own], { env, stdio: ['ignore', log.fd, log.fd] })
  const gone = new Promise<void>((resolve) => void daemon.once('exit', resolve).once('error', () => resolve()))
  await log.close()
  const close = async () => {
    daemon.kill('SIGTERM')
    await gone
    // The daemon leaves this one mounted.
    await command('umount', [join(folder, 'exec', 'netns', 'default')], env).catch(() => {})
    await rm(folder, { recursive: true, force: true })
  }
  if (await isUp(daemon, env)) return { env, close }
  const said = await readFile(join(folder, 'log'), 'utf8').catch(() => '')
  await close()
  throw new Error(`${needed}\ndockerd did not start: ${said.slice(-1500)}`)
}

async function isUp(daemon: ChildProcess, env: NodeJS.ProcessEnv): Promise<boolean> {
  const endMs = performance.now() + 30_000
  while (performance.now() < endMs) {
    if (daemon.pid === undefined || daemon.exitCode !== null) return false
    if (await answers(env)) return true
    await sleep(200)
  }
  return false
}

function answers(env: NodeJS.ProcessEnv): Promise<boolean> {
  return command('docker', ['version', '--format', '{{.Server.Version}}'], env).then(
    () => true,
    () => false,
  )
}

/** Runs a program; rejects with its output where it fails. */
export function command(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Output> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (!error) return resolve({ stdout, stderr })
      const said = [stdout, stderr].join('\n').trim().slice(-4000)
      reject(new Error(`${program} ${args.join(' ')}: ${error.message.split('\n')[0]}\n${said}`, { cause: error }))
    })
  })
}
