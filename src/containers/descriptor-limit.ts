import { readFile } from 'node:fs/promises'

/**
 * How many files this process may have open, which is how many endpoints there can be, less a few dozen.
 *
 * @param limitsPath Linux's list of a process's limits
 * @returns undefined where the system does not tell
 */
export async function readDescriptorLimit(limitsPath = '/proc/self/limits'): Promise<number | undefined> {
  const text = await readFile(limitsPath, 'utf8').catch(() => '')
  const soft = /^Max open files\s+(\d+|unlimited)\s/m.exec(text)?.[1]
  if (soft === undefined) return undefined
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}
