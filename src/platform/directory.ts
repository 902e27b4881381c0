import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCodeOf } from './errors.js'

/**
 * Makes a directory and those above it where they are missing; one that is there is no error.
 * In place of mkdir's own `recursive`, which tries for ever (Node 20 to 24) where a file system such as /proc answers
 * ENOENT although the folder above is there.
 *
 * @throws the system's error: ENOENT, EACCES, EROFS, ENOSPC; EEXIST where a file is in the way
 */
export async function makeDirectory(path: string): Promise<void> {
  if (await isDirectory(path)) return
  const parent = dirname(path)
  if (parent !== path) await makeDirectory(parent)
  try {
    await mkdir(path)
  } catch (error) {
    // Another process was faster.
    if (systemCodeOf(error) !== 'EEXIST' || !(await isDirectory(path))) throw error
  }
}

function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
