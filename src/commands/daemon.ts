import type { daemonOptions } from '../options/common.js'
import { effectiveForLog } from '../options/effective.js'
import type { Parsed } from '../options/option.js'
import { type Clock, systemClock } from '../platform/clock.js'
import { messageOf, systemCodeOf } from '../platform/errors.js'
import { formatAddress, type HostPort } from '../platform/hosts.js'
import { type AdminOptions, type AdminServer, startAdmin } from '../telemetry/admin.js'
import { Counters } from '../telemetry/counters.js'
import { Ledger } from '../telemetry/ledger.js'
import { Live } from '../telemetry/live.js'
import { createLog, type Log } from '../telemetry/log.js'
import { profileRoutes } from '../telemetry/profile-routes.js'
import { createProfiler } from '../telemetry/profiler.js'
import { Readiness } from '../telemetry/readiness.js'
import { logLedgers, renderLedgers, reportLedgers } from '../telemetry/report.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import type { CommandContext } from './command.js'

/** What every part of a running daemon shares. */
export interface Daemon {
  readonly log: Log
  readonly counters: Counters
  readonly clock: Clock
  readonly readiness: Readiness
  /** What the live page shows: each role tells it of itself. */
  readonly live: Live
  /** Aborted when the daemon is to drain and end. */
  readonly signal: AbortSignal
  readonly shutdownTimeoutMs: number
  readonly version: string
  /** Opens the account of a hop; it is shown everywhere that ledgers are. */
  openLedger(hop: string, group?: string): Ledger
  /** Where /metrics and the others are served; undefined where they are not. */
  readonly admin: AdminServer | undefined
}

type LogOptions = Pick<Parsed<typeof daemonOptions>, 'logLevel' | 'logFormat'>

const LEDGER_PERIOD_MS = 60_000
const ADMIN_RETRY_MS = 50

/**
 * Runs `work` with log, counters, ledgers and the admin server; at the end every hop's ledger is logged, also when
 * `work` failed.
 */
export async function runDaemon(
  role: string,
  options: Parsed<typeof daemonOptions> & { readonly httpProfile?: boolean; readonly usualAdmin?: HostPort },
  context: CommandContext,
  work: (daemon: Daemon, ledgers: readonly Ledger[]) => Promise<void>,
): Promise<void> {
  const format = logFormatOf(options, context)
  const log = await openLog(role, options, context)
  const counters = new Counters()
  const readiness = new Readiness()
  const ledgers: Ledger[] = []
  const live = new Live({ role, version: context.version, clock: systemClock, ledgers, readiness })
  log.info({ version: context.version, options: effectiveForLog(context.effective) }, 'starting')
  const profiler = options.httpProfile ? await createProfiler() : undefined
  const routes = profiler && profileRoutes(profiler)
  const ending = new AbortController()
  const opening = openAdmin(
    options,
    { counters, ledgers, readiness, live, ...(routes && { routes }) },
    log,
    context.predecessor && ending.signal,
  )
  if (context.predecessor) {
    opening.catch((cause) => log.error({ cause: messageOf(cause) }, 'the admin server could not be opened'))
  }
  // The process before this one serves the address until it has ended; the work does not wait for that.
  const admin = context.predecessor ? undefined : await opening
  const stopReport = reportLedgers({ log, ledgers, clock: systemClock, periodMs: LEDGER_PERIOD_MS })
  const daemon: Daemon = {
    log,
    counters,
    clock: systemClock,
    readiness,
    live,
    signal: context.signal,
    shutdownTimeoutMs: options.shutdownTimeoutMs,
    version: context.version,
    admin,
    openLedger(hop, group) {
      const ledger = new Ledger(hop, group)
      ledgers.push(ledger)
      return ledger
    },
  }
  try {
    await work(daemon, ledgers)
  } finally {
    stopReport()
    ending.abort()
    const isTold = options.logLevel === 'debug' || options.logLevel === 'info'
    if (format === 'pretty' && isTold) context.stderr.write(renderLedgers(ledgers.map((ledger) => ledger.snapshot())))
    else logLedgers(log, ledgers, 'ledger at exit')
    await opening.then(
      (opened) => opened?.close(),
      () => {},
    )
    profiler?.close()
  }
}

/** The log as the options want it: pretty where people look, JSON for machines. */
export function openLog(role: string, options: LogOptions, context: CommandContext): Promise<Log> {
  const { stderr: destination, stderrColour: colour } = context
  return createLog({ level: options.logLevel, format: logFormatOf(options, context), role, destination, colour })
}

/** What the log looks like: for people where stderr is a terminal, unless the options say otherwise. */
export function logFormatOf({ logFormat }: LogOptions, { stderrIsTerminal }: CommandContext): 'json' | 'pretty' {
  return logFormat ?? (stderrIsTerminal ? 'pretty' : 'json')
}

/** What a part takes of a daemon, together with its hop's ledger. */
export function telemetryOf({ log, counters }: Daemon, ledger: Ledger): Telemetry {
  return { log, counters, ledger }
}

async function openAdmin(
  { adminListen, adminToken, usualAdmin }: Parsed<typeof daemonOptions> & { readonly usualAdmin?: HostPort },
  shown: Pick<AdminOptions, 'counters' | 'ledgers' | 'readiness' | 'live' | 'routes'>,
  log: Log,
  patience: AbortSignal | undefined,
): Promise<AdminServer | undefined> {
  const listen = adminListen ?? usualAdmin
  if (listen === undefined) return undefined
  const token = adminToken === undefined ? {} : { token: adminToken }
  const startAt = (port: number) => startAdmin({ ...listen, port, ...token, ...shown })
  const start = () => (adminListen ? startAt(listen.port) : startAt(listen.port).catch(orAnyPort))
  // Who did not ask for a port gets another one where it is taken.
  const orAnyPort = (thrown: unknown) => (isTaken(thrown) ? startAt(0) : Promise.reject(thrown))
  const admin = await (patience ? onceFree(start, patience) : start())
  if (admin === undefined) return undefined
  const address = formatAddress(admin.address)
  const paths = ['/ (live)', '/metrics', '/health', '/ready', '/ledger', ...Object.keys(shown.routes ?? {})]
  log.info({ address: `http://${address}` }, `serving ${paths.join(', ')}`)
  return admin
}

/** Tries until the address is free; undefined where `patience` ends before. */
async function onceFree(start: () => Promise<AdminServer>, patience: AbortSignal): Promise<AdminServer | undefined> {
  while (!patience.aborted) {
    try {
      return await start()
    } catch (thrown) {
      if (!isTaken(thrown)) throw thrown
      await systemClock.sleep(ADMIN_RETRY_MS, patience)
    }
  }
  return undefined
}

function isTaken(thrown: unknown): boolean {
  return systemCodeOf((thrown as Error).cause) === 'EADDRINUSE'
}
