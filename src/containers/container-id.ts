import { StatsError } from '../platform/errors.js'

// NAME_MAX of every file system that Linux and macOS use.
const maxNameBytes = 255

/**
 * The name of a container's file: its id without slashes, as the first DC/OS releases wrote it (R29), without suffix.
 *
 * @returns undefined for an id that cannot be a file name, or would leave the folder: empty, `.`, `..`, with
 *   control characters, not valid Unicode, or longer than 255 bytes
 */
export function stateFileName(containerId: string): string | undefined {
  const name = containerId.replaceAll('/', '')
  const bytes = Buffer.from(name)
  if (name === '' || name === '.' || name === '..' || bytes.length > maxNameBytes) return undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(name) || bytes.toString() !== name) return undefined
  return name
}

/** @throws StatsError `DS_CONTAINER_ID` for an id that has no file name */
export function checkContainerId(containerId: string): void {
  if (stateFileName(containerId) !== undefined) return
  const shown = JSON.stringify(containerId.slice(0, 80))
  throw new StatsError(
    'DS_CONTAINER_ID',
    `${shown} cannot be a container id: expected 1 to 255 bytes of UTF-8 without control characters, not "." or ".."`,
  )
}
