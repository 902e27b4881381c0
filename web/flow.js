import { html, setText, svg } from './dom.js'
import { count, perSecond, short } from './format.js'

const height = 62
const widest = 138
const narrowest = 112
const rowGap = 44
const dropLine = 17
/** Between two parts there must be room for a figure. */
const leastGap = 66
const verticalGap = 74

/**
 * The way of the data as a picture: parts, arrows with their rates, and under each hop what it dropped and why. It lies
 * where there is room for it, and stands on a narrow screen.
 */
export function createFlow(container) {
  let drawn = { shape: '', update: () => {} }
  let last
  new ResizeObserver(() => last && draw(last)).observe(container)
  return { show: draw }

  function draw(state) {
    last = state
    const width = container.clientWidth
    const shape = JSON.stringify([width, ...shapeOf(state)])
    if (drawn.shape !== shape) drawn = { shape, update: build(container, state, width) }
    drawn.update(state)
  }
}

/** What the picture is made of; figures change in it without drawing it anew. */
function shapeOf({ nodes, arrows, hops }) {
  return [
    nodes.map(({ id, title, detail }) => [id, title, detail]),
    arrows.map(({ from, to }) => [from, to]),
    hops.map(({ hop, dropped }) => [hop, Object.keys(dropped)]),
  ]
}

function build(container, state, width) {
  const layers = layersOf(state)
  const room = (width - (layers.length - 1) * leastGap) / layers.length
  const node = { width: Math.min(widest, room), height }
  const places =
    room >= narrowest ? lie(layers, state, width, node) : stand(layers, state, width, { width: widest, height })
  const updates = []
  const picture = svg(
    'svg',
    { width, height: places.height, role: 'img', 'aria-label': 'Flow of datapoints' },
    arrowHeads(),
  )
  for (const arrow of state.arrows) updates.push(drawArrow(picture, arrow, places))
  for (const each of state.nodes) updates.push(drawNode(picture, each, places))
  for (const hop of state.hops) updates.push(...drawDrops(picture, hop, state, places))
  container.replaceChildren(picture)
  return (now) => {
    for (const update of updates) update(now)
  }
}

/** Parts by how far they are from where data comes in; a part without an input stands before the one it feeds. */
function layersOf({ nodes, arrows }) {
  const depths = new Map(nodes.map(({ id }) => [id, 0]))
  for (let round = 0; round < nodes.length; round++) {
    for (const { from, to } of arrows) depths.set(to, Math.max(depths.get(to), depths.get(from) + 1))
  }
  for (const { id } of nodes) {
    const fed = arrows.filter(({ from }) => from === id).map(({ to }) => depths.get(to))
    if (!arrows.some(({ to }) => to === id) && fed.length > 0) depths.set(id, Math.min(...fed) - 1)
  }
  const layers = []
  for (const each of nodes) {
    const depth = depths.get(each.id)
    layers[depth] ??= []
    layers[depth].push(each)
  }
  return layers.filter(Boolean)
}

function lie(layers, { hops }, width, node) {
  const step = layers.length > 1 ? Math.min(260, (width - node.width) / (layers.length - 1)) : 0
  const left = (width - step * (layers.length - 1) - node.width) / 2
  const above = Math.max(...layers.map((layer) => rowsAbove(layer)))
  const mainTop = 22 + above * (node.height + rowGap)
  const boxes = new Map()
  let bottom = mainTop + node.height
  layers.forEach((layer, depth) => {
    const rows = rowsOf(layer)
    for (const [id, row] of rows) {
      const top = mainTop + row * (node.height + rowGap)
      boxes.set(id, { left: left + depth * step, top })
      bottom = Math.max(bottom, top + node.height)
    }
  })
  const drops = Math.max(0, ...hops.map(({ dropped }) => Object.keys(dropped).length))
  return { boxes, height: bottom + 10 + (drops > 0 ? 14 + drops * dropLine : 0), lies: true, node }
}

/** The main road stays straight: what stands beside a hop stands above it; several ends are spread around it. */
function rowsOf(layer) {
  const hop = layer.find((each) => each.hop !== undefined)
  if (hop === undefined) return new Map(layer.map(({ id }, index) => [id, index - (layer.length - 1) / 2]))
  const others = layer.filter((each) => each !== hop)
  return new Map([[hop.id, 0], ...others.map(({ id }, index) => [id, -1 - index])])
}

function rowsAbove(layer) {
  return -Math.min(0, ...rowsOf(layer).values())
}

/** The main road goes straight down; where something stands beside it, it goes down on the right. */
function stand(layers, { hops }, width, node) {
  const isWide = layers.some((layer) => layer.length > 1)
  const middle = (width - node.width) / 2
  const mainLeft = isWide ? Math.min(width - node.width - 4, middle + 100) : middle
  const besideLeft = Math.max(4, mainLeft - 240)
  const boxes = new Map()
  let top = 8
  for (const layer of layers) {
    const hop = layer.find((each) => each.hop !== undefined) ?? layer[0]
    const others = layer.filter((each) => each !== hop)
    boxes.set(hop.id, { left: mainLeft, top })
    others.forEach(({ id }, index) => {
      boxes.set(id, { left: besideLeft, top: top + index * (node.height + 8) })
    })
    const drops = Object.keys(hops.find((each) => each.hop === hop.hop)?.dropped ?? {}).length
    top += node.height + Math.max(verticalGap, 40 + drops * dropLine, (others.length - 1) * (node.height + 8) + 30)
  }
  return { boxes, height: top - verticalGap + 16, lies: false, node }
}

function drawArrow(picture, { from, to }, { boxes, lies, node }) {
  const [start, end] = [boxes.get(from), boxes.get(to)]
  const path = lies ? lyingPath(start, end, node) : standingPath(start, end, node)
  const line = svg('path', { d: path.d, class: 'arrow', 'marker-end': 'url(#head)' })
  const dashes = svg('path', { d: path.d, class: 'arrow-move' })
  const rate = svg('text', { x: path.x, y: path.y, class: 'arrow-rate', 'text-anchor': lies ? 'middle' : 'start' })
  rate.dataset.arrow = `${from} ${to}`
  const hint = svg('title')
  picture.append(svg('g', {}, line, dashes, rate, hint))
  return ({ arrows }) => {
    const now = arrows.find((arrow) => arrow.from === from && arrow.to === to)
    setText(rate, perSecond(now.rate))
    setText(hint, `${from} to ${to}: ${count(now.total)} datapoints so far`)
    const width = 1.5 + Math.min(5, Math.log10(1 + now.rate))
    line.style.strokeWidth = `${width}px`
    dashes.style.strokeWidth = `${width}px`
    dashes.classList.toggle('moves', now.rate >= 0.05)
  }
}

function lyingPath(start, end, node) {
  const [x1, y1] = [start.left + node.width, start.top + node.height / 2]
  if (start.top < end.top) return pathFromAbove(start, end, node)
  const [x2, y2] = [end.left - 7, end.top + node.height / 2]
  const bend = Math.max(20, (x2 - x1) / 2)
  const d = `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`
  return { d, x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 9 }
}

/** Into the top of a part, so that its other arrow and its figure have the side for themselves. */
function pathFromAbove(start, end, node) {
  const [x1, y1] = [start.left + node.width, start.top + node.height / 2]
  const [x2, y2] = [end.left + node.width / 2, end.top - 7]
  const d = `M${x1} ${y1} H${x2 - 14} Q${x2} ${y1} ${x2} ${y1 + 14} V${y2}`
  return { d, x: (x1 + end.left) / 2, y: y1 - 9 }
}

function standingPath(start, end, node) {
  const [x1, y1] = [start.left + node.width / 2, start.top + node.height]
  const [x2, y2] = [end.left + node.width / 2, end.top - 7]
  if (x1 === x2) return { d: `M${x1} ${y1} V${y2}`, x: x1 + 10, y: y1 + 24 }
  // From the side into the side, to the left of what the main road drops.
  const y = end.top + node.height / 2
  if (x1 < end.left)
    return { d: `M${x1} ${y1} V${y - 14} Q${x1} ${y} ${x1 + 14} ${y} H${end.left - 7}`, x: x1 - 44, y: y1 + 24 }
  const bend = (y2 - y1) / 2
  return { d: `M${x1} ${y1} C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`, x: x2 + 10, y: y2 - 12 }
}

function drawNode(picture, { id, title, detail = '', hop }, { boxes, node }) {
  const { left, top } = boxes.get(id)
  const box = svg('rect', { x: left, y: top, width: node.width, height: node.height, rx: 10 })
  const name = svg('text', { x: left + 12, y: top + 25, class: 'node-title' }, title)
  const below = svg('text', { x: left + 12, y: top + 45, class: 'node-detail' }, shorten(detail, node))
  const hint = svg('title', {}, detail === '' ? title : `${title}: ${detail}`)
  picture.append(svg('g', { class: hop === undefined ? 'node' : 'node hop' }, box, name, below, hint))
  return ({ hops }) => {
    const account = hops.find((each) => each.hop === hop)
    if (account === undefined) return
    const held = account.held > 0 ? `holds ${short(account.held)}` : shorten(detail, node)
    setText(below, held)
  }
}

function drawDrops(picture, { hop, dropped }, { nodes }, { boxes, lies, node }) {
  const part = nodes.find((each) => each.hop === hop)
  const reasons = Object.keys(dropped)
  if (part === undefined || reasons.length === 0) return []
  const { left, top } = boxes.get(part.id)
  const bottom = top + node.height
  const x = lies ? left + 20 : left
  const stub = lies
    ? svg('path', { d: `M${x} ${bottom} v12`, class: 'drop-arrow', 'marker-end': 'url(#drop-head)' })
    : svg('g')
  picture.append(stub)
  return reasons.map((reason, index) => {
    const text = svg('text', {
      x: lies ? x + 12 : x + node.width / 2 - 10,
      y: bottom + (lies ? 18 : 20) + index * dropLine,
      class: 'drop',
      'text-anchor': lies ? 'start' : 'end',
    })
    text.dataset.drop = `${hop} ${reason}`
    picture.append(text)
    return ({ hops }) => {
      const account = hops.find((each) => each.hop === hop)
      const rate = account.rates.dropped[reason] ?? 0
      setText(text, `${reason} ${rate >= 0.05 ? perSecond(rate) : `${short(account.dropped[reason])} in all`}`)
      text.classList.toggle('drops-now', rate >= 0.05)
    }
  })
}

function arrowHeads() {
  const head = (id) =>
    svg(
      'marker',
      {
        id,
        viewBox: '0 0 8 8',
        refX: 2,
        refY: 4,
        markerWidth: 8,
        markerHeight: 8,
        orient: 'auto',
        markerUnits: 'userSpaceOnUse',
      },
      svg('path', { d: 'M0 0 L8 4 L0 8 z', class: id }),
    )
  return svg('defs', {}, head('head'), head('drop-head'))
}

/** The end of a path says more than its beginning. */
function shorten(text, { width }) {
  const room = Math.floor((width - 20) / 7)
  return text.length > room ? `${text.slice(0, Math.ceil(room / 2) - 2)}…${text.slice(-Math.ceil(room / 2))}` : text
}

/** Where there is nothing to draw yet. */
export function emptyFlow(container) {
  container.replaceChildren(html('p', { class: 'muted' }, 'Waiting for figures'))
}
