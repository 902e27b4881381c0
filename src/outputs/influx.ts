import { createInfluxNames } from '../codec/influx-line.js'
import { LineBuffer } from '../codec/line-buffer.js'
import type { MetricList } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import { ExitCode, messageOf, StatsError } from '../platform/errors.js'
import type { Telemetry } from '../telemetry/telemetry.js'
import { judge, wordsOf } from './influx-answers.js'
import { createInfluxClient } from './influx-client.js'
import { type CollisionRule, InfluxPointMaker } from './influx-points.js'
import { createDatabaseRequest, dialectOf, type InfluxTarget, whatToCheck, writeRequest } from './influx-target.js'
import type { InfluxPoints } from './influx-write-points.js'
import { type Refusal, writePoints } from './influx-writer.js'
import { dropsOf } from './rendering.js'
import type { Drop, Sink, WriteResult } from './sink.js'

export interface InfluxSinkOptions {
  /** Such as `http://influx:8086`. */
  readonly url: string
  /** Options that gave host and port, for advice; output-host and output-port unless given. */
  readonly addressOptions?: readonly [host: string, port: string]
  readonly target: InfluxTarget
  readonly measurement: string
  readonly onCollision: CollisionRule
  readonly gzip: boolean
  /** A larger write becomes several requests of this size. */
  readonly batchPoints: number
  /** Requests of one write at the same time; 4 unless given. */
  readonly inFlight?: number
  /** For a request; 30,000 unless given. */
  readonly timeoutMs?: number
  readonly clock: Clock
  readonly telemetry: Pick<Telemetry, 'log' | 'counters'>
}

/**
 * Writes to InfluxDB 1, 2 or 3 by HTTP: one point a datapoint, all of one measurement, the list's tags as tags, the
 * datapoint's name as the field.
 *
 * Lines that InfluxDB refuses are found, dropped as `rejected_by_sink` with its words, and the others kept. An answer that concerns everything
 * (credential, database, token, bucket) rejects with 69 and what to check. Overload, faults and silence are a retry,
 * after the time InfluxDB asks for.
 */
export function createInfluxSink(options: InfluxSinkOptions): Sink {
  return new InfluxSink(options)
}

class InfluxSink implements Sink {
  readonly name = 'influx'
  readonly #options: InfluxSinkOptions
  readonly #client
  readonly #maker: InfluxPointMaker
  /** One for each request that may be on its way. */
  readonly #buffers: readonly LineBuffer[]
  readonly #tellNow: () => boolean
  #databaseReady: boolean
  #collisionsTold = false

  constructor(options: InfluxSinkOptions) {
    const { measurement, target, onCollision, gzip, inFlight = 4, timeoutMs = 30_000, clock } = options
    if (measurement === '' || measurement.startsWith('#')) throw badMeasurement(measurement)
    this.#options = options
    this.#client = createInfluxClient({ gzip, connections: inFlight, timeoutMs, clock })
    this.#maker = new InfluxPointMaker(createInfluxNames(measurement, dialectOf(target)), onCollision)
    this.#buffers = Array.from({ length: inFlight }, () => new LineBuffer())
    this.#databaseReady = target.version !== 1 || !target.createDatabase
    this.#tellNow = createRarely(clock)
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#prepare(signal)
  }

  async write(lists: readonly MetricList[], signal: AbortSignal): Promise<WriteResult> {
    const createdNow = !this.#databaseReady
    const away = await this.#prepare(signal)
    if (away !== undefined) return { status: 'retry', cause: away }
    const points = this.#maker.collect(lists)
    const { batchPoints, clock, url, target } = this.#options
    const outcome = await writePoints({
      points,
      batchPoints,
      buffers: this.#buffers,
      post: (body, precision) => this.#client.post(writeRequest(url, target, precision), body, signal),
      nowMs: () => clock.nowMs(),
    })
    switch (outcome.kind) {
      case 'later':
        return retryFor(this.#away(outcome.words), outcome.afterMs)
      case 'never':
        if (this.#mayCreateAgain(outcome.words, createdNow)) return retryFor(this.#away(outcome.words), 0)
        throw this.#refusedForGood(outcome.words)
      case 'settled':
        this.#maker.settle()
        this.#tellCollisions(points)
        return settled(points, outcome.refused, this.#tellNow)
    }
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  /** Creates the database where that is asked for and not yet done; the fault where InfluxDB is away. */
  async #prepare(signal: AbortSignal): Promise<StatsError | undefined> {
    const { url, target, clock, telemetry } = this.#options
    if (this.#databaseReady || target.version !== 1) return undefined
    const { body, ...request } = createDatabaseRequest(url, target)
    try {
      const answer = await this.#client.post(request, Buffer.from(body), signal)
      const verdict = judge(answer, clock.nowMs())
      if (verdict.kind === 'later') return this.#away(verdict.words)
      if (answer.status === 401) throw this.#refusedForGood(wordsWithStatus(answer))
      const refusal = verdict.kind === 'taken' ? createError(answer.body) : verdict.words
      // A user without the right to create may well write to a database that is there: the first write tells.
      if (refusal)
        telemetry.log.warn({ database: target.database, answer: refusal }, 'InfluxDB did not create the database')
      this.#databaseReady = true
      return undefined
    } catch (cause) {
      if (cause instanceof StatsError) throw cause
      return this.#away(messageOf(cause), cause)
    }
  }

  /** A database that was dropped while we write to it is created again, once between two writes that succeed. */
  #mayCreateAgain(words: string, createdNow: boolean): boolean {
    const { target } = this.#options
    if (target.version !== 1 || !target.createDatabase || createdNow || !/database not found/.test(words)) return false
    this.#databaseReady = false
    return true
  }

  #away(words: string, cause?: unknown): StatsError {
    return new StatsError('DS_INFLUX_AWAY', `InfluxDB at ${this.#options.url} does not take data (${words}).`, {
      cause,
    })
  }

  #refusedForGood(words: string): StatsError {
    const { url, target, addressOptions = ['output-host', 'output-port'] } = this.#options
    const check = whatToCheck(target, Number.parseInt(words, 10), addressOptions)
    return new StatsError('DS_INFLUX_REFUSED', `InfluxDB at ${url} refuses everything (${words}). ${check}`, {
      exitCode: ExitCode.unavailable,
    })
  }

  #tellCollisions({ collisions }: InfluxPoints): void {
    const { telemetry, onCollision } = this.#options
    if (collisions === 0) return
    telemetry.counters.add('sink.collisions', collisions, this.name)
    if (this.#collisionsTold) return
    this.#collisionsTold = true
    telemetry.log.warn(
      { collisions, onCollision },
      'datapoints of one series in the same millisecond: InfluxDB keeps one of them; --on-collision decides, sink.collisions counts',
    )
  }
}

function settled(points: InfluxPoints, refused: readonly Refusal[], tellNow: () => boolean): WriteResult {
  let { datapoints } = points
  const drops = new Map<string, Drop>()
  for (const refusal of refused) {
    const weight = points.weightOf(refusal.point)
    datapoints -= weight
    addRefusal(drops, refusal, weight, tellNow)
  }
  const dropped = [...drops.values(), ...dropsOf(points)]
  // With --on-collision last it was the user's rule that left them out.
  if (points.replaced > 0) dropped.push({ datapoints: points.replaced, reason: 'filtered' })
  return dropped.length === 0 ? { status: 'sent', datapoints } : { status: 'sent', datapoints, dropped }
}

/** One entry for each reason and words, so that a thousand lines with one fault are told once. */
function addRefusal(
  drops: Map<string, Drop>,
  { line, reason, words }: Refusal,
  weight: number,
  tellNow: () => boolean,
) {
  const key = `${reason} ${words}`
  const known = drops.get(key)
  if (known !== undefined) {
    drops.set(key, { ...known, datapoints: known.datapoints + weight })
    return
  }
  const cause = tellNow()
    ? { cause: new Error(`InfluxDB refused ${JSON.stringify(line.slice(0, 300))}: ${words}`) }
    : {}
  drops.set(key, { datapoints: weight, reason, ...cause })
}

function retryFor(cause: Error, afterMs: number | undefined): WriteResult {
  return afterMs === undefined ? { status: 'retry', cause } : { status: 'retry', cause, afterMs }
}

/** InfluxDB 1 answers 200 to a statement that failed. */
function createError(body: string): string {
  try {
    const { results } = JSON.parse(body) as { results?: { error?: string }[] }
    return results?.[0]?.error ?? ''
  } catch {
    return ''
  }
}

function wordsWithStatus({ status, body }: { status: number; body: string }): string {
  return `${status}: ${wordsOf(body)}`
}

function badMeasurement(measurement: string): StatsError {
  const message = `A measurement has a name that does not begin with #; "${measurement}" came. Check --measurement-name.`
  return new StatsError('DS_INFLUX_MEASUREMENT', message, { exitCode: ExitCode.config })
}

/** Yes ten times, then once a minute: what goes on for ever is counted, not told. */
function createRarely(clock: Clock): () => boolean {
  let told = 0
  let lastMs = Number.NEGATIVE_INFINITY
  return () => {
    if (told >= 10 && clock.monotonicMs() - lastMs < 60_000) return false
    told++
    lastMs = clock.monotonicMs()
    return true
  }
}
