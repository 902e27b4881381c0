import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { StatsError } from '../platform/errors.js'
import type { Shape } from './parse-reply.js'

/** Parts of a reply that could not be used, by what they are; the others still count. */
export type SkippedParts = Partial<Record<'framework' | 'executor' | 'task' | 'container', number>>

export interface ExecutorEntry {
  readonly executorId: string
  /** MARATHON_APP_ID or DCOS_SPACE without leading slashes. */
  readonly applicationName: string | undefined
  /** The executor's own container and those nested in it, each by the last part of its id. */
  readonly containerIds: readonly string[]
}

export interface FrameworkEntry {
  readonly frameworkId: string
  readonly name: string
  readonly executors: readonly ExecutorEntry[]
}

/** What is used of /state. */
export interface StateReply {
  readonly agentId: string
  readonly frameworks: readonly FrameworkEntry[]
  readonly skipped: SkippedParts
}

/** One container of /containers. */
export interface ContainerEntry {
  readonly containerId: string
  readonly executorId: string
  readonly frameworkId: string
  /** As the agent wrote it; undefined where it has none, as for a container that is just starting. */
  readonly statistics: Readonly<Record<string, unknown>> | undefined
}

/** What is used of /containers. */
export interface ContainersReply {
  readonly containers: readonly ContainerEntry[]
  readonly skipped: SkippedParts
}

const applicationLabels = ['MARATHON_APP_ID', 'DCOS_SPACE']
const deepestNesting = 64
/** Executors or containers read in one go: about 5 ms. */
const sliceLength = 500

// The lists stay unknown here, because each of their items is judged by itself.
const id = z.string().min(1)
const items = z.array(z.unknown()).nullish()
const stateSchema = z.object({ id, frameworks: items })
const frameworkSchema = z.object({ id, name: z.string(), executors: items })
const executorSchema = z.object({ id, container: id.nullish(), labels: z.unknown().optional(), tasks: items })
const labelSchema = z.object({ key: z.string(), value: z.string() })
const statusSchema = z.object({ container_status: z.object({ container_id: z.unknown().optional() }).nullish() })
const taskSchema = z.object({ statuses: z.array(statusSchema).nullish() })
const nestedIdSchema = z.object({ value: id, parent: z.unknown().optional() })
const containerSchema = z.object({
  container_id: id,
  executor_id: id,
  framework_id: id,
  statistics: z.unknown().optional(),
})

/** What of /state has to come back from a parsing thread: running things only, and of labels those that are used. */
export const stateShape: Shape = {
  fields: {
    id: 'all',
    frameworks: {
      each: {
        fields: {
          id: 'all',
          name: 'all',
          executors: {
            each: {
              fields: {
                id: 'all',
                container: 'all',
                labels: { each: 'all', having: { field: 'key', oneOf: applicationLabels } },
                tasks: {
                  each: {
                    fields: {
                      statuses: {
                        each: { fields: { container_status: { fields: { container_id: 'all' } } } },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
}

export const containersShape: Shape = {
  each: { fields: { container_id: 'all', executor_id: 'all', framework_id: 'all', statistics: 'all' } },
}

/**
 * Reads /state of any Mesos release: frameworks without executors, executors without labels or tasks, tasks without
 * statuses, and statuses without a container are all normal.
 *
 * Thousands of executors are read in slices, with other work in between.
 *
 * @throws StatsError `DS_AGENT_REPLY` where the agent's own id is missing: then nothing of it can be used. A
 *   framework, executor or task that lacks something is left out and counted.
 * @see Mesos, HTTP endpoint /state of the agent (src/slave/http.cpp)
 */
export async function readStateReply(reply: unknown): Promise<StateReply> {
  const state = stateSchema.safeParse(reply)
  if (!state.success) throw unusable('/state', 'an object with a text "id" and a list "frameworks"', state.error)
  const skipped: SkippedParts = {}
  const frameworks: FrameworkEntry[] = []
  for (const framework of usable(state.data.frameworks, frameworkSchema, 'framework', skipped)) {
    const executors = await readInSlices(framework.executors ?? [], (slice) =>
      usable(slice, executorSchema, 'executor', skipped).map((executor) => ({
        executorId: executor.id,
        applicationName: applicationName(executor.labels),
        containerIds: containerIds(executor, skipped),
      })),
    )
    frameworks.push({ frameworkId: framework.id, name: framework.name, executors })
  }
  return { agentId: state.data.id, frameworks, skipped }
}

/**
 * Reads /containers. A container without one of its three ids is left out and counted; one without statistics is kept.
 *
 * @throws StatsError `DS_AGENT_REPLY` where it is no list
 */
export async function readContainersReply(reply: unknown): Promise<ContainersReply> {
  const list = z.array(z.unknown()).safeParse(reply)
  if (!list.success) throw unusable('/containers', 'a list', list.error)
  const skipped: SkippedParts = {}
  const containers = await readInSlices(list.data, (slice) =>
    usable(slice, containerSchema, 'container', skipped).map((container) => ({
      containerId: container.container_id,
      executorId: container.executor_id,
      frameworkId: container.framework_id,
      statistics: asObject(container.statistics),
    })),
  )
  return { containers, skipped }
}

/**
 * Reads /metrics/snapshot: a flat object, name -> number.
 *
 * @throws StatsError `DS_AGENT_REPLY` where it is none, or has no number at all
 */
export function readSnapshotReply(reply: unknown): Readonly<Record<string, unknown>> {
  const values = z.record(z.string(), z.unknown()).safeParse(reply)
  if (!values.success) throw unusable('/metrics/snapshot', 'an object of numbers', values.error)
  if (Object.values(values.data).some((value) => typeof value === 'number')) return values.data
  throw new StatsError('DS_AGENT_REPLY', "The Mesos agent's reply to /metrics/snapshot has no number in it.")
}

async function readInSlices<T>(
  list: readonly unknown[],
  read: (slice: readonly unknown[]) => readonly T[],
): Promise<T[]> {
  const all: T[] = []
  for (let start = 0; start < list.length; start += sliceLength) {
    if (start > 0) await setImmediate()
    all.push(...read(list.slice(start, start + sliceLength)))
  }
  return all
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
}

function usable<T>(
  list: readonly unknown[] | null | undefined,
  schema: z.ZodType<T>,
  kind: keyof SkippedParts,
  skipped: SkippedParts,
): T[] {
  return (list ?? []).flatMap((item) => {
    const read = schema.safeParse(item)
    if (read.success) return [read.data]
    skipped[kind] = (skipped[kind] ?? 0) + 1
    return []
  })
}

/** The last matching label wins, as in the first implementation (R60). */
function applicationName(labels: unknown): string | undefined {
  if (!Array.isArray(labels)) return undefined
  const names = labels.flatMap((label) => {
    const { data } = labelSchema.safeParse(label)
    return data !== undefined && applicationLabels.includes(data.key) ? [data.value.replace(/^\/+/, '')] : []
  })
  return names.at(-1) || undefined
}

function containerIds(executor: z.infer<typeof executorSchema>, skipped: SkippedParts): string[] {
  const ids = new Set<string>()
  if (executor.container) ids.add(executor.container)
  for (const { statuses } of usable(executor.tasks, taskSchema, 'task', skipped)) {
    for (const status of statuses ?? []) addNestedIds(status.container_status?.container_id, ids)
  }
  return [...ids]
}

/** A nested container's id names its parent, which may be nested itself; whatever is in an executor's task is the executor's. */
function addNestedIds(containerId: unknown, ids: Set<string>): void {
  let current = nestedIdSchema.safeParse(containerId).data
  for (let depth = 0; current !== undefined && depth < deepestNesting; depth++) {
    ids.add(current.value)
    current = nestedIdSchema.safeParse(current.parent).data
  }
}

function unusable(path: string, expected: string, error: z.ZodError): StatsError {
  const { path: where = [], message = '' } = error.issues[0] ?? {}
  const at = where.length === 0 ? '' : `"${where.join('.')}": `
  return new StatsError(
    'DS_AGENT_REPLY',
    `The Mesos agent's reply to ${path} should be ${expected}, and is not (${at}${message}).`,
  )
}
