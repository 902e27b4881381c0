import { randomUUID } from 'node:crypto'
import { access, constants, link, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../platform/directory.js'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'

/** What every process must know before it opens a bus directory; never changed once written. */
export interface BusFormat {
  readonly version: number
  /** Partitions of every topic. */
  readonly partitions: number
}

const formatFile = 'dcos-stats-bus.json'
const formatName = 'dcos-stats embedded bus'
/** 1 had the messages in the database itself, 2 no number of the segment with each; neither was ever released. */
const newestVersion = 3

/** Enough for the members of a group to share, few enough that an idle topic costs next to nothing. */
const partitionsOfNewBus = 8

/**
 * Makes `dir` a bus directory where it is missing or empty, and tells its format. Several processes may do so at once: all
 * get the same answer.
 *
 * @throws StatsError with exit code 78: DS_BUS_FOREIGN (holds something else), DS_BUS_NEWER or DS_BUS_OLDER (made by another version),
 *   DS_BUS_UNWRITABLE (no permission, read-only, not a directory); without one: DS_BUS_FULL
 */
export async function prepareBusDir(dir: string): Promise<BusFormat> {
  try {
    await makeDirectory(dir)
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK)
    return (await readFormat(dir)) ?? (await createFormat(dir))
  } catch (error) {
    throw error instanceof StatsError ? error : unwritable(dir, error)
  }
}

/** No room: may be tried again, so it has no exit code. */
export function busFull(dir: string, cause: unknown): StatsError {
  return new StatsError(
    'DS_BUS_FULL',
    `The embedded bus has no room left in ${dir} (${messageOf(cause)}). Nothing published is lost; make room there, or keep less with --bus-retention-mbytes.`,
    { cause },
  )
}

/** The error for a directory or file of the bus that this process may not use. */
export function unwritable(dir: string, cause: unknown): StatsError {
  if (isFullCode((cause as { code?: unknown } | null)?.code)) return busFull(dir, cause)
  return new StatsError(
    'DS_BUS_UNWRITABLE',
    `The embedded bus cannot use ${dir}: ${messageOf(cause)}. Give this user the right to write there, or choose another directory with --bus-dir.`,
    { cause, exitCode: ExitCode.config },
  )
}

/** The error for a file of the bus that is no database: LMDB would end the process. */
export function damaged(dir: string, cause: unknown): StatsError {
  if (systemCodeOf(cause) !== undefined) return unwritable(dir, cause)
  return new StatsError(
    'DS_BUS_DAMAGED',
    `The embedded bus cannot use ${dir}: ${messageOf(cause)}, with all that is in that directory, or choose another directory with --bus-dir.`,
    { cause, exitCode: ExitCode.config },
  )
}

/** Of Node or of LMDB: no space, quota used up, file size limit, MDB_MAP_FULL. */
export function isFullCode(code: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG', 28, 122, 27, -30792].some((full) => full === code)
}

async function createFormat(dir: string): Promise<BusFormat> {
  await refuseForeign(dir)
  const draft = join(dir, `${formatFile}.${randomUUID()}`)
  const format = { format: formatName, version: newestVersion, partitions: partitionsOfNewBus }
  await writeFile(draft, `${JSON.stringify(format)}\n`, { flag: 'wx', flush: true })
  try {
    // Unlike a rename, a link does not replace what another process has put there in the meantime.
    await link(draft, join(dir, formatFile))
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(draft, { force: true })
  }
  const written = await readFormat(dir)
  if (written === undefined) throw foreign(dir, `its ${formatFile} was removed at once`)
  return written
}

// A new file system's own folder is no sign of a stranger, nor are the drafts of another process.
async function refuseForeign(dir: string): Promise<void> {
  const names = await readdir(dir)
  const strangers = names.filter((name) => !name.startsWith(formatFile) && name !== 'lost+found')
  // Another process may have made the directory ours since the format was looked for.
  if (strangers.length === 0 || names.includes(formatFile)) return
  throw foreign(dir, `it holds ${strangers.slice(0, 3).join(', ')}`)
}

async function readFormat(dir: string): Promise<BusFormat | undefined> {
  let text: string
  try {
    text = await readFile(join(dir, formatFile), 'utf8')
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined
    throw error
  }
  const { format, version, partitions } = parseFormat(dir, text)
  if (format !== formatName) throw foreign(dir, `its ${formatFile} is of something else`)
  if (typeof version === 'number' && version > newestVersion) throw newer(dir, version)
  if (typeof version === 'number' && version < newestVersion) throw older(dir, version)
  if (typeof version !== 'number' || typeof partitions !== 'number' || !(partitions >= 1 && partitions <= 0xffff)) {
    throw foreign(dir, `its ${formatFile} lacks version or partitions`)
  }
  return { version, partitions }
}

function parseFormat(dir: string, text: string): { format?: unknown; version?: unknown; partitions?: unknown } {
  try {
    return JSON.parse(text) ?? {}
  } catch (cause) {
    throw foreign(dir, `its ${formatFile} is not JSON`, cause)
  }
}

function foreign(dir: string, what: string, cause?: unknown): StatsError {
  return new StatsError(
    'DS_BUS_FOREIGN',
    `${dir} is not a directory of the embedded bus: ${what}. Give an empty or a new directory with --bus-dir.`,
    { cause, exitCode: ExitCode.config },
  )
}

function newer(dir: string, version: number): StatsError {
  return new StatsError(
    'DS_BUS_NEWER',
    `${dir} was made by a newer dcos-stats (bus format ${version}, this one knows ${newestVersion}). Upgrade, or give another directory with --bus-dir.`,
    { exitCode: ExitCode.config },
  )
}

function older(dir: string, version: number): StatsError {
  return new StatsError(
    'DS_BUS_OLDER',
    `${dir} was made by a dcos-stats before its first release (bus format ${version}, this one knows ${newestVersion}). Move it away, or give another directory with --bus-dir.`,
    { exitCode: ExitCode.config },
  )
}
