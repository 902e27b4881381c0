import type { LineBuffer } from '../codec/line-buffer.js'
import type { DropReason } from '../model/ledger.js'
import { messageOf } from '../platform/errors.js'
import { judge, namedLines, refusesAll, type Verdict } from './influx-answers.js'
import type { InfluxAnswer } from './influx-client.js'
import type { InfluxPoints } from './influx-write-points.js'

/** What became of the points of one write. */
export type WriteOutcome =
  | { readonly kind: 'settled'; readonly refused: readonly Refusal[] }
  | Extract<Verdict, { kind: 'later' | 'never' }>

/** A point that InfluxDB will not take. */
export interface Refusal {
  readonly point: number
  readonly line: string
  readonly reason: DropReason
  readonly words: string
}

export interface InfluxWriter {
  readonly points: InfluxPoints
  readonly batchPoints: number
  /** As many requests at the same time, each with one of these buffers as its own. */
  readonly buffers: readonly LineBuffer[]
  /** Posts lines; rejects where no answer came. Once it has settled, it does not read `body` any more. */
  readonly post: (body: Uint8Array, precision: 'ms' | 'ns') => Promise<InfluxAnswer>
  readonly nowMs: () => number
}

/**
 * Writes points in requests of `batchPoints`, several at a time. Where InfluxDB refuses a request, the lines it names are left out and the
 * rest comes again; where it names none, the request is halved until the bad lines are alone. Points that come twice do no harm: they
 * overwrite themselves. It stops at the first answer that concerns all points.
 */
export async function writePoints(writer: InfluxWriter): Promise<WriteOutcome> {
  const waiting = requestsOf(writer)
  const refused: Refusal[] = []
  let ending: Exclude<WriteOutcome, { kind: 'settled' }> | undefined

  async function work(lines: LineBuffer): Promise<void> {
    for (let request = waiting.pop(); request !== undefined && ending === undefined; request = waiting.pop()) {
      lines.clear()
      const precision = writer.points.render(request, lines)
      const verdict = await ask(writer, lines.finish(), precision)
      if (verdict.kind === 'later' || verdict.kind === 'never') ending = worst(ending, verdict)
      else if (verdict.kind === 'refused') {
        const { bad, rest } = sort(request, linesOf(lines), verdict)
        refused.push(...bad)
        waiting.push(...rest)
      }
    }
  }

  // A worker may end while another one's answer is still to bring new requests: that one then does them.
  await Promise.all(writer.buffers.slice(0, waiting.length).map(work))
  return ending ?? { kind: 'settled', refused }
}

function requestsOf({ points, batchPoints }: InfluxWriter): Uint32Array[] {
  const all = new Uint32Array(points.count).map((_, point) => point)
  const requests: Uint32Array[] = []
  for (let start = 0; start < all.length; start += batchPoints) requests.push(all.subarray(start, start + batchPoints))
  // Taken from the end, so the oldest points go first.
  return requests.reverse()
}

function linesOf(lines: LineBuffer): string[] {
  return lines.finish().toString().split('\n').slice(0, -1)
}

type Asked = Exclude<Verdict, { kind: 'refused' }> | (Extract<Verdict, { kind: 'refused' }> & { body: string })

async function ask({ post, nowMs }: InfluxWriter, body: Uint8Array, precision: 'ms' | 'ns'): Promise<Asked> {
  try {
    const answer = await post(body, precision)
    const verdict = judge(answer, nowMs())
    return verdict.kind === 'refused' ? { ...verdict, body: answer.body } : verdict
  } catch (cause) {
    return { kind: 'later', words: messageOf(cause) }
  }
}

/** Which points of a refused request are bad, and in which requests the others come again. */
function sort(
  request: Uint32Array,
  lines: readonly string[],
  { body, words, reason }: Extract<Asked, { kind: 'refused' }>,
): { bad: Refusal[]; rest: Uint32Array[] } {
  const refusal = (at: number, why = words) => ({ point: request[at] ?? 0, line: lines[at] ?? '', reason, words: why })
  if (request.length === 1 || refusesAll(body, request.length)) {
    return { bad: Array.from(request, (_, at) => refusal(at)), rest: [] }
  }
  const named = namedLines(body, lines)
  if (named.size > 0) {
    const good = request.filter((_, at) => !named.has(at))
    return { bad: [...named].map(([at, why]) => refusal(at, why)), rest: good.length > 0 ? [good] : [] }
  }
  const middle = request.length >>> 1
  return { bad: [], rest: [request.subarray(middle), request.subarray(0, middle)] }
}

function worst<T extends Extract<Verdict, { kind: 'later' | 'never' }>>(known: T | undefined, next: T): T {
  return known === undefined || next.kind === 'never' ? next : known
}
