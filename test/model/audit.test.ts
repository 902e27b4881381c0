import { type AdminReading, audit } from '../../src/model/audit.js'
import type { LedgerSnapshot } from '../../src/model/ledger.js'

type Account = Partial<LedgerSnapshot> & Pick<LedgerSnapshot, 'hop'>

/** An account that is balanced unless told otherwise. */
function account({ hop, received = 0, dropped = {}, held = 0, ...rest }: Account): LedgerSnapshot {
  const gone = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  return { hop, received, forwarded: received - gone - held, dropped, held, ...rest }
}

/** One daemon a row: `[admin, startedAtMs, accounts]`. */
function reading(
  ...daemons: [admin: string, startedAtMs: number | undefined, ...accounts: Account[]][]
): AdminReading[] {
  return daemons.map(([admin, startedAtMs, ...accounts]) => ({ admin, startedAtMs, ledgers: accounts.map(account) }))
}

const still = (readings: AdminReading[]) => audit(readings, readings)

describe('one hop', () => {
  test.each<[rule: string, account: Account, missing: number]>([
    ['nothing came', { hop: 'collector' }, 0],
    [
      'dropped with a reason and held is not missing',
      { hop: 'x', received: 10, dropped: { malformed: 3 }, held: 2 },
      0,
    ],
    [
      'what is in no column is missing',
      { hop: 'x', received: 10, forwarded: 4, dropped: { malformed: 3 }, held: 2 },
      1,
    ],
    ['what goes on and never came is too much', { hop: 'x', received: 10, forwarded: 12 }, -2],
  ])('%s', (_rule, account, missing) => {
    const { hops, balanced } = still(reading(['a:1', 0, account]))
    expect(hops).toEqual([expect.objectContaining({ hop: account.hop, admin: 'a:1', missing })])
    expect(balanced).toBe(missing === 0)
  })

  test('are shown in the order of the stream', () => {
    const hops = ['emit', 'consume:influx', 'consume', 'collector', 'statsd-proxy'].map((hop) => ({ hop }))
    expect(still(reading(['a:1', 0, ...hops])).hops.map(({ hop }) => hop)).toEqual([
      'statsd-proxy',
      'collector',
      'consume:influx',
      'consume',
      'emit',
    ])
  })

  test('the last reading counts', () => {
    const first = reading(['a:1', 0, { hop: 'x', received: 5, forwarded: 4 }])
    expect(audit(first, reading(['a:1', 0, { hop: 'x', received: 5 }])).balanced).toBe(true)
  })
})

describe('between hops', () => {
  test.each<[rule: string, daemons: Parameters<typeof reading>, links: [from: string, to: string, missing: number][]]>([
    ['one hop alone has nobody to compare with', [['a:1', 0, { hop: 'collector', received: 9 }]], []],
    [
      'all arrived',
      [
        ['p:1', 0, { hop: 'statsd-proxy', received: 9 }],
        ['c:1', 0, { hop: 'collector', received: 9 }],
      ],
      [['statsd-proxy', 'collector', 0]],
    ],
    [
      'a collector may receive from others, too',
      [
        ['p:1', 0, { hop: 'statsd-proxy', received: 9 }],
        ['c:1', 0, { hop: 'collector', received: 99 }],
      ],
      [['statsd-proxy', 'collector', 0]],
    ],
    [
      'what it asked the Mesos agent for is not what the proxy forwarded',
      [
        ['p:1', 0, { hop: 'statsd-proxy', received: 9 }],
        ['c:1', 0, { hop: 'collector', received: 99, polled: 91 }],
      ],
      [['statsd-proxy', 'collector', 1]],
    ],
    [
      'what the proxy dropped or holds the collector need not have',
      [
        ['p:1', 0, { hop: 'statsd-proxy', received: 9, dropped: { collector_away: 4 }, held: 1 }],
        ['c:1', 0, { hop: 'collector', received: 4 }],
      ],
      [['statsd-proxy', 'collector', 0]],
    ],
    [
      'a deficit is missing',
      [
        ['p:1', 0, { hop: 'statsd-proxy', received: 9 }],
        ['c:1', 0, { hop: 'collector', received: 7 }],
      ],
      [['statsd-proxy', 'collector', 2]],
    ],
    [
      'several of a kind are added up',
      [
        ['p:1', 0, { hop: 'statsd-proxy', received: 5 }],
        ['p:2', 0, { hop: 'statsd-proxy', received: 5 }],
        ['c:1', 0, { hop: 'collector', received: 3 }],
        ['c:2', 0, { hop: 'collector', received: 6 }],
      ],
      [['statsd-proxy', 'collector', 1]],
    ],
    [
      'consumers of one group share, each group gets all',
      [
        ['c:1', 0, { hop: 'collector', received: 10 }],
        ['i:1', 0, { hop: 'consume', group: 'influx', received: 6 }],
        ['i:2', 0, { hop: 'consume', group: 'influx', received: 4 }],
        ['g:1', 0, { hop: 'consume', group: 'graphite', received: 7 }],
      ],
      [
        ['collector', 'consume, group influx', 0],
        ['collector', 'consume, group graphite', 3],
      ],
    ],
    [
      'a consumer that does not tell its group is one of its own',
      [
        ['c:1', 0, { hop: 'collector', received: 10 }],
        ['x:1', 0, { hop: 'consume', received: 10 }],
        ['x:2', 0, { hop: 'consume', received: 9 }],
      ],
      [
        ['collector', 'consume, at x:1', 0],
        ['collector', 'consume, at x:2', 1],
      ],
    ],
    [
      'a consumer without the collector is compared with its sinks alone, each with all of it',
      [
        [
          'x:1',
          0,
          { hop: 'consume', group: 'g', received: 10 },
          { hop: 'consume:stdout', received: 10 },
          { hop: 'consume:influx', received: 8 },
        ],
        ['x:2', 0, { hop: 'consume', group: 'g', received: 99 }],
      ],
      [
        ['consume at x:1', 'consume:stdout at x:1', 0],
        ['consume at x:1', 'consume:influx at x:1', 2],
      ],
    ],
    [
      'the whole stack in one process',
      [
        [
          's:1',
          0,
          { hop: 'statsd-proxy', received: 5 },
          { hop: 'collector', received: 8 },
          { hop: 'consume', group: 'g', received: 8 },
        ],
      ],
      [
        ['statsd-proxy', 'collector', 0],
        ['collector', 'consume, group g', 0],
      ],
    ],
  ])('%s', (_rule, daemons, expected) => {
    const { links, balanced } = still(reading(...daemons))
    expect(links.map(({ from, to, missing }) => [from, to, missing])).toEqual(expected)
    expect(balanced).toBe(expected.every(([, , missing]) => missing === 0))
  })

  const proxyAndCollector = (forwarded: number, received: number) =>
    reading(['p:1', 0, { hop: 'statsd-proxy', received: forwarded }], ['c:1', 0, { hop: 'collector', received }])

  test('what is forwarded after the first reading need not have arrived at the last', () => {
    expect(audit(proxyAndCollector(100, 90), proxyAndCollector(5000, 100))).toMatchObject({
      balanced: true,
      links: [{ forwarded: 100, received: 100, missing: 0 }],
    })
  })

  test('what was forwarded before must have arrived, however much went on since', () => {
    expect(audit(proxyAndCollector(100, 90), proxyAndCollector(5000, 99))).toMatchObject({
      balanced: false,
      links: [{ forwarded: 100, received: 99, missing: 1 }],
    })
  })
})

describe('hints where something is missing', () => {
  const hints = (proxyStartMs: number | undefined, collectorStartMs: number | undefined) =>
    still(
      reading(
        ['p:1', proxyStartMs, { hop: 'statsd-proxy', received: 9 }],
        ['c:1', collectorStartMs, { hop: 'collector', received: 7 }],
      ),
    ).links.flatMap(({ hints }) => hints)

  test('a receiver that began later has no account of what came before', () => {
    expect(hints(1_000_000, 1_060_000)).toEqual([
      'collector at c:1 began 60 s after the first sender and has no account of what came before.',
    ])
  })

  test.each([
    ['began together', 1_000_000, 1_001_000],
    ['began before', 1_000_000, 0],
    ['does not tell', 1_000_000, undefined],
    ['has a sender that does not tell', undefined, 1_000_000],
  ])('but one that %s has no such excuse', (_rule, proxyStartMs, collectorStartMs) => {
    expect(hints(proxyStartMs, collectorStartMs)).toEqual([])
  })

  test('a group may read some topics only, or begin late', () => {
    const { links } = still(
      reading(['c:1', 0, { hop: 'collector', received: 9 }], ['x:1', 0, { hop: 'consume', group: 'g', received: 7 }]),
    )
    expect(links[0]?.hints).toEqual([expect.stringContaining('--from')])
  })
})
