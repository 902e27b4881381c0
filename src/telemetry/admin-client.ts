import { request } from 'node:http'
import { z } from 'zod'
import type { LedgerSnapshot } from '../model/ledger.js'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import { formatAddress, type HostPort } from '../platform/hosts.js'

export interface AdminClientOptions {
  /** A daemon's --admin-listen. */
  readonly address: HostPort
  /** Its --admin-token. */
  readonly token?: string | undefined
  /** For the whole of an answer. */
  readonly timeoutMs: number
}

/** Asks the admin server of a daemon. Rejects with a StatsError `DS_ADMIN_AWAY` (exit 69) that says what to do. */
export interface AdminClient {
  /** `HOST:PORT` */
  readonly address: string
  ledgers(signal: AbortSignal): Promise<readonly LedgerSnapshot[]>
  /** When the process began, in milliseconds since 1970; undefined where /metrics does not tell. */
  startedAtMs(signal: AbortSignal): Promise<number | undefined>
}

const maxReplyBytes = 64 * 1024 * 1024

const ledgersSchema = z.array(
  z.object({
    hop: z.string(),
    group: z.string().optional(),
    received: z.number(),
    forwarded: z.number(),
    // Not the list of reasons: a newer daemon may have others.
    dropped: z.record(z.string(), z.number()),
    held: z.number(),
    repeated: z.number().optional(),
    polled: z.number().optional(),
  }),
)

export function createAdminClient(options: AdminClientOptions): AdminClient {
  return {
    address: formatAddress(options.address),
    async ledgers(signal) {
      const { success, data } = ledgersSchema.safeParse(parseJson(await get('/ledger', options, signal)))
      if (success) return data as readonly LedgerSnapshot[]
      throw away(options, 'answered something else than ledgers; it seems not to be a daemon of dcos-stats')
    },
    async startedAtMs(signal) {
      const page = await get('/metrics', options, signal)
      const [, seconds] = /^process_start_time_seconds(?:\{[^}]*\})? ([\d.e+]+)/m.exec(page) ?? []
      return seconds === undefined ? undefined : Number(seconds) * 1000
    },
  }
}

function get(path: string, options: AdminClientOptions, signal: AbortSignal): Promise<string> {
  const { address, token, timeoutMs } = options
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    const asked = request({ host: address.host, port: address.port, path, headers, signal }, (response) => {
      const status = response.statusCode ?? 0
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        bytes += chunk.length
        if (bytes > maxReplyBytes) asked.destroy(new Error(`its answer has more than ${maxReplyBytes} bytes`))
      })
      response.on('end', () => {
        if (status === 200) resolve(Buffer.concat(chunks).toString())
        else reject(away(options, refusal(status, path, token)))
      })
      response.on('error', (cause) => reject(away(options, `broke off (${messageOf(cause)})`, cause)))
    })
    const timer = setTimeout(() => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    asked.once('error', (cause) => reject(away(options, `does not answer (${messageOf(cause)})`, cause)))
    asked.once('close', () => clearTimeout(timer))
    asked.end()
  })
}

/** Why an answer is not the one that was wanted, behind "The daemon ...". */
export function refusal(status: number, path: string, token: string | undefined): string {
  if (status === 401) {
    return token === undefined
      ? 'wants a token: give --admin-token-file'
      : 'refused the token: check --admin-token-file'
  }
  if (status === 403) return 'refused this name for itself: give the address of its --admin-listen'
  return `answered ${path} with status ${status} instead of 200`
}

/** @param what the daemon did or did not do */
export function away({ address }: Pick<AdminClientOptions, 'address'>, what: string, cause?: unknown): StatsError {
  const message = `The daemon at --admin ${formatAddress(address)} ${what}. Check --admin, and the daemon's --admin-listen.`
  return new StatsError('DS_ADMIN_AWAY', message, { cause, exitCode: ExitCode.unavailable })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
