import { html, setText, svg } from './dom.js'
import { count, perSecond, short, span } from './format.js'

const height = 130
const edge = { left: 40, right: 8, top: 10, bottom: 20 }
/** Seconds whose mean a point is: polls and batches come in bursts. */
const meanOf = 5
const points = 300
const series = [{ key: 'received' }, { key: 'forwarded' }, { key: 'dropped' }]

/** A hop's card: its account, and what it did in the last minutes. */
export function createHopCard(hop) {
  const values = { received: [], forwarded: [], dropped: [] }
  const totals = Object.fromEntries([...series.map(({ key }) => key), 'held'].map((key) => [key, figure(hop, key)]))
  const plot = html('div', { class: 'plot' })
  const card = html(
    'section',
    { class: 'card hop-card', 'aria-label': hop, 'data-hop': hop },
    html(
      'div',
      { class: 'card-head' },
      html('h2', {}, hop),
      html('span', { class: 'grow' }),
      html('span', { class: 'balance' }),
    ),
    html('dl', { class: 'figures' }, ...Object.values(totals).map(({ element }) => element)),
    plot,
  )
  const balance = card.querySelector('.balance')
  let last
  let hoverAt
  plot.addEventListener('pointermove', ({ offsetX }) => draw(offsetX))
  plot.addEventListener('pointerleave', () => draw(undefined))
  new ResizeObserver(() => draw(hoverAt)).observe(plot)

  return {
    card,
    /** Replaces what is known of the past. */
    setHistory(history) {
      for (const { key } of series) values[key] = [...history[key]]
      last = undefined
      draw(hoverAt)
    },
    show(account, atMs) {
      const dropped = Object.values(account.dropped).reduce((sum, each) => sum + each, 0)
      const now = { atMs, received: account.received, forwarded: account.forwarded, dropped }
      const droppedRate = Object.values(account.rates.dropped).reduce((sum, each) => sum + each, 0)
      totals.received.show(account.received, account.rates.received)
      totals.forwarded.show(account.forwarded, account.rates.forwarded)
      totals.dropped.show(dropped, droppedRate)
      totals.held.show(account.held)
      card.classList.toggle('drops', dropped > 0)
      const missing = account.received - account.forwarded - dropped - account.held
      setText(
        balance,
        missing === 0 ? 'balanced' : `${count(Math.abs(missing))} ${missing > 0 ? 'missing' : 'too many'}`,
      )
      balance.classList.toggle('wrong', missing !== 0)
      if (last !== undefined) add(now)
      last = now
      draw(hoverAt)
    },
  }

  // What came between two events belongs to the seconds between them, however late the second one is.
  function add(now) {
    const seconds = Math.max(0.001, (now.atMs - last.atMs) / 1000)
    if (seconds < 0.5) return
    for (const { key } of series) {
      const rate = Math.max(0, now[key] - last[key]) / seconds
      for (let step = 0; step < Math.min(points, Math.round(seconds) || 1); step++) values[key].push(rate)
      values[key].splice(0, values[key].length - points)
    }
  }

  function draw(x) {
    hoverAt = x
    if (plot.clientWidth > 0) plot.replaceChildren(drawPlot(values, plot.clientWidth, x))
  }
}

function figure(hop, key) {
  const total = html('dd', { 'data-hop': hop, 'data-figure': key })
  const rate = html('dd', { class: 'rate' })
  const element = html('div', { class: `figure ${key}` }, html('dt', {}, key), total, rate)
  return {
    element,
    show(value, perSecondNow) {
      setText(total, count(value))
      if (perSecondNow !== undefined) setText(rate, perSecond(perSecondNow))
    },
  }
}

function drawPlot(values, width, hoverX) {
  const means = Object.fromEntries(series.map(({ key }) => [key, smooth(values[key])]))
  const top = niceTop(Math.max(1, ...series.flatMap(({ key }) => means[key])))
  const inner = { width: width - edge.left - edge.right, height: height - edge.top - edge.bottom }
  const xOf = (index, length) => edge.left + inner.width * (1 - (length - 1 - index) / (points - 1))
  const yOf = (value) => edge.top + inner.height * (1 - value / top)
  const picture = svg('svg', {
    width,
    height,
    role: 'img',
    'aria-label': 'Datapoints a second over the last five minutes',
  })
  for (const share of [0, 0.5, 1]) {
    const y = yOf(top * share)
    picture.append(
      svg('path', { d: `M${edge.left} ${y} H${width - edge.right}`, class: 'grid' }),
      svg('text', { x: edge.left - 6, y: y + 4, class: 'axis', 'text-anchor': 'end' }, short(top * share)),
    )
  }
  for (const [minutes, label] of [
    [5, '−5 min'],
    [4, '−4'],
    [3, '−3'],
    [2, '−2'],
    [1, '−1'],
    [0, 'now'],
  ]) {
    const x = edge.left + inner.width * (1 - minutes / 5)
    const anchor = minutes === 5 ? 'start' : minutes === 0 ? 'end' : 'middle'
    picture.append(svg('text', { x, y: height - 5, class: 'axis', 'text-anchor': anchor }, label))
  }
  for (const { key } of series) {
    const line = means[key].map(
      (value, index) => `${xOf(index, means[key].length).toFixed(1)} ${yOf(value).toFixed(1)}`,
    )
    if (line.length < 2 || (key === 'dropped' && Math.max(...means[key]) === 0)) continue
    picture.append(svg('path', { d: `M${line.join('L')}`, class: `line ${key}` }))
  }
  if (hoverX !== undefined) picture.append(...hoverMarks(means, hoverX, { width, xOf }))
  return picture
}

function hoverMarks(means, hoverX, { width, xOf }) {
  const { length } = means.received
  const back = Math.round((1 - (hoverX - edge.left) / (width - edge.left - edge.right)) * (points - 1))
  const index = length - 1 - back
  if (back < 0 || index < 0) return []
  const x = xOf(index, length)
  const [received, forwarded, dropped] = series.map(({ key }) => means[key][index] ?? 0)
  const lost = dropped > 0 ? `  dropped ${short(dropped)}` : ''
  const figures = `${span(back)} ago:  in ${short(received)}  out ${short(forwarded)}${lost}`
  const anchor = x > width / 2 ? 'end' : 'start'
  return [
    svg('path', { d: `M${x} ${edge.top} V${height - edge.bottom}`, class: 'cursor' }),
    svg(
      'text',
      { x: x + (anchor === 'end' ? -6 : 6), y: edge.top + 10, class: 'hover', 'text-anchor': anchor },
      figures,
    ),
  ]
}

function smooth(values) {
  let sum = 0
  return values.map((value, index) => {
    sum += value - (values[index - meanOf] ?? 0)
    return Math.max(0, sum / Math.min(meanOf, index + 1))
  })
}

/** 1, 2 or 5 times a power of ten. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value)
}
