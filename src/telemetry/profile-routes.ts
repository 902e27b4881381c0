import { StatsError } from '../platform/errors.js'
import { type Route, text } from './answer.js'
import type { Profiler } from './profiler.js'

const longestSeconds = 60
const usualSeconds = 10

/** What --http-profile adds to the admin server: `/profile/cpu?seconds=10` and `/profile/heap`, for Chrome's DevTools. */
export function profileRoutes({ cpu, heap }: Profiler): Readonly<Record<string, Route>> {
  return {
    '/profile/cpu': async (query, signal) => {
      const seconds = secondsOf(query.get('seconds'))
      if (seconds === undefined)
        return text(400, `Expected seconds from 1 to ${longestSeconds}: /profile/cpu?seconds=10.`)
      try {
        return profile(await cpu(seconds, signal), 'cpuprofile')
      } catch (cause) {
        if (cause instanceof StatsError && cause.code === 'DS_PROFILE_BUSY') return text(409, cause.message)
        throw cause
      }
    },
    '/profile/heap': async () => profile(await heap(), 'heapprofile'),
  }
}

function secondsOf(given: string | null): number | undefined {
  if (given === null) return usualSeconds
  const seconds = Number(given)
  return seconds >= 1 && seconds <= longestSeconds ? seconds : undefined
}

function profile(body: string, suffix: string) {
  return { status: 200, type: 'application/json', body, fileName: `dcos-stats-${process.pid}.${suffix}` }
}
