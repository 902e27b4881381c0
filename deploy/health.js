// The image's HEALTHCHECK: exit code 0 where the daemon of this container answers at /health, else 1 and the reason.
// It listens where --admin-listen of process 1 or the variable ADMIN_LISTEN says. `emit` has no /health: it is well while it runs.
import { readFileSync } from 'node:fs'

const words = commandLineOf(1)
const command = words[words.findIndex((word) => word.endsWith('dcos-stats')) + 1]

if (command !== 'emit') {
  try {
    const response = await fetch(`http://${address()}/health`, {
      headers: headers(),
      signal: AbortSignal.timeout(4000),
    })
    if (!response.ok) throw new Error(`/health answered ${response.status}: ${await response.text()}`)
  } catch (cause) {
    process.stderr.write(`${cause.message} ${cause.cause?.message ?? ''}\n`)
    process.exitCode = 1
  }
}

function address() {
  const given = option('admin-listen') ?? '127.0.0.1:9100'
  const port = given.slice(given.lastIndexOf(':') + 1)
  const host = given.slice(0, -port.length - 1)
  return `${{ '0.0.0.0': '127.0.0.1', '[::]': '[::1]' }[host] ?? host}:${port}`
}

function headers() {
  const file = option('admin-token-file')
  const token = option('admin-token') ?? (file && readFileSync(file, 'utf8').trim())
  return token ? { authorization: `Bearer ${token}` } : {}
}

function option(name) {
  const flag = words.findLastIndex((word) => word === `--${name}` || word.startsWith(`--${name}=`))
  if (flag !== -1) return words[flag].includes('=') ? words[flag].slice(name.length + 3) : words[flag + 1]
  return process.env[name.toUpperCase().replaceAll('-', '_')] || undefined
}

function commandLineOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
