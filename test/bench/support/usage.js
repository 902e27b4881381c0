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

/** Memory of a process in MiB: all of it, and without what the kernel can take back at any time (pages of files). */
export function memoryMbytesOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const mbytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024
  return { rss: mbytes('VmRSS'), own: mbytes('RssAnon') }
}

/** How often the kernel is asked again whose list left a socket out, which happens while others are opened and closed. */
const readings = 50

/** Datagrams that the kernel dropped at these ports of 127.0.0.1, because a socket's buffer was full. */
export function kernelDropsAt(...ports) {
  for (let reading = 0; reading < readings; reading++) {
    const sockets = udpSocketsAt(ports)
    if (sockets.length === ports.length) return sockets.reduce((drops, columns) => drops + Number(columns[12]), 0)
  }
  throw new Error(`/proc/net/udp does not list all of the ports ${ports}`)
}

/** Whether 127.0.0.1:`port` is taken. */
export function isUdpPortBound(port) {
  return udpSocketsAt([port]).length > 0
}

/** The columns of proc_net_udp(5). Others may have the same ports at other addresses. */
function udpSocketsAt(ports) {
  const addresses = new Set(ports.map((port) => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`))
  return linesOf('/proc/net/udp')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => addresses.has(columns[1]))
}

function linesOf(path) {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(1)
  } catch {
    return []
  }
}
