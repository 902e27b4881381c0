import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCodeOf } from './errors.js'

/** LMDB's own mark, behind the head that the lmdb package gives its pages; in the byte order of the machine, as all of the file. */
const magic = 0xbeefc0de
const magicOffset = 24

/**
 * Looks whether what LMDB would open is a database, because it ends the process where it is something else. A missing or an empty
 * file is one to be made.
 *
 * @param dir where data.mdb lies
 * @throws Error that says what it is
 */
export async function requireLmdbFile(dir: string): Promise<void> {
  const path = join(dir, 'data.mdb')
  const head = Buffer.alloc(magicOffset + 4)
  const bytesRead = await readHead(path, head)
  if (bytesRead === 0) return
  const isOurs = head.readUInt32LE(magicOffset) === magic || head.readUInt32BE(magicOffset) === magic
  if (bytesRead < head.length || !isOurs) throw new Error(`${path} is damaged, or no database: move it away`)
}

async function readHead(path: string, head: Buffer): Promise<number> {
  try {
    const file = await open(path, 'r')
    try {
      return (await file.read(head, 0, head.length, 0)).bytesRead
    } finally {
      await file.close()
    }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return 0
    throw error
  }
}
