import { byId, html, setText } from './dom.js'
import { age, bytesPerSecond, count, perSecond, short } from './format.js'

const rate = { sort: 'rate', title: 'Datapoints/s', cell: ({ rate }) => perSecond(rate), share: ({ rate }) => rate }
const bytes = { sort: 'bytes', title: 'Bytes/s', cell: ({ byteRate }) => bytesPerSecond(byteRate) }
const drops = { sort: 'drops', title: 'Dropped', cell: dropsCell, isBad: isDropping }
const last = { sort: 'age', title: 'Last', cell: ({ lastMs }, atMs) => (lastMs ? age(atMs - lastMs) : 'never') }

const tables = {
  containers: {
    title: 'Containers',
    columns: [
      { sort: 'name', title: 'Container', cell: nameCell },
      { title: 'Framework', cell: ({ framework = '' }) => framework, spare: true },
      rate,
      bytes,
      drops,
      last,
    ],
  },
  frameworks: {
    title: 'Frameworks',
    columns: [
      { sort: 'name', title: 'Framework', cell: nameCell },
      { title: 'Containers', cell: ({ containers }) => count(containers), number: true },
      rate,
      bytes,
      drops,
      last,
    ],
  },
  names: {
    title: 'Metric names',
    columns: [{ sort: 'name', title: 'Name', cell: nameCell }, rate, bytes, last],
  },
}

const firstLimit = 20
const pauseMs = 200

/** Containers, frameworks and metric names; which rows there are, and in which order, is the daemon's to say. */
export function createTables(onQuery) {
  let shown = 'containers'
  let state
  const query = { search: '', sort: 'rate', limit: firstLimit }
  let timer

  const tabs = Object.entries(tables).map(([name, { title }]) =>
    html('button', { type: 'button', role: 'tab', 'data-tab': name, onclick: () => choose(name) }, title),
  )
  byId('tabs').replaceChildren(...tabs)
  byId('search').addEventListener('input', ({ target }) => {
    clearTimeout(timer)
    timer = setTimeout(() => ask({ search: target.value, limit: firstLimit }), pauseMs)
  })
  byId('more').addEventListener('click', () => ask({ limit: Math.min(1000, query.limit * 5) }))
  choose(shown)

  return {
    query: () => new URLSearchParams(query).toString(),
    show(now) {
      state = now
      draw()
    },
  }

  function choose(name) {
    shown = name
    for (const tab of tabs) tab.setAttribute('aria-selected', String(tab.dataset.tab === name))
    draw()
  }

  function ask(changes) {
    Object.assign(query, changes)
    onQuery()
  }

  function draw() {
    if (state === undefined) return
    const { columns } = tables[shown]
    const { rows, found } = state[shown]
    const most = Math.max(...rows.map((row) => row.rate), 0)
    const body = html('tbody', {}, ...rows.map((row) => drawRow(row, columns, most, state.atMs)))
    byId('table').replaceChildren(html('thead', {}, html('tr', {}, ...columns.map(drawHead))), body)
    setText(byId('found'), foundText(rows.length, found))
    byId('more').hidden = rows.length === found
  }

  function drawHead({ sort, title, spare }, index) {
    const attributes = { scope: 'col', class: `${index === 0 ? '' : 'number'}${spare ? ' spare' : ''}` }
    if (sort === undefined) return html('th', attributes, title)
    const isSorted = query.sort === sort
    const button = html(
      'button',
      { type: 'button', class: isSorted ? 'sorted' : '', onclick: () => ask({ sort }) },
      title,
    )
    return html('th', { ...attributes, 'aria-sort': isSorted ? 'descending' : 'none' }, button)
  }

  function foundText(rows, found) {
    if (found === 0) return query.search === '' ? 'Nothing yet' : `Nothing is called like “${query.search}”`
    const what = tables[shown].title.toLowerCase()
    return rows === found ? `${count(found)} ${what}` : `${count(rows)} of ${count(found)} ${what}`
  }
}

function drawRow(row, columns, most, atMs) {
  const cells = columns.map(({ cell, share, isBad, spare }, index) => {
    const content = cell(row, atMs)
    const attributes = { class: index === 0 ? 'name' : `number${isBad?.(row) ? ' bad' : ''}${spare ? ' spare' : ''}` }
    const element = html(index === 0 ? 'th' : 'td', index === 0 ? { ...attributes, scope: 'row' } : attributes, content)
    if (share && most > 0) element.append(barOf(share(row) / most))
    return element
  })
  return html('tr', { 'data-row': row.id }, ...cells)
}

function barOf(share) {
  const bar = html('span', { class: 'share', 'aria-hidden': 'true' })
  bar.style.width = `${Math.round(share * 100)}%`
  return bar
}

function nameCell({ id, name }) {
  if (name === undefined || name === id) return html('span', { class: 'id', title: id }, id)
  return html('span', {}, html('span', { class: 'id' }, name), html('span', { class: 'second', title: id }, id))
}

function dropsCell({ dropRate, dropped, kernelDrops }) {
  if (dropped === undefined) return html('span', { class: 'muted' }, '–')
  const parts = [dropRate >= 0.05 ? `${perSecond(dropRate)}, ${short(dropped)} in all` : count(dropped)]
  if (kernelDrops) parts.push(`${short(kernelDrops)} packets by the kernel`)
  return parts.join(' + ')
}

function isDropping({ dropped = 0, kernelDrops = 0 }) {
  return dropped + kernelDrops > 0
}
