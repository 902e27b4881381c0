import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { IncomingMessage } from '../bus/bus.js'
import { makeDirectory } from '../platform/directory.js'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import type { Counters } from '../telemetry/counters.js'
import type { Log } from '../telemetry/log.js'

/** Messages that nobody could decode, one file each with exactly their bytes: `<topic>-<partition>-<offset>.avro`. */
export interface DeadLetters {
  /** Makes the directory and looks what is there. @throws StatsError DS_DEAD_LETTER_DIR with exit code 78 */
  open(): Promise<void>
  /** @returns the path of the file; undefined where it could not be kept, which is counted and told */
  keep(message: IncomingMessage): Promise<string | undefined>
}

interface Letter {
  readonly name: string
  readonly bytes: number
}

/** Only what looks like a letter is ever removed. */
const letterName = /-\d+-\d+\.avro$/

export function createDeadLetters({
  dir,
  limitMbytes,
  log,
  counters,
}: {
  dir: string
  limitMbytes: number
  log: Log
  counters: Counters
}): DeadLetters {
  const limitBytes = limitMbytes * 1024 * 1024
  /** Oldest first. */
  const letters = new Map<string, Letter>()
  let keptBytes = 0

  return {
    async open() {
      try {
        await makeDirectory(dir)
        for (const letter of await readLetters(dir)) add(letter)
      } catch (cause) {
        throw new StatsError(
          'DS_DEAD_LETTER_DIR',
          `Cannot use ${dir} for messages that cannot be decoded: ${messageOf(cause)}. Check --dead-letter-dir.`,
          { cause, exitCode: ExitCode.config },
        )
      }
    },
    async keep({ topic, partition, offset, bytes }) {
      const name = `${topic}-${partition}-${offset}.avro`
      try {
        // The same message again, after a restart: its letter is written anew.
        forget(name)
        await makeRoom(bytes.length)
        const path = join(dir, name)
        await writeFile(`${path}.part`, bytes)
        await rename(`${path}.part`, path)
        add({ name, bytes: bytes.length })
        counters.add('consume.dead_letters_kept')
        return path
      } catch (error) {
        counters.add('consume.dead_letters_not_kept')
        log.error({ dir, name, cause: messageOf(error) }, 'a message that cannot be decoded could not be kept')
        return undefined
      }
    },
  }

  async function makeRoom(bytes: number): Promise<void> {
    if (bytes > limitBytes) throw new Error(`${bytes} bytes are more than --dead-letter-limit-mbytes allows`)
    for (const { name } of [...letters.values()]) {
      if (keptBytes + bytes <= limitBytes) return
      await rm(join(dir, name), { force: true })
      forget(name)
      counters.add('consume.dead_letters_removed')
    }
  }

  function add(letter: Letter): void {
    letters.set(letter.name, letter)
    keptBytes += letter.bytes
  }

  function forget(name: string): void {
    keptBytes -= letters.get(name)?.bytes ?? 0
    letters.delete(name)
  }
}

async function readLetters(dir: string): Promise<Letter[]> {
  const names = (await readdir(dir)).filter((name) => letterName.test(name))
  const found = await Promise.all(
    names.map(async (name) => {
      const { size, mtimeMs } = await stat(join(dir, name))
      return { name, bytes: size, mtimeMs }
    }),
  )
  return found.sort((a, b) => a.mtimeMs - b.mtimeMs)
}
