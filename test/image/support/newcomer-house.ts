import type { Docker } from './docker.js'

/** A machine with Node, npm, a shell, nc and curl, and a fresh clone: what a newcomer has. */
export interface House {
  /** Runs one line in the clone, to its end; rejects where its exit code is not 0. */
  run(line: string): Promise<string>
  /** Types a line into a terminal. */
  openTerminal(line: string): Promise<Terminal>
  close(): Promise<void>
}

export interface Terminal {
  /** Resolves once the screen has shown this; rejects with the screen where it does not in time, or where the line has ended. */
  shows(what: RegExp, withinMs?: number): Promise<void>
  /** Ctrl-C; resolves, when all has ended, with everything that was on the screen. */
  interrupt(): Promise<string>
}

const home = '/home/node/dcos-stats'

/**
 * Two containers with one home: one reaches npm's registry; the other has a network that nobody else is in, so that all the
 * ports are free that a page names.
 */
export async function openHouse(docker: Docker, clone: string): Promise<House> {
  const name = `dcos-stats-newcomer-${process.pid}`
  const image = `${name}:1`
  const [online, alone] = [`${name}-online`, `${name}-alone`]
  const close = async () => {
    await docker.run('rm', '-f', '-v', online, alone).catch(() => {})
    await docker.run('volume', 'rm', '-f', name).catch(() => {})
    await docker.run('rmi', '-f', image).catch(() => {})
  }
  try {
    await buildImage(docker, image)
    for (const [container, network] of [
      [online, 'host'],
      [alone, 'none'],
    ] as const) {
      const place = ['--name', container, '--network', network, '-v', `${name}:/home/node`, '--workdir', home]
      await docker.run('run', '-d', ...place, '--user', '0', image, 'sleep', 'infinity')
    }
    await docker.run('cp', `${clone}/.`, `${online}:${home}`)
    await docker.run('exec', '--user', '0', online, 'chown', '-R', 'node:node', '/home/node')
  } catch (cause) {
    await close()
    throw cause
  }
  const exec = (container: string, line: string) => ['exec', '--user', 'node', container, 'bash', '-c', line]
  return {
    async run(line) {
      const { stdout, stderr } = await docker.run(...exec(/^npm (ci|test)/.test(line) ? online : alone, line))
      return stdout + stderr
    },
    openTerminal: async (line) => openTerminal(docker, alone, line),
    close,
  }
}

async function buildImage(docker: Docker, image: string): Promise<void> {
  const container = `${image.replace(':', '-')}-build`
  const install = 'apt-get update && apt-get install -y --no-install-recommends netcat-openbsd curl'
  await docker.run('run', '--name', container, '--network', 'host', '--user', '0', docker.base, 'bash', '-c', install)
  await docker.run('commit', container, image)
  await docker.run('rm', '-f', container)
}

async function openTerminal(docker: Docker, container: string, line: string): Promise<Terminal> {
  // The number of the process is the number of its group, since it has a terminal of its own.
  const script = `echo $$ > /tmp/terminal; ${line}`
  const child = docker.spawn('exec', '-t', '--user', 'node', container, 'bash', '-c', script)
  let screen = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      screen += text
    })
  }
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    async shows(what, withinMs = 120_000) {
      await docker.until(async () => what.test(screen) || child.exitCode !== null, Boolean, withinMs).catch(() => {})
      if (!what.test(screen)) throw new Error(`${line} did not show ${what}:\n${screen.slice(-3000)}`)
    },
    async interrupt() {
      await docker.run('exec', '--user', 'node', container, 'bash', '-c', 'kill -INT -- -$(cat /tmp/terminal)')
      await ended
      return screen
    },
  }
}
