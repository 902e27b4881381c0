import type { LedgerSnapshot } from './ledger.js'

/** A hop's account and how fast it moves. Rates are datapoints a second, means of about the last five seconds. */
export interface LiveHop extends LedgerSnapshot {
  readonly rates: {
    readonly received: number
    readonly forwarded: number
    /** By reason. */
    readonly dropped: Readonly<Record<string, number>>
  }
}

/** Something that data comes from, goes through, or goes to. */
export interface LiveNode {
  readonly id: string
  readonly title: string
  /** Where it is, or what it is. */
  readonly detail?: string
  /** The hop whose account it has; absent for what is not part of this process. */
  readonly hop?: string
}

export interface LiveArrow {
  readonly from: string
  readonly to: string
  /** Datapoints a second. */
  readonly rate: number
  /** Datapoints since the process began. */
  readonly total: number
}

/** A container, framework or metric name. What is absent is not known here. */
export interface LiveRow {
  /** The container's id, the framework's id, or the metric's name. */
  readonly id: string
  /** The application of a container, the name of a framework. */
  readonly name?: string
  /** Of a container: its framework's name, or id. */
  readonly framework?: string
  /** Of a framework: how many containers it has here. */
  readonly containers?: number
  /** Datapoints a second. */
  readonly rate: number
  /** Bytes a second: of StatsD at a proxy, elsewhere of the datapoints in Avro. */
  readonly byteRate: number
  /** Datapoints dropped a second, and since the process began. */
  readonly dropRate?: number
  readonly dropped?: number
  /** Packets that the kernel dropped; how many datapoints were in them, nobody knows. */
  readonly kernelDrops?: number
  /** When the last datapoint came, in milliseconds since 1970; absent where none came yet. */
  readonly lastMs?: number
}

export interface LiveTable {
  /** Rows that the search finds, of which `rows` are the first. */
  readonly found: number
  readonly rows: readonly LiveRow[]
}

export const liveTables = ['containers', 'frameworks', 'names'] as const
export type LiveTableName = (typeof liveTables)[number]

export const liveSorts = ['rate', 'bytes', 'drops', 'age', 'name'] as const
export type LiveSort = (typeof liveSorts)[number]

/** Which rows are wanted of every table. */
export interface LiveQuery {
  /** Part of an id, a name or a framework, in any case; '' for all. */
  readonly search: string
  readonly sort: LiveSort
  readonly limit: number
}

/** All that the live page and `top` show, at one moment. */
export interface LiveState {
  readonly atMs: number
  readonly startedAtMs: number
  readonly role: string
  readonly version: string
  readonly ready: boolean
  readonly checks: Readonly<Record<string, { readonly ready: boolean; readonly reason?: string }>>
  readonly hops: readonly LiveHop[]
  readonly nodes: readonly LiveNode[]
  readonly arrows: readonly LiveArrow[]
  readonly containers: LiveTable
  readonly frameworks: LiveTable
  /** Of many datapoints only some are looked at for their names; their figures then stand for all. */
  readonly names: LiveTable
}

/** What each hop did in the last minutes: datapoints a second, a number a step, the newest last. */
export interface LiveHistory {
  readonly stepMs: number
  readonly atMs: number
  readonly hops: readonly {
    readonly hop: string
    readonly received: readonly number[]
    readonly forwarded: readonly number[]
    readonly dropped: readonly number[]
  }[]
}
