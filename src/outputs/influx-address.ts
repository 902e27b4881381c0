import type { InfluxTarget } from './influx-target.js'

/** What users say about where their InfluxDB is. */
export interface InfluxAddress {
  readonly outputUsername?: string | undefined
  readonly outputPassword?: string | undefined
  readonly outputDatabase?: string | undefined
  readonly retentionPolicy?: string | undefined
  readonly createDb: boolean
  readonly org?: string | undefined
  readonly bucket?: string | undefined
  readonly token?: string | undefined
}

/** Without a bucket it is InfluxDB 1; with bucket and organisation 2, which knows no bucket without one; with a bucket alone 3. */
export function influxTargetOf(address: InfluxAddress): InfluxTarget {
  const { bucket, org, token = '' } = address
  if (bucket !== undefined && org !== undefined) return { version: 2, org, bucket, token }
  if (bucket !== undefined) return { version: 3, bucket, token }
  const { outputDatabase: database = '', outputUsername, outputPassword, retentionPolicy, createDb } = address
  return {
    version: 1,
    database,
    createDatabase: createDb,
    ...(outputUsername && { username: outputUsername }),
    ...(outputPassword && { password: outputPassword }),
    ...(retentionPolicy && { retentionPolicy }),
  }
}

/**
 * @param host a name, an address, or a URL (`https://influx.example/path`): then its own port counts
 * @returns `http://host:port`
 */
export function influxUrl(host: string, port = 8086): string {
  if (/^https?:\/\//i.test(host)) return host.replace(/\/+$/, '')
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
