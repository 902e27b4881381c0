import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { basename } from 'node:path'
import type { ContainerEndpoint } from '../containers/endpoint.js'
import type { Identities } from '../containers/identities.js'
import type { Parsed } from '../options/option.js'
import type { statsdProxyExecOptions } from '../options/statsd-proxy.js'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import type { CommandContext } from './command.js'
import { runDaemon } from './daemon.js'
import { proxyOptionsFrom } from './stack-roles.js'
import { type ProxyOptions, type RunningProxy, runProxy } from './statsd-proxy.js'
import { exitCodeOf } from './statsd-proxy-workers.js'

type Options = Parsed<typeof statsdProxyExecOptions>

/** What reaches the command while it runs, in place of what it does to this process. */
const passedOn = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/** Runs a command with a StatsD endpoint of its own; resolves with the command's exit code. */
export async function run(options: Options, context: CommandContext): Promise<number> {
  const [command, ...args] = context.operands
  if (command === undefined) {
    throw new StatsError('DS_COMMAND', 'Name the command behind --, such as: statsd-proxy exec -- ./app --port 80', {
      exitCode: ExitCode.usage,
    })
  }
  const stopping = new AbortController()
  let ended: Promise<number> | undefined
  await runDaemon('statsd-proxy exec', options, { ...context, signal: stopping.signal }, async (daemon) => {
    const containerId = options.containerId ?? randomUUID()
    const identities = onlyOne({
      frameworkId: options.frameworkId,
      executorId: options.executorId ?? basename(command),
      containerId,
    })
    try {
      await runProxy(await proxyOptionsOf(options), daemon, onRunning, { identities })
    } catch (cause) {
      if (ended === undefined) throw cause
      daemon.log.error({ cause: messageOf(cause) }, 'the metrics of the command are lost from here on; it goes on')
    }
    await ended

    function onRunning(proxy: RunningProxy): void {
      ended = runCommand(proxy, containerId)
      ended.catch(() => {}).finally(() => stopping.abort())
    }
  })
  return (await ended) ?? ExitCode.failure

  async function runCommand(proxy: RunningProxy, containerId: string): Promise<number> {
    const endpoint = await proxy.register(containerId)
    if (endpoint === undefined) {
      throw new StatsError(
        'DS_COMMAND',
        'No StatsD endpoint could be opened, so the command was not started; see above.',
      )
    }
    return runChild({ command: command ?? '', args, endpoint, context })
  }
}

function onlyOne(identity: { frameworkId: string; executorId: string; containerId: string }): Identities {
  return { identify: () => identity, onIdentities: () => () => {}, refresh() {} }
}

/** The proxy's options: what `exec` does not offer is off, or as it usually is. */
async function proxyOptionsOf(options: Options): Promise<ProxyOptions> {
  return {
    ...(await proxyOptionsFrom({ 'isolator-listen': 'off', 'agent-polling': 'false' })),
    ...options,
    listenPortMode: options.listenPort === undefined ? 'ephemeral' : 'single',
    statePathDir: '',
  }
}

async function runChild({
  command,
  args,
  endpoint: { host, port },
  context: { program, takeSignals, stdinIsTerminal },
}: {
  command: string
  args: readonly string[]
  endpoint: ContainerEndpoint
  context: CommandContext
}): Promise<number> {
  // Ctrl-C and Ctrl-\ in a terminal reach both processes: passed on, the command would have them twice.
  const byTerminal = stdinIsTerminal ? ['SIGINT', 'SIGQUIT'] : []
  let child: ChildProcess | undefined
  const release = takeSignals(passedOn, (name) => {
    if (!byTerminal.includes(name)) child?.kill(name)
  })
  try {
    child = spawn(command, args, {
      stdio: 'inherit',
      env: { ...program.environment, STATSD_UDP_HOST: host, STATSD_UDP_PORT: String(port) },
    })
    await once(child, 'spawn')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return exitCodeOf(child)
  } catch (cause) {
    throw notStarted(command, cause)
  } finally {
    release()
  }
}

/** With the exit codes of a shell: 127 for a command that is not there, 126 for one that cannot be run. */
function notStarted(command: string, cause: unknown): StatsError {
  const isMissing = systemCodeOf(cause) === 'ENOENT'
  const hint = isMissing ? 'there is no such command; check its name and PATH' : messageOf(cause)
  return new StatsError('DS_COMMAND', `${command} could not be started: ${hint}.`, {
    cause,
    exitCode: isMissing ? 127 : 126,
  })
}
