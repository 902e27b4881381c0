import { forEachDatapoint } from '../codec/datapoints.js'
import { unpackLists } from '../codec/list-packs.js'
import type { LiveRow } from '../model/live.js'
import { countDatapoints, type MetricList, type Tag, tagValue } from '../model/metric-list.js'
import type { Clock } from '../platform/clock.js'
import type { StreamFigures } from '../telemetry/live.js'
import type { LiveNames } from '../telemetry/live-containers.js'
import type { ContainerRow } from '../telemetry/live-tables.js'
import type { Stage } from './stage.js'
import { type TopRate, TopRates } from './top-rates.js'

/** Datapoints a second whose names are read; of more, some stand for all. */
const namesPerSecond = 20_000
const mostNames = 1000
const mostContainers = 10_000
/** Beside the name: its length, the time and the value, in Avro. */
const datapointOverheadBytes = 15

export interface StreamWatch extends StreamFigures {
  /** Lets everything through as it is. */
  readonly stage: Stage
}

type Speaker = Pick<ContainerRow, 'id' | 'name' | 'framework' | 'frameworkId'>

/**
 * Which containers and metric names pass here, for the live page. It looks at lists only while it is told to; otherwise a list
 * costs it a comparison.
 */
export function createStreamWatch(options: {
  readonly clock: Clock
  readonly random: () => number
  /** What ids are called where the tags do not say it (yet). */
  readonly names?: LiveNames
}): StreamWatch {
  const { clock, random, names } = options
  const containers = new TopRates<string, Speaker>(mostContainers)
  const metrics = new TopRates<string, string>(mostNames)
  let keys = new WeakMap<readonly Tag[], string>()
  let watching = false
  let seen = 0
  let read = 0
  let share = 1

  return {
    stage(lists) {
      if (watching) see(unpackLists(lists))
      return lists
    },
    start() {
      watching = true
    },
    stop() {
      watching = false
      containers.clear()
      metrics.clear()
      keys = new WeakMap()
      seen = read = 0
      share = 1
    },
    tick(seconds) {
      const nowMs = clock.nowMs()
      containers.tick(seconds, 1, nowMs)
      metrics.tick(seconds, read === 0 ? 1 : seen / read, nowMs)
      share = Math.min(1, (namesPerSecond * seconds) / Math.max(1, seen))
      seen = read = 0
    },
    *containers() {
      for (const row of containers.rows()) yield { ...row.about, ...figuresOf(row) }
    },
    *names(): Generator<LiveRow> {
      for (const row of metrics.rows()) yield { id: row.about, ...figuresOf(row) }
    },
  }

  function see(lists: readonly MetricList[]): void {
    const nowMs = clock.nowMs()
    seen += countDatapoints(lists)
    for (const list of lists) {
      const { count, bytes } = list.datapoints
      containers.add(keyOf(list), count, bytes.length, nowMs, () => speakerOf(list, names))
      // A flood that just began is not read to its end: the share is right from the next second on.
      if (read < 2 * namesPerSecond && (share === 1 || random() < share)) readNames(list, nowMs)
    }
  }

  function readNames({ datapoints }: MetricList, nowMs: number): void {
    read += datapoints.count
    forEachDatapoint(datapoints, (name) => {
      metrics.add(name, 1, name.length + datapointOverheadBytes, nowMs, () => name)
    })
  }

  // Lists with the same tags share one array of them, so most keys are known.
  function keyOf({ topic, tags }: MetricList): string {
    let key = keys.get(tags)
    if (key === undefined) {
      key = `${tagValue(tags, 'framework_id') ?? ''}\n${tagValue(tags, 'container_id') ?? ''}`
      keys.set(tags, key)
    }
    return key === '\n' ? `topic\n${topic}` : key
  }
}

function speakerOf({ topic, tags }: MetricList, names: LiveNames | undefined): Speaker {
  const frameworkId = tagValue(tags, 'framework_id') ?? ''
  const executorId = tagValue(tags, 'executor_id') ?? ''
  const framework = tagValue(tags, 'framework_name') ?? names?.framework(frameworkId) ?? frameworkId
  const name = tagValue(tags, 'application_name') ?? names?.application(frameworkId, executorId) ?? executorId
  return {
    id: tagValue(tags, 'container_id') ?? `(topic ${topic})`,
    frameworkId,
    ...(framework !== '' && { framework }),
    ...(name !== '' && { name }),
  }
}

function figuresOf({ rate, byteRate, lastMs }: TopRate<unknown>) {
  return { rate: rate.perSecond, byteRate: byteRate.perSecond, lastMs }
}
