import { once } from 'node:events'
import { connect } from 'node:net'
import { type Program, startProgram } from './program.js'

/** A built `statsd-proxy` that runs as a process. */
export interface ProxyProcess extends Program {
  /** What the isolator API answers on; `host:port` or a path. */
  isolator(): Promise<string>
  /** Resolves when the endpoint is there. */
  announce(containerId: string): Promise<{ readonly host: string; readonly port: number }>
}

/** Starts the proxy with the flags that every test wants: no agent, an isolator API at any port, quick chunks. */
export function startProxy(
  cli: string,
  {
    stateDir,
    collectorPort,
    listen = ['--listen-host', '127.0.0.1'],
    more = [],
  }: { stateDir: string; collectorPort: number; listen?: readonly string[]; more?: readonly string[] },
): ProxyProcess {
  const program = startProgram(cli, [
    'statsd-proxy',
    ...['--state-path-dir', stateDir, '--output-collector-port', String(collectorPort)],
    ...[...listen, '--isolator-listen', '127.0.0.1:0', '--agent-polling=false'],
    ...['--output-collector-chunk-timeout-seconds', '0.05', '--container-limit-amount-kbytes', '10000000'],
    ...more,
  ])
  const isolator = async () => {
    const line = await program.logWhere(({ msg }) => msg === 'the isolator module can announce containers here')
    return String(line.address)
  }
  return { ...program, isolator, announce: async (containerId) => announce(await isolator(), containerId) }
}

/** Announces a container as the isolator module does: one connection, which the server closes. */
export async function announce(isolator: string, containerId: string): Promise<{ host: string; port: number }> {
  const body = JSON.stringify({ container_id: containerId })
  const answer = await askIsolator(
    isolator,
    `POST /container HTTP/1.1\r\nContent-Length: ${Buffer.byteLength(body)}\r\nHost: ${isolator.startsWith('unix:') ? '' : isolator}\r\n` +
      `Accept: application/json\r\nContent-Type: application/json\r\n\r\n${body}`,
  )
  const told = /^HTTP\/1\.1 201 [\s\S]*?\r\n\r\n(.*)$/.exec(answer)?.[1]
  if (told === undefined) throw new Error(`The isolator API answered ${answer}`)
  const { statsd_host: host, statsd_port: port } = JSON.parse(told) as { statsd_host: string; statsd_port: number }
  return { host, port }
}

/** Sends a request byte for byte and resolves with all that comes until the server closes. */
export async function askIsolator(isolator: string, request: string): Promise<string> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(isolator) ?? []
  const socket = isolator.startsWith('unix:') ? connect(isolator.slice(5)) : connect({ host, port: Number(port) })
  let answer = ''
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text
  })
  socket.write(request)
  await once(socket, 'close')
  return answer
}
