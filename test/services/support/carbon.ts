import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { accepts, freePorts } from './ports.js'
import { type Program, programPath, startProgram } from './program.js'

/** A real carbon-cache with whisper files, one value a second. */
export interface Carbon {
  readonly linePort: number
  /** The same number, by UDP. */
  readonly udpPort: number
  readonly picklePort: number
  readonly pid: number
  /** Paths that have a file, with dots; of tagged series the `name;key=value` they were stored under. */
  paths(): Promise<string[]>
  /** The values of a path by second, without those that are not there. */
  values(path: string, fromSeconds: number, untilSeconds: number): Promise<Map<number, number>>
  /** As `values`, as soon as there are `count` of them. */
  valuesWhen(count: number, path: string, fromSeconds: number, untilSeconds: number): Promise<Map<number, number>>
  /** What carbon wrote on its log about lines it did not take. */
  complaints(): Promise<string[]>
  /** SIGSTOP and SIGCONT: it hangs with its connections open. */
  freeze(): void
  thaw(): void
  kill(): Promise<void>
  /** Starts it again on the same ports and files. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** @param days how long values are kept: a file has twelve bytes for each second of it */
export async function startCarbon({ days = 1 } = {}): Promise<Carbon> {
  const program = await programPath('carbon-cache', 'graphite-carbon')
  const folder = await mkdtemp(join(tmpdir(), 'dcos-stats-carbon-'))
  const [linePort = 0, picklePort = 0, queryPort = 0] = await freePorts(3)
  await writeConfiguration(folder, { linePort, picklePort, queryPort, days })
  let running: Program | undefined

  const carbon: Carbon = {
    linePort,
    udpPort: linePort,
    picklePort,
    get pid() {
      return running?.pid ?? 0
    },
    paths: () => storedPaths(join(folder, 'storage', 'whisper')),
    async values(path, fromSeconds, untilSeconds) {
      const file = await fileOf(folder, path)
      if (file === undefined) return new Map()
      return new Map([...readWhisper(await readFile(file))].filter(([at]) => at >= fromSeconds && at <= untilSeconds))
    },
    async valuesWhen(count, path, fromSeconds, untilSeconds) {
      const endMs = performance.now() + 20_000
      for (;;) {
        const values = await carbon.values(path, fromSeconds, untilSeconds)
        if (values.size >= count) return values
        if (performance.now() > endMs) throw new Error(`${path} has ${values.size} values, expected ${count}`)
        await sleep(100)
      }
    },
    async complaints() {
      const text = await readFile(join(folder, 'log', 'stdout'), 'utf8')
      return text.split('\n').filter((line) => /invalid|error|exception/i.test(line) && !line.includes('[creates]'))
    },
    freeze: () => process.kill(carbon.pid, 'SIGSTOP'),
    thaw: () => process.kill(carbon.pid, 'SIGCONT'),
    async kill() {
      await running?.end('SIGKILL')
    },
    async start() {
      await rm(join(folder, 'run', 'carbon.pid'), { force: true })
      running = await startProgram({
        path: program,
        args: [
          '--nodaemon',
          `--config=${join(folder, 'conf', 'carbon.conf')}`,
          `--pidfile=${join(folder, 'run', 'carbon.pid')}`,
          'start',
        ],
        cwd: folder,
        logPath: join(folder, 'log', 'stdout'),
        isReady: async () => (await accepts(linePort)) && (await accepts(picklePort)),
      })
    },
    async stop() {
      await running?.end('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
  await carbon.start()
  return carbon
}

async function writeConfiguration(
  folder: string,
  { linePort, picklePort, queryPort, days }: Record<'linePort' | 'picklePort' | 'queryPort' | 'days', number>,
): Promise<void> {
  for (const name of ['conf', 'storage', 'log', 'run']) await mkdir(join(folder, name))
  const settings = {
    STORAGE_DIR: join(folder, 'storage/'),
    LOCAL_DATA_DIR: join(folder, 'storage/whisper/'),
    CONF_DIR: join(folder, 'conf/'),
    LOG_DIR: join(folder, 'log/'),
    PID_DIR: join(folder, 'run/'),
    USER: '',
    LINE_RECEIVER_INTERFACE: '127.0.0.1',
    LINE_RECEIVER_PORT: linePort,
    ENABLE_UDP_LISTENER: 'True',
    UDP_RECEIVER_INTERFACE: '127.0.0.1',
    UDP_RECEIVER_PORT: linePort,
    PICKLE_RECEIVER_INTERFACE: '127.0.0.1',
    PICKLE_RECEIVER_PORT: picklePort,
    CACHE_QUERY_INTERFACE: '127.0.0.1',
    CACHE_QUERY_PORT: queryPort,
    MAX_CACHE_SIZE: 'inf',
    MAX_UPDATES_PER_SECOND: 'inf',
    MAX_CREATES_PER_MINUTE: 'inf',
    LOG_UPDATES: 'False',
    ENABLE_LOGROTATION: 'False',
    // Tags are registered with graphite-web, which does not run here; carbon stores tagged series all the same.
    ENABLE_TAGS: 'False',
    TAG_HASH_FILENAMES: 'False',
  }
  const rows = Object.entries(settings).map(([key, value]) => `${key} = ${value}`)
  await writeFile(join(folder, 'conf', 'carbon.conf'), `[cache]\n${rows.join('\n')}\n`)
  await writeFile(join(folder, 'conf', 'storage-schemas.conf'), `[default]\npattern = .*\nretentions = 1s:${days}d\n`)
  await writeFile(
    join(folder, 'conf', 'storage-aggregation.conf'),
    '[default]\npattern = .*\nxFilesFactor = 0\naggregationMethod = average\n',
  )
}

async function storedPaths(whisper: string): Promise<string[]> {
  const files = await readdir(whisper, { recursive: true }).catch(() => [])
  return files.filter((file) => file.endsWith('.wsp')).map(pathOfFile)
}

function pathOfFile(file: string): string {
  const path = file.slice(0, -'.wsp'.length)
  const tagged = /^_tagged\/...\/...\/(.*)$/s.exec(path)?.[1]
  return tagged === undefined ? path.replaceAll('/', '.') : tagged.replaceAll('_DOT_', '.')
}

async function fileOf(folder: string, path: string): Promise<string | undefined> {
  const whisper = join(folder, 'storage', 'whisper')
  const files = await readdir(whisper, { recursive: true }).catch(() => [])
  const file = files.find((name) => name.endsWith('.wsp') && pathOfFile(name) === path)
  return file === undefined ? undefined : join(whisper, file)
}

const whisperHeadBytes = 28

/**
 * The values of a whisper file with one archive, by second.
 *
 * @see whisper.py: four words of metadata, then offset, seconds a point and number of points; a point is seconds and a double
 */
function readWhisper(file: Buffer): Map<number, number> {
  // carbon writes a new file piece by piece: one that is not whole yet has no values.
  if (file.length < whisperHeadBytes) return new Map()
  const start = file.readUInt32BE(16)
  const end = start + file.readUInt32BE(24) * 12
  if (file.length < end) return new Map()
  const values: [number, number][] = []
  for (let at = start; at < end; at += 12) {
    const seconds = file.readUInt32BE(at)
    if (seconds !== 0) values.push([seconds, file.readDoubleBE(at + 4)])
  }
  return new Map(values.sort(([left], [right]) => left - right))
}
