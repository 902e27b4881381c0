import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from './ports.js'
import { type Program, programPath, startProgram } from './program.js'

/** A real InfluxDB 1.x. */
export interface Influxd {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Runs an InfluxQL statement; rows of the first result, with times in the wanted precision. */
  query(statement: string, options?: { db?: string; epoch?: 'ms' | 'ns'; credential?: string }): Promise<InfluxSeries[]>
  freeze(): void
  thaw(): void
  kill(): Promise<void>
  /** Starts it again on the same ports and data. */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface InfluxSeries {
  readonly name: string
  readonly tags?: Readonly<Record<string, string>>
  readonly columns: readonly string[]
  readonly values: readonly (readonly (string | number | null)[])[]
}

/** @param auth whether users and passwords are asked for; the first user can be made without */
export async function startInfluxd({ auth = false } = {}): Promise<Influxd> {
  const path = await programPath('influxd', 'influxdb')
  const folder = await mkdtemp(join(tmpdir(), 'dcos-stats-influxd-'))
  const [port = 0, rpcPort = 0] = await freePorts(2)
  const config = join(folder, 'influx.conf')
  await writeFile(config, configuration(folder, port, rpcPort, auth))
  const url = `http://127.0.0.1:${port}`
  let running: Program | undefined

  const influxd: Influxd = {
    url,
    port,
    get pid() {
      return running?.pid ?? 0
    },
    async query(statement, { db = '', epoch = 'ms', credential } = {}) {
      const search = new URLSearchParams({ db, epoch, q: statement })
      const headers = credential === undefined ? {} : { Authorization: `Basic ${btoa(credential)}` }
      const response = await fetch(`${url}/query?${search}`, { method: 'POST', headers })
      const { results, error } = (await response.json()) as {
        results?: { series?: InfluxSeries[]; error?: string }[]
        error?: string
      }
      const fault = error ?? results?.[0]?.error
      if (fault !== undefined) throw new Error(`${statement}: ${fault}`)
      return results?.[0]?.series ?? []
    },
    freeze: () => process.kill(influxd.pid, 'SIGSTOP'),
    thaw: () => process.kill(influxd.pid, 'SIGCONT'),
    async kill() {
      await running?.end('SIGKILL')
    },
    async start() {
      running = await startProgram({
        path,
        args: ['-config', config],
        cwd: folder,
        logPath: join(folder, 'log'),
        isReady: async () => (await fetch(`${url}/ping`).catch(() => undefined))?.status === 204,
      })
    },
    async stop() {
      await running?.end('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
  await influxd.start()
  return influxd
}

function configuration(folder: string, port: number, rpcPort: number, auth: boolean): string {
  return `reporting-disabled = true
bind-address = "127.0.0.1:${rpcPort}"
[meta]
  dir = "${folder}/meta"
[data]
  dir = "${folder}/data"
  wal-dir = "${folder}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:${port}"
  auth-enabled = ${auth}
  log-enabled = false
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
`
}
