import { type AdminReading, type Audit, audit, type LinkAudit } from '../model/audit.js'
import type { auditOptions } from '../options/audit.js'
import type { Parsed } from '../options/option.js'
import { systemClock } from '../platform/clock.js'
import { StatsError } from '../platform/errors.js'
import { formatAddress } from '../platform/hosts.js'
import { type AdminClient, createAdminClient } from '../telemetry/admin-client.js'
import { renderColumns } from '../telemetry/columns.js'
import { ledgerCells, ledgerHead } from '../telemetry/report.js'
import type { CommandContext } from './command.js'

export type AuditOptions = Parsed<typeof auditOptions>

/** Between two looks at what has not arrived yet. */
const LOOK_MS = 200

/**
 * Reads the ledgers of daemons twice or more and adds them up.
 *
 * @throws StatsError `DS_AUDIT` (exit 1) where datapoints are missing without a reason; `DS_ADMIN_AWAY` (exit 69) where a
 *   daemon does not answer
 */
export async function run(
  options: AuditOptions,
  { stdout, signal }: Pick<CommandContext, 'stdout' | 'signal'>,
): Promise<void> {
  const found = await auditDaemons(clientsOf(options), options.wait * 1000, signal)
  stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : render(found))
  if (!found.balanced) throw new StatsError('DS_AUDIT', summary(found))
}

function clientsOf({ admin, adminToken, adminTimeoutMs }: AuditOptions): readonly AdminClient[] {
  // The same daemon twice would count twice.
  const byAddress = new Map(admin.map((address) => [formatAddress(address), address]))
  return [...byAddress.values()].map((address) =>
    createAdminClient({ address, token: adminToken, timeoutMs: adminTimeoutMs }),
  )
}

/** The last reading begins when all of the first is there, so that what arrives in between is seen to arrive. */
async function auditDaemons(clients: readonly AdminClient[], waitMs: number, signal: AbortSignal): Promise<Audit> {
  const starts = await Promise.all(clients.map((client) => client.startedAtMs(signal)))
  const read = () => readAll(clients, starts, signal)
  const first = await read()
  const untilMs = systemClock.monotonicMs() + waitMs
  for (;;) {
    const found = audit(first, await read())
    if (found.balanced || systemClock.monotonicMs() >= untilMs || signal.aborted) return found
    await systemClock.sleep(LOOK_MS, signal)
  }
}

function readAll(
  clients: readonly AdminClient[],
  starts: readonly (number | undefined)[],
  signal: AbortSignal,
): Promise<readonly AdminReading[]> {
  return Promise.all(
    clients.map(async (client, index) => ({
      admin: client.address,
      startedAtMs: starts[index],
      ledgers: await client.ledgers(signal),
    })),
  )
}

function render({ hops, links }: Audit): string {
  const hopRows = hops.map((hop) => [...ledgerCells(hop), hop.admin])
  const head = [...ledgerHead.slice(0, -1), 'account', 'daemon']
  const tables = [renderColumns([head, ...hopRows])]
  if (links.length > 0) {
    tables.push(renderColumns([['from', 'to', 'forwarded', 'received', ''], ...links.map(linkCells)]))
  }
  const hints = links.flatMap(({ hints }) => hints)
  if (hints.length > 0) tables.push(`${[...new Set(hints)].join('\n')}\n`)
  return tables.join('\n')
}

function linkCells({ from, to, forwarded, received, missing }: LinkAudit): readonly string[] {
  return [
    from,
    to,
    String(forwarded),
    String(received),
    missing === 0 ? arrived(received - forwarded) : `${missing} MISSING`,
  ]
}

/** More than was forwarded: it came since the first reading, from elsewhere, or twice. */
function arrived(more: number): string {
  return more === 0 ? 'all arrived' : `all can have arrived: ${more} more`
}

function summary({ hops, links }: Audit): string {
  const lost = [...hops, ...links].reduce((sum, { missing }) => sum + Math.max(0, missing), 0)
  const madeUp = hops.reduce((sum, { missing }) => sum + Math.max(0, -missing), 0)
  const parts = [
    ...(lost > 0 ? [`${lost} datapoints are missing without a reason`] : []),
    ...(madeUp > 0 ? [`${madeUp} datapoints went on that never came`] : []),
  ]
  return `${parts.join(', and ')}.`
}
