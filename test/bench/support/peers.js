import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { core, startProcess } from './processes.js'
import { isUdpPortBound } from './usage.js'

/**
 * Other StatsD servers, each set up to read and add up, and to send to nowhere: their reading is compared with ours, and a
 * backend would only slow them down. A proxy adds a tag and sends on to a socket that throws everything away.
 */
const peers = [
  {
    name: 'gostatsd',
    title: 'gostatsd',
    command: ({ udpPort }) => [
      '--metrics-addr',
      `127.0.0.1:${udpPort}`,
      '--backends',
      'null',
      '--flush-interval',
      '10s',
    ],
  },
  {
    name: 'statsd_exporter',
    title: 'statsd_exporter',
    command: ({ udpPort, tcpPort }) => [
      `--statsd.listen-udp=127.0.0.1:${udpPort}`,
      '--statsd.listen-tcp=',
      `--web.listen-address=127.0.0.1:${tcpPort}`,
      '--statsd.read-buffer=4194304',
    ],
  },
  {
    name: 'telegraf',
    title: 'telegraf',
    command: ({ udpPort, dir }) => ['--quiet', '--config', telegrafConfig(dir, udpPort)],
  },
  {
    name: 'statsdproxy',
    title: 'statsdproxy (Rust)',
    command: ({ udpPort, upstreamPort, dir }) => [
      ...['--listen', `127.0.0.1:${udpPort}`, '--upstream', `127.0.0.1:${upstreamPort}`],
      ...['--config-path', statsdproxyConfig(dir)],
    ],
  },
  {
    name: 'statsd',
    title: 'etsy statsd (Node)',
    command: ({ udpPort, tcpPort, dir }) => [etsyConfig(dir, udpPort, tcpPort)],
  },
]

/** Those that are on the PATH, started on the core of who is measured; the bench tells which were not. */
export async function startPeers(bench) {
  const started = []
  const upstreamPort = await bindDiscarding()
  for (const { name, title, command } of peers) {
    const path = onPath(name)
    bench.tellPeer(title, path !== undefined)
    if (path === undefined) continue
    const dir = join(bench.dir, name)
    mkdirSync(dir, { recursive: true })
    const [udpPort, tcpPort] = [await freeUdpPort(), await freeTcpPort()]
    const args = command({ udpPort, tcpPort, upstreamPort, dir })
    const peer = startProcess([path, ...args], { core: core.measured, stdio: 'ignore', cwd: dir })
    await untilBound(peer, title, udpPort)
    started.push({ name: title, port: udpPort, pid: peer.pid, end: () => peer.end('SIGKILL') })
  }
  return started
}

function onPath(name) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

async function untilBound(peer, title, port) {
  const deadline = performance.now() + 10_000
  while (!isUdpPortBound(port)) {
    if (performance.now() > deadline || peer.child.exitCode !== null)
      throw new Error(`${title} did not listen on UDP port ${port}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** @returns the port of a socket of which nobody wants to know anything */
async function bindDiscarding() {
  const socket = createSocket('udp4').unref()
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket.address().port
}

async function freeUdpPort() {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  await new Promise((resolve) => socket.close(resolve))
  return port
}

async function freeTcpPort() {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

function telegrafConfig(dir, udpPort) {
  const path = join(dir, 'telegraf.conf')
  const lines = [
    ...['[agent]', 'interval = "10s"', 'flush_interval = "10s"', 'omit_hostname = true'],
    ...['[[inputs.statsd]]', `service_address = "127.0.0.1:${udpPort}"`, 'datadog_extensions = true'],
    ...['read_buffer_size = 4194304', 'allowed_pending_messages = 100000', '[[outputs.discard]]'],
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

function statsdproxyConfig(dir) {
  const path = join(dir, 'statsdproxy.yaml')
  writeFileSync(path, 'middlewares:\n  - type: add-tag\n    tags: ["framework_id:bench-framework-0001"]\n')
  return path
}

function etsyConfig(dir, udpPort, tcpPort) {
  const path = join(dir, 'statsd.config.js')
  const config = { port: udpPort, address: '127.0.0.1', mgmt_address: '127.0.0.1', mgmt_port: tcpPort, backends: [] }
  writeFileSync(path, JSON.stringify(config))
  return path
}
