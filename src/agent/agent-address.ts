import { execFile } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { isIP, isIPv6 } from 'node:net'
import { promisify } from 'node:util'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { AgentClient } from './client.js'

/** What is asked of an agent; the value is the path. */
export const agentPaths = { state: '/state', snapshot: '/metrics/snapshot', containers: '/containers' } as const

export type AgentEndpoint = keyof typeof agentPaths

/**
 * Gets one reply, as bytes of JSON. Rejects with a StatsError; one with an exit code says that no later question
 * can succeed either.
 */
export type AgentQuery = (endpoint: AgentEndpoint, signal: AbortSignal) => Promise<Uint8Array<ArrayBuffer>>

export interface AgentAddress {
  /** --agent-url; wins over the command. */
  readonly url?: string | undefined
  /** --agent-ip-command: prints the agent's IP; split at blanks, run without a shell. */
  readonly ipCommand: string
  /**
   * Given where nobody asked for this command and it is only the default: where there is no such program, this is no DC/OS
   * node; this is called, and a plain Mesos agent is looked for at 127.0.0.1.
   */
  readonly onNoIpCommand?: (() => void) | undefined
  /** --agent-port, for the command's IP. */
  readonly port: number
  /** --agent-test-state-file and so on: files that stand for the replies; '' and undefined are none. */
  readonly testFiles?: Readonly<Partial<Record<AgentEndpoint, string | undefined>>> | undefined
}

const run = promisify(execFile)
const ipCommandTimeoutMs = 10_000
const looksLikeHost = /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/

/**
 * Asks the agent at its address, or reads the test files in place of its replies.
 *
 * The command runs once, at the first question that needs it: where all three test files are given, never.
 */
export function createAgentQuery({
  address,
  client,
  counters,
}: {
  address: AgentAddress
  client: AgentClient
  counters: Counters
}): AgentQuery {
  let baseUrl: Promise<string> | undefined
  return async (endpoint, signal) => {
    const file = address.testFiles?.[endpoint]
    if (file) return readTestFile(file)
    baseUrl ??= agentUrl(address, counters)
    return client.get((await baseUrl) + agentPaths[endpoint], signal)
  }
}

/**
 * @returns such as `http://10.0.0.1:5051`, without a slash at the end
 * @throws StatsError with an exit code, naming the option
 */
export async function agentUrl(address: AgentAddress, counters: Counters): Promise<string> {
  if (address.url) return checkedUrl(address.url)
  counters.add('collector.agent_poll.ip_lookups')
  const ip = (await isMissing(address)) ? '127.0.0.1' : await askIp(address.ipCommand, counters)
  return `http://${isIPv6(ip) ? `[${ip}]` : ip}:${address.port}`
}

async function isMissing({ ipCommand, onNoIpCommand }: AgentAddress): Promise<boolean> {
  if (onNoIpCommand === undefined) return false
  try {
    await access(ipCommand)
    return false
  } catch {
    onNoIpCommand()
    return true
  }
}

function checkedUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') {
    return url.href.replace(/\/+$/, '')
  }
  throw new StatsError('DS_AGENT_URL', `--agent-url is "${given}"; it must be such as http://10.0.0.1:5051.`, {
    exitCode: ExitCode.config,
  })
}

async function askIp(command: string, counters: Counters): Promise<string> {
  const [file, ...args] = command.trim().split(/\s+/)
  if (!file) throw fatal('is empty', ExitCode.config)
  const output = await run(file, args, { timeout: ipCommandTimeoutMs, encoding: 'utf8' }).catch((cause) => {
    counters.add('collector.agent_poll.ip_lookup_failures')
    const cannotStart = ['ENOENT', 'EACCES', 'ENOEXEC'].includes(systemCodeOf(cause) ?? '')
    throw fatal(
      `(${command}) failed: ${oneLine(messageOf(cause))}`,
      cannotStart ? ExitCode.config : ExitCode.unavailable,
      cause,
    )
  })
  const ip = output.stdout.trim()
  if (ip === '') {
    counters.add('collector.agent_poll.ip_lookup_empties')
    throw fatal(`(${command}) printed nothing`, ExitCode.unavailable)
  }
  if (isIP(ip) !== 0 || looksLikeHost.test(ip)) return ip
  counters.add('collector.agent_poll.ip_lookup_failures')
  throw fatal(`(${command}) printed "${oneLine(ip).slice(0, 100)}", which is no address`, ExitCode.unavailable)
}

function fatal(what: string, exitCode: number, cause?: unknown): StatsError {
  const advice = 'It must print the IP of the local Mesos agent; or give --agent-url, or --agent-polling=false.'
  return new StatsError('DS_AGENT_IP', `--agent-ip-command ${what}. ${advice}`, { cause, exitCode })
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' | ')
}

async function readTestFile(file: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(file))
  } catch (cause) {
    throw new StatsError('DS_AGENT_FILE', `The agent test file ${file} cannot be read: ${messageOf(cause)}.`, { cause })
  }
}
