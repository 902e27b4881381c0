import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = 100

/**
 * User and system time of a process and all its threads, in milliseconds. The kernel's scheduler tells it in nanoseconds;
 * where that is switched off, /proc/PID/stat tells hundredths of a second, and ps does elsewhere.
 */
export function cpuMsOf(pid) {
  return fromScheduler(pid) ?? fromStat(pid) ?? fromPs(pid)
}

function fromScheduler(pid) {
  try {
    let sumNs = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      sumNs += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
    }
    return sumNs / 1e6
  } catch {
    return undefined
  }
}

function fromStat(pid) {
  try {
    // The name in parentheses may hold blanks.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
  } catch {
    return undefined
  }
}

function fromPs(pid) {
  const text = execFileSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'latin1' }).trim()
  const seconds = text.split(/[:-]/).reduce((sum, part) => sum * 60 + Number(part), 0)
  return seconds * 1000
}

/** Memory that a process has in use, in MiB; NaN where nobody tells. */
export function rssMbytesOf(pid) {
  try {
    const [, kbytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
    return Number(kbytes) / 1024
  } catch {
    return Number.NaN
  }
}

/** Datagrams that the kernel dropped at the UDP sockets of a port, because their buffer was full. */
export function kernelDropsAt(port) {
  return udpSocketsAt(port).reduce((drops, columns) => drops + Number(columns[12]), 0)
}

export function isUdpPortBound(port) {
  return udpSocketsAt(port).length > 0
}

/** The columns of proc_net_udp(5). */
function udpSocketsAt(port) {
  const address = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['/proc/net/udp', '/proc/net/udp6'].flatMap((path) =>
    linesOf(path)
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[1]?.endsWith(address)),
  )
}

function linesOf(path) {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(1)
  } catch {
    return []
  }
}
