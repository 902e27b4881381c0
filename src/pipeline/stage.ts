import type { MetricList } from '../model/metric-list.js'

/** A pure step between sources and sinks. It neither waits nor drops: what leaves the stream is counted where it leaves. */
export type Stage = (lists: readonly MetricList[]) => readonly MetricList[]

/** Does one stage after the other. */
export function chainStages(stages: readonly Stage[]): Stage {
  return (lists) => stages.reduce((current, stage) => stage(current), lists)
}
