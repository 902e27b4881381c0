import type { MetricList } from '../../src/model/metric-list.js'
import { countDatapoints } from '../../src/model/metric-list.js'
import type { Sink, WriteResult } from '../../src/outputs/sink.js'

export interface ScriptedSink extends Sink {
  readonly written: (readonly MetricList[])[]
  readonly calls: string[]
  /** What the next writes answer, in order; then everything is sent. A function may throw. */
  readonly answers: ((lists: readonly MetricList[], signal: AbortSignal) => WriteResult | Promise<WriteResult>)[]
}

/** A sink that answers what a test tells it to. */
export function createScriptedSink(name = 'scripted'): ScriptedSink {
  const sink: ScriptedSink = {
    name,
    written: [],
    calls: [],
    answers: [],
    async open() {
      sink.calls.push('open')
    },
    async write(lists, signal) {
      sink.calls.push('write')
      const answer = sink.answers.shift() ?? sent
      const result = await answer(lists, signal)
      if (result.status === 'sent') sink.written.push(lists)
      return result
    },
    async close() {
      sink.calls.push('close')
    },
  }
  return sink
}

function sent(lists: readonly MetricList[]): WriteResult {
  return { status: 'sent', datapoints: countDatapoints(lists) }
}

/** A list of `count` datapoints of 10 bytes each; their content does not matter. */
export function listOf(count: number, topic = 'topic'): MetricList {
  return { topic, tags: [], datapoints: { count, bytes: new Uint8Array(count * 10) } }
}
