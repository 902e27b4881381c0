const differentPackets = 512

/**
 * Packets as a service's client library sends them: counters, gauges and timers of a few dozen names; two tags that never
 * change and one, the route, that does.
 *
 * @param {{ lines: number, tags?: boolean, series?: number }} settings `series`: how many different name and tags there are
 */
export function statsdPackets({ lines, tags = true, series = 200 }) {
  const count = Math.max(differentPackets, Math.ceil(series / lines))
  // Where there are many series, their tags are many as well.
  const routes = Math.min(1000, Math.max(5, series / 100))
  let line = 0
  return Array.from({ length: count }, () => {
    const rows = Array.from({ length: lines }, () => statsdLine(line++ % series, tags, line, routes))
    return Buffer.from(rows.join('\n'))
  })
}

const names = ['requests.count', 'requests.duration', 'cache.hits', 'cache.size', 'queue.length', 'errors.count']
const types = ['c', 'ms', 'c', 'g', 'g', 'c']

function statsdLine(series, tags, step, routes) {
  const kind = series % names.length
  const name = `shop.checkout.${names[kind]}.${Math.floor(series / names.length / routes)}`
  const value = kind === 1 ? (step % 997) / 8 : (step * 7919) % 10_007
  const section = tags ? `|#env:production,service:checkout,route:r${Math.floor(series / names.length) % routes}` : ''
  return `${name}:${value}|${types[kind]}${section}`
}
