import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What a process has in memory, in MiB (Linux). */
export interface MemoryFigures {
  readonly residentMbytes: number
  /** Without the pages of files that it looks into: of a mapped file all that was read counts, until the system wants the room. */
  readonly ownMbytes: number
}

export function memoryOf(pid: number): MemoryFigures {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const figure = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024
  return { residentMbytes: figure('VmRSS'), ownMbytes: figure('RssAnon') }
}

/** Looks at a process ten times a second; `stop` tells the highest figures. */
export function watchMemory(pid: number): { stop(): MemoryFigures } {
  let highest = memoryOf(pid)
  const look = () => {
    const now = memoryOf(pid)
    highest = {
      residentMbytes: Math.max(highest.residentMbytes, now.residentMbytes),
      ownMbytes: Math.max(highest.ownMbytes, now.ownMbytes),
    }
  }
  const timer = setInterval(look, 100)
  return {
    stop() {
      clearInterval(timer)
      look()
      return highest
    },
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** What this process still uses of its memory. What is resident says when garbage was last collected, above all. */
export async function usedBytes(): Promise<number> {
  let used = Number.POSITIVE_INFINITY
  for (;;) {
    collectGarbage()
    const { heapUsed, external } = process.memoryUsage()
    // What has just been closed lets go of its memory turn by turn.
    if (heapUsed + external > used * 0.99) return heapUsed + external
    used = heapUsed + external
    await new Promise((resolve) => setImmediate(resolve))
  }
}
