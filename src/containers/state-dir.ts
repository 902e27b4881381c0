import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../platform/directory.js'
import { messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'
import { stateFileName } from './container-id.js'
import type { ContainerEndpoint } from './endpoint.js'

/**
 * Which container has which endpoint, kept on disk, so that a restarted proxy binds the same ports again: the
 * Mesos agent does not announce living containers a second time.
 */
export interface StateDir {
  /** Every readable endpoint, in the order of the file names. What cannot be read is set aside, logged and counted. */
  load(): Promise<ContainerEndpoint[]>
  /** Resolves once the endpoint is on disk. Rejects where the disk refuses it. */
  save(endpoint: ContainerEndpoint): Promise<void>
  /** Forgets a container; one without a file is no error. */
  remove(containerId: string): Promise<void>
}

const maxFileBytes = 65_536
// A temporary file this old belongs to no process that is still writing it.
const abandonedAfterMs = 60_000

/**
 * Files under `<path>/containers`, one a container. They are written to `<path>/tmp`, synced, and renamed, so that a
 * file is whole or not there; what cannot be read goes to `<path>/set-aside`, so that it is neither lost nor read again.
 *
 * @param path --state-path-dir; its folders are made with the first container
 */
export function createStateDir({
  path,
  log,
  counters,
  nowMs = Date.now,
}: {
  path: string
  log: Log
  counters: Counters
  nowMs?: () => number
}): StateDir {
  const containersDir = join(path, 'containers')
  const temporaryDir = join(path, 'tmp')
  const asideDir = join(path, 'set-aside')
  /** Two ids may share a file name (`a/b`, `ab`): the first one has it. */
  const ownerOfName = new Map<string, string>()

  return {
    async load() {
      await removeAbandoned()
      const endpoints: ContainerEndpoint[] = []
      for (const name of await namesIn(containersDir)) {
        const endpoint = await read(name)
        if (endpoint === undefined) continue
        ownerOfName.set(name, endpoint.containerId)
        endpoints.push(endpoint)
      }
      return endpoints
    },

    async save({ containerId, host, port }) {
      const name = stateFileName(containerId)
      if (name === undefined) throw new StatsError('DS_CONTAINER_ID', `${quoted(containerId)} cannot be a file name`)
      const owner = ownerOfName.get(name)
      if (owner !== undefined && owner !== containerId) {
        throw new StatsError('DS_CONTAINER_ID', `its file name ${name} is already that of the container ${owner}`)
      }
      ownerOfName.set(name, containerId)
      await makeDirectory(containersDir)
      await makeDirectory(temporaryDir)
      const record = { container_id: containerId, statsd_host: host, statsd_port: port }
      await writeWhole(join(containersDir, name), `${JSON.stringify(record)}\n`)
    },

    async remove(containerId) {
      const name = stateFileName(containerId)
      if (name === undefined || ownerOfName.get(name) !== containerId) return
      await unlinkIfThere(join(containersDir, name))
      ownerOfName.delete(name)
    },
  }

  async function read(name: string): Promise<ContainerEndpoint | undefined> {
    try {
      const endpoint = parseRecord(await readSmallFile(join(containersDir, name)))
      if (stateFileName(endpoint.containerId) === name) return endpoint
      throw new Error(`it is the record of the container ${quoted(endpoint.containerId)}, which has another file name`)
    } catch (cause) {
      // Gone between listing and reading: another process removed it, and nothing is wrong.
      if (systemCodeOf(cause) !== 'ENOENT') await setAside(name, cause)
      return undefined
    }
  }

  async function setAside(name: string, cause: unknown): Promise<void> {
    counters.add('proxy.state_files_set_aside')
    const from = join(containersDir, name)
    const to = join(asideDir, `${nowMs()}-${name.slice(0, 64)}`)
    try {
      await makeDirectory(asideDir)
      await rename(from, to)
      log.error(
        { file: from, movedTo: to, cause: messageOf(cause) },
        'a state file could not be used and was set aside',
      )
    } catch (moveCause) {
      const fields = { file: from, cause: messageOf(cause), moveCause: messageOf(moveCause) }
      log.error(fields, 'a state file could not be used and could not be moved away; it is ignored')
    }
  }

  async function writeWhole(target: string, text: string): Promise<void> {
    const temporary = join(temporaryDir, `${process.pid}-${randomBytes(8).toString('hex')}`)
    try {
      const file = await open(temporary, 'wx', 0o644)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, target)
    } catch (cause) {
      await unlinkIfThere(temporary).catch(() => {})
      throw cause
    }
  }

  async function removeAbandoned(): Promise<void> {
    for (const name of await namesIn(temporaryDir)) {
      const file = join(temporaryDir, name)
      const abandoned = await stat(file).then(
        ({ mtimeMs }) => nowMs() - mtimeMs > abandonedAfterMs,
        () => false,
      )
      if (abandoned) await rm(file, { force: true, recursive: true }).catch(() => {})
    }
  }

  async function namesIn(folder: string): Promise<string[]> {
    try {
      return (await readdir(folder)).sort()
    } catch (cause) {
      // The folders come with the first container.
      if (systemCodeOf(cause) !== 'ENOENT') {
        log.error(
          { folder, cause: messageOf(cause) },
          'the state folder could not be read: containers from before this start are unknown; check --state-path-dir',
        )
      }
      return []
    }
  }
}

/** O_NONBLOCK: a named pipe in the folder must not stop the start. */
async function readSmallFile(path: string): Promise<string> {
  const file: FileHandle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const status = await file.stat()
    if (!status.isFile()) throw new Error('it is not a regular file')
    if (status.size > maxFileBytes) throw new Error(`it has ${status.size} bytes, more than ${maxFileBytes}`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function parseRecord(text: string): ContainerEndpoint {
  const record: unknown = JSON.parse(text)
  if (typeof record !== 'object' || record === null) throw new Error('it is not a JSON object')
  const { container_id: containerId, statsd_host: host, statsd_port: port } = record as Record<string, unknown>
  if (typeof containerId !== 'string') throw new Error('"container_id" is missing or not a string')
  if (typeof host !== 'string') throw new Error('"statsd_host" is missing or not a string')
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error('"statsd_port" is missing or not a port (1 to 65535)')
  }
  return { containerId, host, port }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (cause) {
    if (systemCodeOf(cause) !== 'ENOENT') throw cause
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)
}
