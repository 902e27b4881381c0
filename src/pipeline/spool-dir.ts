import { access, constants, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../platform/directory.js'
import { ExitCode, messageOf, StatsError, systemCodeOf } from '../platform/errors.js'

const formatFile = 'dcos-stats-spool.json'
const formatName = 'dcos-stats spool'
const newestVersion = 1

/**
 * Makes `dir` a spool where it is missing or empty.
 *
 * @throws StatsError with exit code 78: DS_SPOOL_FOREIGN (holds something else), DS_SPOOL_NEWER (made by a newer program),
 *   DS_SPOOL_UNUSABLE (no permission, no room, read-only, not a directory)
 */
export async function prepareSpoolDir(dir: string): Promise<void> {
  try {
    await makeDirectory(dir)
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK)
    const format = await readFile(join(dir, formatFile), 'utf8').catch(undefinedWhereMissing)
    if (format === undefined) await createFormat(dir)
    else checkFormat(dir, format)
  } catch (error) {
    throw error instanceof StatsError ? error : unusable(dir, error)
  }
}

/** The error for a spool that this process cannot use; it names the option. */
export function unusable(dir: string, cause: unknown): StatsError {
  const message = `The spool cannot use ${dir}: ${messageOf(cause)}. Make it usable, or choose another directory with --spool-dir.`
  return new StatsError('DS_SPOOL_UNUSABLE', message, { cause, exitCode: ExitCode.config })
}

async function createFormat(dir: string): Promise<void> {
  // A new file system's own folder is no sign of a stranger.
  const strangers = (await readdir(dir)).filter((name) => !name.startsWith(formatFile) && name !== 'lost+found')
  if (strangers.length > 0) throw foreign(dir, `it holds ${strangers.slice(0, 3).join(', ')}`)
  const draft = join(dir, `${formatFile}.${process.pid}`)
  await writeFile(draft, `${JSON.stringify({ format: formatName, version: newestVersion })}\n`, { flush: true })
  await rename(draft, join(dir, formatFile))
}

function checkFormat(dir: string, text: string): void {
  const { format, version } = parse(text)
  if (format !== formatName || typeof version !== 'number') throw foreign(dir, `its ${formatFile} is of something else`)
  if (version <= newestVersion) return
  const message = `${dir} was made by a newer dcos-stats (spool format ${version}, this one knows ${newestVersion}).`
  const advice = 'Upgrade, or give another directory with --spool-dir.'
  throw new StatsError('DS_SPOOL_NEWER', `${message} ${advice}`, { exitCode: ExitCode.config })
}

function parse(text: string): { format?: unknown; version?: unknown } {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

function foreign(dir: string, what: string): StatsError {
  const message = `${dir} is no spool: ${what}. Give an empty or a new directory with --spool-dir.`
  return new StatsError('DS_SPOOL_FOREIGN', message, { exitCode: ExitCode.config })
}

function undefinedWhereMissing(error: unknown): undefined {
  if (systemCodeOf(error) !== 'ENOENT') throw error
}
