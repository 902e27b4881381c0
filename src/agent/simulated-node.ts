import { readFile } from 'node:fs/promises'
import type { ContainerIdentity } from '../model/agent-state.js'
import type { Clock } from '../platform/clock.js'
import { StatsError } from '../platform/errors.js'
import { createMovingSnapshot, createMovingStatistics, type Numbers } from './simulated-values.js'

/** Beside src/ and dist/ alike, and part of the package. */
export const recordingsUrl = new URL('../../samples/agent/', import.meta.url)

/** A container to be listed from now on; the framework is named by its id or by its name. */
export interface AddedContainer {
  readonly containerId: string
  readonly executorId: string
  readonly frameworkId?: string
  /** A framework of this name is made where the agent has none. */
  readonly frameworkName?: string
  /** What the label MARATHON_APP_ID shall say, such as `/group/web`. */
  readonly applicationId?: string
}

/** A container that the agent lists, and what is known of it. */
export interface SimulatedContainer extends ContainerIdentity {
  readonly frameworkName: string
  /** True where only /state lists it, as part of a task group. */
  readonly nested: boolean
}

/** A node of a cluster that exists only in recordings: what its agent answers, as it is now. */
export interface SimulatedNode {
  readonly agentId: string
  state(): object
  snapshot(): Numbers
  containers(): object[]
  addContainer(container: AddedContainer): ContainerIdentity
  removeContainer(containerId: string): void
  /** All running containers of /state. */
  listContainers(): SimulatedContainer[]
}

// Of a recording only what is looked at here; the other fields are served as they were recorded.
interface ContainerIdReply {
  value: string
  parent?: ContainerIdReply
}
interface TaskReply {
  statuses: { container_status?: { container_id?: ContainerIdReply } }[]
}
interface ExecutorReply {
  id: string
  container: string
  tasks: TaskReply[]
  [field: string]: unknown
}
interface FrameworkReply {
  id: string
  name: string
  executors: ExecutorReply[]
}
interface StateReply {
  id: string
  frameworks: FrameworkReply[]
}
interface ContainerReply {
  container_id: string
  executor_id: string
  framework_id: string
  statistics: Numbers
}
interface Recording {
  state: StateReply
  containers: ContainerReply[]
  snapshot: Numbers
}

/**
 * Merges the recordings into one node: the agent and Marathon's tasks of mesos-1.0, the plain task and the task
 * group of mesos-1.11 beside them.
 */
export async function loadSimulatedNode({
  clock,
  random,
  recordings = recordingsUrl,
}: {
  clock: Clock
  random: () => number
  recordings?: URL
}): Promise<SimulatedNode> {
  const base = await readRecording(recordings, 'mesos-1.0')
  const agentId = base.state.id
  const others = await Promise.all(
    ['mesos-1.11-task', 'mesos-1.11-task-group'].map((name) => readRecording(recordings, name, agentId)),
  )
  const frameworks = [base, ...others].flatMap(({ state }) => state.frameworks)
  return new Node({
    state: { ...base.state, frameworks },
    containers: [base, ...others].flatMap(({ containers }) => containers),
    snapshot: base.snapshot,
    clock,
    random,
  })
}

async function readRecording(recordings: URL, name: string, agentId?: string): Promise<Recording> {
  const state = JSON.parse(await readText(new URL(`${name}/state.json`, recordings))) as StateReply
  const containers = JSON.parse(await readText(new URL(`${name}/containers.json`, recordings))) as ContainerReply[]
  const snapshot = JSON.parse(await readText(new URL(`${name}/metrics-snapshot.json`, recordings))) as Numbers
  if (agentId === undefined) return { state, containers, snapshot }
  const moved = JSON.stringify(state.frameworks).replaceAll(state.id, agentId)
  return { state: { ...state, frameworks: JSON.parse(moved) as FrameworkReply[] }, containers, snapshot }
}

async function readText(file: URL): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new StatsError(
      'DS_RECORDING',
      `The simulated agent needs the recorded reply ${file.pathname}, which cannot be read. Reinstall dcos-stats.`,
      { cause, exitCode: 1 },
    )
  }
}

interface ListedContainer {
  readonly reply: ContainerReply
  readonly statistics: (elapsedSecs: number, nowMs: number) => Numbers
}

class Node implements SimulatedNode {
  readonly agentId: string
  readonly #state: StateReply
  readonly #listed: ListedContainer[]
  readonly #idle: Numbers
  readonly #snapshot: (elapsedSecs: number) => Numbers
  readonly #clock: Clock
  readonly #random: () => number
  #snapshotMs: number
  #containersMs: number

  constructor(parts: Recording & { clock: Clock; random: () => number }) {
    const { state, containers, snapshot, clock, random } = parts
    this.agentId = state.id
    this.#state = state
    this.#clock = clock
    this.#random = random
    this.#listed = containers.map((reply) => ({ reply, statistics: createMovingStatistics(reply.statistics, random) }))
    this.#idle = withoutPast(containers[0]?.statistics ?? {})
    this.#snapshot = createMovingSnapshot(snapshot, random)
    this.#snapshotMs = this.#containersMs = clock.nowMs()
  }

  state(): object {
    return this.#state
  }

  snapshot(): Numbers {
    const nowMs = this.#clock.nowMs()
    const moved = this.#snapshot(secsBetween(this.#snapshotMs, nowMs))
    this.#snapshotMs = nowMs
    const executors = this.#state.frameworks.flatMap((framework) => framework.executors)
    return {
      ...moved,
      'slave/frameworks_active': this.#state.frameworks.length,
      'slave/executors_running': executors.length,
      'slave/tasks_running': executors.flatMap(({ tasks }) => tasks).length,
    }
  }

  containers(): object[] {
    const nowMs = this.#clock.nowMs()
    const elapsedSecs = secsBetween(this.#containersMs, nowMs)
    this.#containersMs = nowMs
    return this.#listed.map(({ reply, statistics }) => ({ ...reply, statistics: statistics(elapsedSecs, nowMs) }))
  }

  addContainer(container: AddedContainer): ContainerIdentity {
    const { containerId, executorId } = container
    this.removeContainer(containerId)
    const framework = this.#frameworkOf(container)
    framework.executors.push(executorReply(container, framework.id, this.agentId, this.#clock.nowMs()))
    this.#listed.push({
      reply: containerReply(container, framework.id, this.#idle),
      statistics: createMovingStatistics(this.#idle, this.#random),
    })
    return { frameworkId: framework.id, executorId, containerId }
  }

  removeContainer(containerId: string): void {
    const index = this.#listed.findIndex(({ reply }) => reply.container_id === containerId)
    if (index >= 0) this.#listed.splice(index, 1)
    for (const framework of this.#state.frameworks) {
      framework.executors = framework.executors.filter(({ container }) => container !== containerId)
    }
  }

  listContainers(): SimulatedContainer[] {
    return this.#state.frameworks.flatMap(({ id, name, executors }) =>
      executors.flatMap((executor) =>
        [executor.container, ...nestedIds(executor)].map((containerId, index) => ({
          frameworkId: id,
          frameworkName: name,
          executorId: executor.id,
          containerId,
          nested: index > 0,
        })),
      ),
    )
  }

  #frameworkOf({ frameworkId, frameworkName }: AddedContainer): FrameworkReply {
    const { frameworks } = this.#state
    const known = frameworks.find(({ id, name }) =>
      frameworkId === undefined ? name === frameworkName : id === frameworkId,
    )
    if (known !== undefined) return known
    const number = String(frameworks.length).padStart(4, '0')
    const id = frameworkId ?? `${this.agentId.replace(/-S\d+$/, '')}-simulated-${number}`
    const made = { ...frameworks[0], id, name: frameworkName ?? id, executors: [], completed_executors: [] }
    frameworks.push(made)
    return made
  }
}

/** A container that has just started: limits as recorded, nothing used up yet. */
function withoutPast(recorded: Readonly<Numbers>): Numbers {
  return Object.fromEntries(
    Object.entries(recorded).map(([name, value]) => [name, /_time_secs$|^cpus_nr_/.test(name) ? 0 : value]),
  )
}

function secsBetween(earlierMs: number, laterMs: number): number {
  return Math.max(0, laterMs - earlierMs) / 1000
}

function nestedIds({ tasks, container }: ExecutorReply): string[] {
  const ids = tasks.flatMap(({ statuses }) => statuses.map((status) => status.container_status?.container_id?.value))
  return [...new Set(ids)].filter((id) => id !== undefined && id !== container) as string[]
}

function containerReply(added: AddedContainer, frameworkId: string, statistics: Numbers): ContainerReply {
  const { containerId, executorId } = added
  const fields = { executor_name: `Command Executor (Task: ${executorId})`, source: executorId }
  return { container_id: containerId, executor_id: executorId, framework_id: frameworkId, ...fields, statistics }
}

/** An executor with its one task, as an agent lists a task without an executor of its own. */
function executorReply(added: AddedContainer, frameworkId: string, agentId: string, nowMs: number): ExecutorReply {
  const { containerId, executorId, applicationId } = added
  const resources = { cpus: 0.1, mem: 32, disk: 0 }
  const labels = applicationId === undefined ? {} : { labels: [{ key: 'MARATHON_APP_ID', value: applicationId }] }
  const task = {
    ...{ id: executorId, name: executorId, framework_id: frameworkId, executor_id: '', slave_id: agentId },
    ...{ state: 'TASK_RUNNING', resources, ...labels },
    statuses: [
      {
        state: 'TASK_RUNNING',
        timestamp: nowMs / 1000,
        container_status: { container_id: { value: containerId }, network_infos: [] },
      },
    ],
  }
  const name = `Command Executor (Task: ${executorId})`
  const tasks = { tasks: [task], queued_tasks: [], completed_tasks: [] }
  return {
    id: executorId,
    name,
    source: executorId,
    container: containerId,
    resources,
    ...labels,
    ...tasks,
  }
}
