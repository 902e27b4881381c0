import { lookup } from 'node:dns/promises'
import { connect } from 'node:net'
import { agentUrl } from '../agent/agent-address.js'
import { createAgentClient } from '../agent/client.js'
import { lookupBrokers } from '../bus/kafka-brokers.js'
import { parseHostPort } from '../options/address.js'
import { agentOptions } from '../options/agent.js'
import { messageOf, StatsError, systemCodeOf } from '../platform/errors.js'
import type { HostPort } from '../platform/hosts.js'
import { Counters } from '../telemetry/counters.js'
import { broker, type Peer } from './peers.js'

/** What came of trying somebody. */
export interface Trial {
  readonly role: string
  /** Where: `HOST:PORT`, an URL, a name. */
  readonly address: string
  readonly option: string
  /** He cannot be reached, or does not let us in. */
  readonly fault: boolean
  /** What happened, in words. */
  readonly said: string
}

export interface TrialOptions {
  /** For each step: the name, the connection, the answer. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly version: string
  /** The brokers of a framework; by DNS and the framework's own word unless given. */
  readonly lookUp?: (framework: string) => Promise<readonly string[]>
}

type Of<Kind extends Peer['kind']> = Extract<Peer, { kind: Kind }>

/** Tries one peer; a framework stands for its brokers, so several may come of it. Never rejects. */
export async function tryPeer(peer: Peer, options: TrialOptions): Promise<readonly Trial[]> {
  switch (peer.kind) {
    case 'tcp':
      return [await attempt(peer, peer.address, () => connectTcp(peer, options))]
    case 'udp':
      return [await attempt(peer, peer.address, () => resolveName(peer, options))]
    case 'agent':
      return [await tryAgent(peer, options)]
    case 'kafka_framework':
      return tryFramework(peer, options)
  }
}

async function attempt({ role, option }: Peer, address: string, reach: () => Promise<string>): Promise<Trial> {
  try {
    return { role, address, option, fault: false, said: await reach() }
  } catch (cause) {
    return { role, address, option, fault: true, said: withoutCredential(describe(cause)) }
  }
}

function connectTcp({ address }: Of<'tcp'>, { timeoutMs, signal }: TrialOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now()
    const socket = connect({ ...hostPort(address), signal })
    const timer = setTimeout(() => socket.destroy(noAnswer(timeoutMs)), timeoutMs)
    socket.once('error', reject)
    socket.once('connect', () => {
      resolve(`connected in ${Math.ceil(performance.now() - startMs)} ms`)
      socket.destroy()
    })
    socket.once('close', () => clearTimeout(timer))
  })
}

async function resolveName({ address }: Of<'udp'>, { timeoutMs }: TrialOptions): Promise<string> {
  const { host } = hostPort(address)
  const found = await within(timeoutMs, lookup(host))
  return `${found.address === host ? 'an address' : `resolves to ${found.address}`}; over UDP nobody answers`
}

async function tryAgent(peer: Of<'agent'>, { timeoutMs, signal, version }: TrialOptions): Promise<Trial> {
  let url = peer.url ?? peer.ipCommand
  const trial = await attempt(peer, url, async () => {
    url = await within(timeoutMs, agentUrl({ ...peer, onNoIpCommand: noIpCommandOf(peer) }, new Counters()))
    const client = createAgentClient({ userAgent: `dcos-stats/${version}`, credential: peer.credential, timeoutMs })
    return describeState(await client.get(`${url}/state`, signal))
  })
  return { ...trial, address: withoutCredential(url) }
}

/** Where only the standard command is missing, the daemons look on this machine, too. */
function noIpCommandOf({ ipCommand }: Of<'agent'>): (() => void) | undefined {
  return ipCommand === agentOptions['agent-ip-command'].default ? () => {} : undefined
}

function describeState(reply: Uint8Array): string {
  const { id } = parseJson(Buffer.from(reply).toString()) ?? {}
  if (typeof id === 'string') return `is agent ${id}`
  throw new StatsError('DS_AGENT_DATA', 'what answers /state is no Mesos agent: expected JSON with an id')
}

function parseJson(text: string): { id?: unknown } | undefined {
  try {
    return JSON.parse(text) as { id?: unknown }
  } catch {
    return undefined
  }
}

async function tryFramework(peer: Of<'kafka_framework'>, options: TrialOptions): Promise<readonly Trial[]> {
  const { timeoutMs, lookUp = (framework: string) => lookupBrokers({ framework }) } = options
  let brokers: readonly string[] = []
  const trial = await attempt(peer, peer.framework, async () => {
    brokers = await within(timeoutMs, lookUp(peer.framework))
    return `has ${brokers.length === 1 ? 'one broker' : `${brokers.length} brokers`}`
  })
  const trials = await Promise.all(
    brokers.map((address) => tryPeer({ ...broker(address), option: peer.option }, options)),
  )
  return [trial, ...trials.flat()]
}

function hostPort(address: string): HostPort {
  const read = parseHostPort(address)
  if (read === undefined) throw new StatsError('DS_ADDRESS', 'is not HOST:PORT')
  return read
}

/** Lookups and commands cannot be called off, so they are left behind. */
function within<Value>(timeoutMs: number, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(noAnswer(timeoutMs)), timeoutMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function noAnswer(timeoutMs: number): StatsError {
  return new StatsError('DS_NO_ANSWER', `no answer within ${timeoutMs} ms`)
}

function describe(cause: unknown): string {
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'refused: nothing listens there',
    ENOTFOUND: 'its name does not resolve',
    EAI_AGAIN: 'its name does not resolve now: the DNS server does not answer',
    EHOSTUNREACH: 'no route to it',
    ENETUNREACH: 'no route to it',
  }
  return known[codeOf(cause) ?? ''] ?? messageOf(cause)
}

// A name with several addresses: Node tries all of them and gathers what went wrong.
function codeOf(cause: unknown): string | undefined {
  return systemCodeOf(cause instanceof AggregateError ? (cause.errors[0] ?? cause) : cause)
}

/** Addresses in a text, without the user and password that they may carry. */
function withoutCredential(text: string): string {
  return text.replaceAll(/(\/\/)[^/@\s]*@/g, '$1******@')
}
