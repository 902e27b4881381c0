import { getHeapStatistics } from 'node:v8'

/** A process's figures under the names of the first releases' emitters (R108, R109), so that old dashboards work. */
export interface MemoryFigures {
  readonly alloc: number
  readonly total_alloc: number
  readonly sys: number
  readonly lookups: number
  readonly mallocs: number
  readonly frees: number
}

/**
 * Bytes, by the nearest that this runtime knows to the names' old meaning: alloc = heap in use, total_alloc = heap
 * reserved, sys = resident memory, mallocs = memory outside of the heap in use, frees = its peak less that;
 * lookups was 0 there, too.
 */
export function readMemoryFigures(): MemoryFigures {
  const { heapUsed, heapTotal, rss } = process.memoryUsage()
  const { malloced_memory: malloced, peak_malloced_memory: peak } = getHeapStatistics()
  return { alloc: heapUsed, total_alloc: heapTotal, sys: rss, lookups: 0, mallocs: malloced, frees: peak - malloced }
}
