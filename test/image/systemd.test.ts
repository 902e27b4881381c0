import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePorts } from '../services/support/ports.js'
import { type Docker, openDocker } from './support/docker.js'

const run = promisify(execFile)
const project = fileURLToPath(new URL('../..', import.meta.url))
const image = `dcos-stats-systemd-test:${process.pid}`

let docker: Docker
let dir: string
let machine: string

/** Debian with systemd as its first process, the package installed and the units copied as deploy/systemd/README.md says. */
beforeAll(async () => {
  docker = await openDocker()
  dir = await mkdtemp(join(tmpdir(), 'dcos-stats-systemd-'))
  await run('npm', ['pack', '--pack-destination', dir], { cwd: project })
  await run('cp', ['-r', join(project, 'deploy', 'systemd'), dir])
  const [tarball] = (await readdir(dir)).filter((name) => name.endsWith('.tgz'))
  await writeFile(
    join(dir, 'Dockerfile'),
    `FROM ${docker.base}
USER root
RUN apt-get update && apt-get install -y --no-install-recommends systemd systemd-sysv procps curl
COPY . /source
WORKDIR /source
RUN npm install --global --prefix /opt/dcos-stats --omit=dev ./${tarball} \\
 && cp systemd/dcos-stats-*.service /etc/systemd/system/ \\
 && cp systemd/dcos-stats.sysusers.conf /usr/lib/sysusers.d/dcos-stats.conf \\
 && mkdir -p /etc/dcos-stats && cp systemd/etc/*.env /etc/dcos-stats/ \\
 && systemd-sysusers
CMD ["/sbin/init"]
`,
  )
  await docker.run('build', '--network', 'host', '-t', image, dir)
  // What systemd needs; without SYS_RESOURCE, since docker cannot give what it may not have itself.
  const rights = ['--cap-add', 'ALL', '--cap-drop', 'SYS_RESOURCE', '--security-opt', 'seccomp=unconfined']
  const mounts = ['--tmpfs', '/run', '--tmpfs', '/run/lock', '-v', '/sys/fs/cgroup:/sys/fs/cgroup:rw']
  const place = ['--cgroupns', 'host', '--network', 'host']
  machine = (await docker.run('run', '-d', ...rights, ...mounts, ...place, image)).stdout.trim()
  await docker.until(
    () => shell('systemctl is-system-running || true'),
    (state) => /running|degraded/.test(state),
  )
}, 600_000)

afterAll(async () => {
  if (machine) await docker.run('rm', '-f', '-v', machine)
  await docker?.run('rmi', '-f', image).catch(() => {})
  await docker?.close()
  if (dir) await rm(dir, { recursive: true, force: true })
})

async function shell(script: string): Promise<string> {
  return (await docker.run('exec', machine, 'bash', '-c', script)).stdout
}

test('the hardened units run, a reload of the proxy loses nothing, and all stop as they should', async () => {
  const [avro, collectorAdmin, proxyAdmin] = await freePorts(3)
  await shell(`
    printf 'AGENT_POLLING=false\\nOUTPUT_COLLECTOR_PORT=${avro}\\nADMIN_LISTEN=127.0.0.1:${proxyAdmin}\\nOUTPUT_COLLECTOR_CHUNK_TIMEOUT_SECONDS=0.2\\n' > /etc/dcos-stats/statsd-proxy.env
    printf 'AGENT_POLLING=false\\nBUS=embedded\\nLISTEN_ENDPOINT=127.0.0.1:${avro}\\nADMIN_LISTEN=127.0.0.1:${collectorAdmin}\\nKAFKA_PRODUCE_PERIOD_MS=200\\n' > /etc/dcos-stats/collector.env
    printf 'BUS=embedded\\nKAFKA_TOPIC_POLL_PERIOD_MS=300\\n' > /etc/dcos-stats/consume-stdout.env
    systemctl daemon-reload
    systemctl start dcos-stats-collector dcos-stats-statsd-proxy dcos-stats-consume@stdout`)
  const socket = '/run/dcos-stats/isolator.sock'
  await docker.until(
    () => shell(`test -S ${socket} && echo there || true`),
    (text) => text.includes('there'),
  )
  const announced = await shell(
    `curl -s --unix-socket ${socket} -X POST -d '{"container_id":"c-1"}' http://localhost/container`,
  )
  const { statsd_port: port } = JSON.parse(announced) as { statsd_port: number }
  const send = (name: string) => shell(`for i in 1 2 3; do echo "${name}:$i|c" > /dev/udp/127.0.0.1/${port}; done`)
  const arrived = (name: string) =>
    docker.until(
      async () => (await shell('journalctl -u dcos-stats-consume@stdout -o cat')).split(`"name":"${name}"`).length - 1,
      (count) => count === 3,
    )
  await send('before')
  await arrived('before')
  await shell('systemctl reload dcos-stats-statsd-proxy')
  // While one process hands over to the other, the socket stays open.
  await send('meanwhile')
  await docker.until(
    () => shell('pgrep -fc "dcos-stats statsd-proxy"'),
    (count) => Number(count) === 2,
  )
  await send('after')
  await arrived('meanwhile')
  await arrived('after')

  const units = 'dcos-stats-statsd-proxy dcos-stats-collector dcos-stats-consume@stdout'
  await shell(`systemctl stop ${units}`)
  const shown = await shell(`systemctl show -p Result,ExecMainStatus,ActiveState ${units}`)
  expect(shown.match(/^\w+=\w+$/gm)).toEqual(
    [1, 2, 3].flatMap(() => ['Result=success', 'ExecMainStatus=0', 'ActiveState=inactive']),
  )
  expect(await shell('journalctl -u dcos-stats-statsd-proxy -o cat | grep -c "ledger at exit"')).toBe('2\n')
})

test('a wrong configuration is told and not tried again', async () => {
  await shell('echo LISTEN_PORT_MODE=nonsense > /etc/dcos-stats/statsd-proxy.env')
  await shell('systemctl restart dcos-stats-statsd-proxy || true')
  await docker.until(
    () => shell('systemctl show -p ActiveState,ExecMainStatus dcos-stats-statsd-proxy'),
    (shown) => shown.includes('ExecMainStatus=78') && shown.includes('ActiveState=failed'),
  )
  expect(await shell('journalctl -u dcos-stats-statsd-proxy -o cat')).toContain('LISTEN_PORT_MODE')
})
