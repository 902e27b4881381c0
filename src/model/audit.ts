import { imbalance, type LedgerSnapshot } from './ledger.js'

/** What one daemon said of itself at one moment. */
export interface AdminReading {
  /** Where it was asked, `HOST:PORT`. */
  readonly admin: string
  /** When its process began to count. */
  readonly startedAtMs: number | undefined
  readonly ledgers: readonly LedgerSnapshot[]
}

/** One hop's own account. */
export interface HopAudit extends LedgerSnapshot {
  readonly admin: string
  /** Datapoints that came in and neither went on, nor were dropped, nor are held; negative: made up. */
  readonly missing: number
}

/** What went from one hop, or several of one kind, to the next. */
export interface LinkAudit {
  readonly from: string
  readonly to: string
  /** At the first reading. */
  readonly forwarded: number
  /** At the last reading, without what was asked of the Mesos agent. */
  readonly received: number
  /**
   * Forwarded and not received: at least so many have been lost in between. The receiver may have other senders, and get
   * things twice, so that 0 says no more than that all of it can have come.
   */
  readonly missing: number
  /** What else may explain it, where something is missing. */
  readonly hints: readonly string[]
}

export interface Audit {
  readonly balanced: boolean
  readonly hops: readonly HopAudit[]
  readonly links: readonly LinkAudit[]
}

interface Member {
  readonly admin: string
  readonly startedAtMs: number | undefined
  readonly ledger: LedgerSnapshot
}

/** Hops that are added up, and how they are called together. */
interface Party {
  readonly title: string
  readonly includes: (member: Member) => boolean
}

/** Processes tell their start in whole seconds. */
const startPrecisionMs = 2000

/**
 * Adds up two readings of the same daemons, `last` made after all of `first` were there.
 *
 * Each hop: received = forwarded + dropped + held, in its last reading (a daemon makes up its account in one step).
 *
 * Between hops: what the proxies had forwarded at the first reading the collectors must have received at the last one,
 * and what the collectors had forwarded, each group of consumers. So what is on its way between two readings is
 * never taken for lost, however fast data flows; only what was on its way longer than the time between the readings is.
 *
 * What a collector has asked the Mesos agent for is left out: nobody forwarded it. More is not held against a receiver,
 * since a collector also receives from other senders, a consumer from other collectors, and both receive
 * again what was sent again.
 */
export function audit(first: readonly AdminReading[], last: readonly AdminReading[]): Audit {
  const before = membersOf(first)
  const after = membersOf(last)
  const hops = [...after].sort(byStream).map(({ admin, ledger }) => ({ ...ledger, admin, missing: imbalance(ledger) }))
  const links = pairsOf(after).flatMap(([from, to]) => linkBetween(from, before, to, after))
  return { balanced: [...hops, ...links].every(({ missing }) => missing === 0), hops, links }
}

/** Proxies, collectors, consumers, then others. */
function byStream(one: Member, other: Member): number {
  const place = ({ ledger }: Member) => {
    const index = ['statsd-proxy', 'collector', 'consume'].findIndex((hop) => ledger.hop.startsWith(hop))
    return index === -1 ? Number.MAX_SAFE_INTEGER : index
  }
  return place(one) - place(other)
}

function membersOf(readings: readonly AdminReading[]): readonly Member[] {
  return readings.flatMap(({ ledgers, ...daemon }) => ledgers.map((ledger) => ({ ...daemon, ledger })))
}

/** Who hands on to whom. */
function pairsOf(members: readonly Member[]): readonly (readonly [from: Party, to: Party])[] {
  const proxies: Party = { title: 'statsd-proxy', includes: isHop('statsd-proxy') }
  const collectors: Party = { title: 'collector', includes: isHop('collector') }
  const consumers = members.filter(isHop('consume'))
  const groups = new Set(consumers.map(groupOf))
  return [
    [proxies, collectors],
    ...[...groups].map((group) => [collectors, groupParty(group)] as const),
    ...consumers.flatMap(({ admin }) => sinkPairs(admin, members)),
  ]
}

function groupParty(group: string): Party {
  return { title: `consume, ${group}`, includes: (member) => isHop('consume')(member) && groupOf(member) === group }
}

/** A consumer with several sinks has an account for each; the sinks receive from the consumer. */
function sinkPairs(admin: string, members: readonly Member[]): readonly (readonly [from: Party, to: Party])[] {
  const here = (hop: string): Party => ({
    title: `${hop} at ${admin}`,
    includes: (member) => member.admin === admin && member.ledger.hop === hop,
  })
  const sinks = members.filter((member) => member.admin === admin && member.ledger.hop.startsWith('consume:'))
  return sinks.map(({ ledger }) => [here('consume'), here(ledger.hop)] as const)
}

function isHop(hop: string): (member: Member) => boolean {
  return ({ ledger }) => ledger.hop === hop
}

/** Consumers of one group share what there is; each group gets all of it. */
function groupOf({ admin, ledger }: Member): string {
  return ledger.group === undefined ? `at ${admin}` : `group ${ledger.group}`
}

/** Empty where one of the two was not asked. */
function linkBetween(
  from: Party,
  before: readonly Member[],
  to: Party,
  after: readonly Member[],
): readonly LinkAudit[] {
  const senders = before.filter(from.includes)
  const receivers = after.filter(to.includes)
  if (senders.length === 0 || receivers.length === 0) return []
  const forwarded = senders.reduce((sum, { ledger }) => sum + ledger.forwarded, 0)
  const received = receivers.reduce((sum, { ledger }) => sum + ledger.received - (ledger.polled ?? 0), 0)
  const missing = Math.max(0, forwarded - received)
  const hints = missing === 0 ? [] : hintsOn(senders, receivers)
  return [{ from: from.title, to: to.title, forwarded, received, missing, hints }]
}

function hintsOn(senders: readonly Member[], receivers: readonly Member[]): readonly string[] {
  const firstMs = Math.min(...senders.map(({ startedAtMs }) => startedAtMs ?? Number.POSITIVE_INFINITY))
  const late = receivers.filter(({ startedAtMs = 0 }) => startedAtMs > firstMs + startPrecisionMs)
  const hints = late.map(({ admin, ledger, startedAtMs = 0 }) => {
    const seconds = Math.round((startedAtMs - firstMs) / 1000)
    return `${ledger.hop} at ${admin} began ${seconds} s after the first sender and has no account of what came before.`
  })
  if (!receivers.some(isHop('consume'))) return hints
  return [...hints, 'A group receives only the topics that it reads, and a new one only what comes later (--from).']
}
