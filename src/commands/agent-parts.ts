import { createAgentQuery } from '../agent/agent-address.js'
import { createAgentClient } from '../agent/client.js'
import { type AgentPoller, createAgentPoller } from '../agent/poller.js'
import type { Source } from '../inputs/source.js'
import { agentOptions } from '../options/agent.js'
import type { Parsed } from '../options/option.js'
import type { Daemon } from './daemon.js'

/** The poller as the options want it; undefined with --agent-polling=false. */
export function createPollerOf(
  options: Parsed<typeof agentOptions>,
  daemon: Daemon,
  { snapshot, systemFile }: { snapshot: boolean; systemFile?: string | undefined },
): AgentPoller | undefined {
  if (!options.agentPolling) return undefined
  const { log, counters, clock, readiness, version } = daemon
  const client = createAgentClient({
    userAgent: `dcos-stats/${version}`,
    credential: options.authCredential,
    timeoutMs: options.agentTimeoutMs,
    clock,
  })
  const address = {
    url: options.agentUrl,
    ipCommand: options.agentIpCommand,
    onNoIpCommand: noIpCommand(options, daemon),
    port: options.agentPort,
    testFiles: {
      state: options.agentTestStateFile,
      snapshot: systemFile,
      containers: options.agentTestContainersFile,
    },
  }
  const query = createAgentQuery({ address, client, counters })
  const pollPeriodMs = options.agentPollPeriod * 1000
  return createAgentPoller({ query, log, counters, clock, pollPeriodMs, snapshot, readiness })
}

/** Without a word on where the agent is, a machine that is no DC/OS node must not end the daemon. */
function noIpCommand({ agentIpCommand, agentPort }: Parsed<typeof agentOptions>, { log }: Daemon) {
  if (agentIpCommand !== agentOptions['agent-ip-command'].default) return undefined
  return () => {
    const advice = 'give --agent-url, or --agent-polling=false'
    log.warn(`${agentIpCommand} is not there: looking for a Mesos agent at http://127.0.0.1:${agentPort} (${advice})`)
  }
}

/** Runs a poller beside other sources, for a daemon that wants the agent's state and not its metrics. */
export function pollingSource(poller: AgentPoller): Source {
  return { name: 'agent', run: (_emit, signal) => poller.run(signal) }
}
