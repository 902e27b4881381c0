import type { InfluxDialect } from '../codec/influx-line.js'

/** Which InfluxDB, and where in it. */
export type InfluxTarget =
  | {
      readonly version: 1
      readonly database: string
      readonly username?: string
      readonly password?: string
      /** The database's own where absent. */
      readonly retentionPolicy?: string
      readonly createDatabase: boolean
    }
  | { readonly version: 2; readonly org: string; readonly bucket: string; readonly token: string }
  | { readonly version: 3; readonly bucket: string; readonly token: string }

/** One HTTP request, without its body. */
export interface InfluxRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** InfluxDB inflates writes; in a compressed statement it finds nothing. */
  readonly mayCompress: boolean
}

/**
 * Where lines are posted.
 *
 * @param baseUrl such as `http://influx:8086`, with a path where InfluxDB stands behind a proxy
 * @see InfluxDB API reference: 1.x `/write`, 2.x `/api/v2/write`, 3.x `/api/v3/write_lp`
 */
export function writeRequest(baseUrl: string, target: InfluxTarget, precision: 'ms' | 'ns'): InfluxRequest {
  const common = {
    headers: { ...authorization(target), 'Content-Type': 'text/plain; charset=utf-8' },
    mayCompress: true,
  }
  switch (target.version) {
    case 1: {
      const { database: db, retentionPolicy: rp } = target
      const query = { db, ...(rp !== undefined && { rp }), precision: precision === 'ms' ? 'ms' : 'n' }
      return { url: urlOf(baseUrl, '/write', query), ...common }
    }
    case 2: {
      const { org, bucket } = target
      return { url: urlOf(baseUrl, '/api/v2/write', { org, bucket, precision }), ...common }
    }
    case 3: {
      const query = { db: target.bucket, precision: precision === 'ms' ? 'millisecond' : 'nanosecond' }
      return { url: urlOf(baseUrl, '/api/v3/write_lp', query), ...common }
    }
  }
}

/** The request that creates the database of an InfluxDB 1; one that is there stays as it is. */
export function createDatabaseRequest(
  baseUrl: string,
  target: InfluxTarget & { version: 1 },
): InfluxRequest & { body: string } {
  const name = target.database.replace(/[\\"]/g, '\\$&')
  return {
    url: urlOf(baseUrl, '/query', {}),
    headers: { ...authorization(target), 'Content-Type': 'application/x-www-form-urlencoded' },
    mayCompress: false,
    body: new URLSearchParams({ q: `CREATE DATABASE "${name}"` }).toString(),
  }
}

export function dialectOf({ version }: InfluxTarget): InfluxDialect {
  return version === 3 ? 'v3' : 'go'
}

/**
 * What a person should look at when InfluxDB refuses everything with this status.
 *
 * @param addressOptions options that gave host and port
 */
export function whatToCheck(target: InfluxTarget, status: number, addressOptions: readonly string[]): string {
  const credential = target.version === 1 ? '--output-username and --output-password' : '--token'
  const place = { 1: '--output-database, --create-db and --retention-policy', 2: '--org and --bucket', 3: '--bucket' }
  const version =
    'and that this InfluxDB is version 1 (--output-database), 2 (--org and --bucket) or 3 (--bucket alone)'
  if (status === 401) return `Check ${credential}.`
  if (status === 403) return `Check that the user of ${credential} may write there (${place[target.version]}).`
  return `Check --${addressOptions.join(', --')}, ${place[target.version]}, ${version}.`
}

// Credentials go into a header and never into the URL, which ends up in messages and in the logs of proxies.
function authorization(target: InfluxTarget): Record<string, string> {
  if (target.version === 2) return { Authorization: `Token ${target.token}` }
  if (target.version === 3) return { Authorization: `Bearer ${target.token}` }
  const { username = '', password = '' } = target
  if (username === '') return {}
  return { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

function urlOf(baseUrl: string, path: string, query: Record<string, string>): string {
  const search = new URLSearchParams(query).toString()
  return `${baseUrl.replace(/\/+$/, '')}${path}${search && '?'}${search}`
}
