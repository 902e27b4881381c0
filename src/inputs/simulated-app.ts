/** One application in a container, as far as its metrics show it. */
export interface SimulatedApp {
  /** The StatsD lines of one tick. */
  tick(): string[]
}

const ROUTES = ['/', '/cart', '/checkout', '/search'] as const

/** A web application: requests by route and status, latencies, open sessions. */
export function createWebApp(random: () => number): SimulatedApp {
  let sessions = 50
  return {
    tick() {
      const route = ROUTES[Math.floor(random() * ROUTES.length)] ?? '/'
      const status = random() < 0.03 ? 500 : 200
      sessions = Math.max(0, sessions + Math.round((random() - 0.5) * 10))
      const tags = `|#route:${route},status:${status}`
      return [
        `web.requests:${1 + Math.floor(random() * 20)}|c${tags}`,
        `web.latency:${(5 + random() * 95).toFixed(1)}|ms${tags}`,
        `web.sessions:${sessions}|g`,
      ]
    },
  }
}

/** A worker that takes jobs from a queue: depth, jobs done, and a sampled counter of retries. */
export function createWorkerApp(random: () => number): SimulatedApp {
  let depth = 200
  return {
    tick() {
      const done = Math.floor(random() * 30)
      depth = Math.max(0, depth - done + Math.floor(random() * 31))
      return [
        `worker.queue.depth:${depth}|g|#queue:mail`,
        `worker.jobs.done:${done}|c|#queue:mail`,
        'worker.jobs.retried:1|c|@0.1|#queue:mail',
      ]
    },
  }
}

/** A batch job: progress in percent and rows by table; starts over when it is done. */
export function createBatchApp(random: () => number): SimulatedApp {
  let percent = 0
  return {
    tick() {
      percent = percent >= 100 ? 0 : Math.min(100, percent + random() * 5)
      return [
        `batch.progress:${percent.toFixed(2)}|g|#unit:percent`,
        `batch.rows:${Math.floor(random() * 1000)}|c|#table:orders`,
      ]
    },
  }
}
