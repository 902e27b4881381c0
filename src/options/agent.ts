import { file, flag, group, milliseconds, port, seconds, text, url } from './option.js'

/** How the Mesos agent of this node is found and asked. */
export const agentOptions = group('Mesos agent', {
  'agent-polling': flag({ default: true, help: 'Ask the Mesos agent of this node.' }),
  'agent-url': url({
    defaultText: 'from --agent-ip-command and --agent-port',
    help: 'Address of the agent, such as http://10.0.0.5:5051.',
  }),
  'agent-ip-command': text({
    default: '/opt/mesosphere/bin/detect_ip',
    placeholder: 'COMMAND',
    help: "Command that prints the agent's address; run where there is no --agent-url.",
  }),
  'agent-port': port({ default: 5051, help: "The agent's port, with --agent-ip-command." }),
  'agent-poll-period': seconds({ default: 15, help: 'Time between two polls; the first is at start.' }),
  'agent-timeout-ms': milliseconds({ default: 10_000, help: 'How long the agent may take for one answer.' }),
  'auth-credential': text({
    secret: true,
    help: 'Sent to the agent as `Authorization: token=...`; empty for none. A 401 ends the process.',
  }),
  'agent-test-state-file': file({ help: 'For tests: read in place of /state.' }),
  'agent-test-containers-file': file({ help: 'For tests: read in place of /containers.' }),
})

/** What the collector has besides: it sends on what the agent says. */
export const agentMetricsOptions = group('Mesos agent', {
  'agent-metrics-topic': text({ default: 'agent', help: "Topic of the agent's own metrics, before the prefix." }),
  'agent-test-system-file': file({ help: 'For tests: read in place of /metrics/snapshot.' }),
})
