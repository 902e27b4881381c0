import type { LiveState } from '../../src/model/live.js'

/** A proxy with two containers, one of which loses datapoints. */
export function liveState(over: Partial<LiveState> = {}): LiveState {
  const atMs = 1_700_000_100_000
  return {
    atMs,
    startedAtMs: atMs - 100_000,
    role: 'statsd-proxy',
    version: '1.2.3',
    ready: true,
    checks: { listening: { ready: true } },
    hops: [
      {
        hop: 'statsd-proxy',
        received: 12_345,
        forwarded: 12_000,
        dropped: { container_limit: 300 },
        held: 45,
        rates: { received: 130.4, forwarded: 120, dropped: { container_limit: 10 } },
      },
    ],
    nodes: [],
    arrows: [],
    containers: {
      found: 7,
      rows: [
        {
          id: 'c-loud',
          name: 'shop/web',
          framework: 'marathon',
          rate: 100,
          byteRate: 5000,
          dropRate: 10,
          dropped: 300,
          lastMs: atMs,
        },
        { id: 'c-silent', rate: 0, byteRate: 0, dropRate: 0, dropped: 0, lastMs: atMs - 90_000 },
      ],
    },
    frameworks: {
      found: 1,
      rows: [{ id: 'fw-1', name: 'marathon', containers: 2, rate: 100, byteRate: 5000, dropped: 300, lastMs: atMs }],
    },
    names: { found: 1, rows: [{ id: 'web.requests', rate: 60, byteRate: 900, lastMs: atMs }] },
    ...over,
  }
}
