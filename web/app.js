import { createHopCard } from './chart.js'
import { byId, setText } from './dom.js'
import { createFlow, emptyFlow } from './flow.js'
import { span } from './format.js'
import { followEvents } from './stream.js'
import { createTables } from './tables.js'

const flow = createFlow(byId('flow'))
emptyFlow(byId('flow'))
const hopCards = new Map()
let history = new Map()
const tables = createTables(() => stream.restart(tables.query()))
const stream = followEvents({ event: showEvent, state: showConnection })
stream.restart(tables.query())

byId('token-form').addEventListener('submit', (event) => {
  event.preventDefault()
  sessionStorage.setItem('dcos-stats-token', byId('token').value.trim())
  byId('token').value = ''
  byId('token-dialog').close()
  stream.restart(tables.query())
})

function showEvent(name, data) {
  if (name === 'history') {
    history = new Map(data.hops.map((hop) => [hop.hop, hop]))
    for (const [hop, card] of hopCards) if (history.has(hop)) card.setHistory(history.get(hop))
  }
  if (name === 'live') showState(data)
}

function showState(state) {
  const { role, version, ready, checks, hops, atMs, startedAtMs } = state
  document.title = role === 'dcos-stats' ? role : `${role} · dcos-stats`
  setText(byId('role'), role)
  setText(byId('version'), version)
  setText(byId('uptime'), `up ${span((atMs - startedAtMs) / 1000)}`)
  showReadiness(ready, checks)
  flow.show(state)
  for (const hop of hops) cardOf(hop.hop).show(hop, atMs)
  tables.show(state)
}

function cardOf(hop) {
  let card = hopCards.get(hop)
  if (card === undefined) {
    card = createHopCard(hop)
    hopCards.set(hop, card)
    if (history.has(hop)) card.setHistory(history.get(hop))
    byId('hops').append(card.card)
    sortCards()
  }
  return card
}

/** In the order of the stream, whichever part was there first. */
function sortCards() {
  const order = ['statsd-proxy', 'collector', 'consume']
  const placeOf = (hop) => (order.includes(hop) ? order.indexOf(hop) : order.length)
  const sorted = [...hopCards].sort(([a], [b]) => placeOf(a) - placeOf(b))
  byId('hops').replaceChildren(...sorted.map(([, { card }]) => card))
}

function showReadiness(ready, checks) {
  const waiting = Object.entries(checks).filter(([, check]) => !check.ready)
  setText(byId('ready'), ready ? 'ready' : 'waiting')
  byId('ready').className = `pill ${ready ? 'good' : 'bad'}`
  showNotice(waiting.map(([part, { reason = 'not ready' }]) => `${part}: ${reason}`).join('; '))
}

function showConnection(state) {
  byId('main').classList.toggle('stale', state !== 'open')
  if (state === 'away') {
    setText(byId('ready'), 'away')
    byId('ready').className = 'pill bad'
    showNotice('The daemon does not answer. These are its last figures; it is asked again.')
  }
  if (state === 'token') {
    setText(byId('ready'), 'locked')
    byId('refused').hidden = sessionStorage.getItem('dcos-stats-token') === null
    sessionStorage.removeItem('dcos-stats-token')
    if (!byId('token-dialog').open) byId('token-dialog').showModal()
  }
}

function showNotice(text) {
  setText(byId('notice'), text)
  byId('notice').hidden = text === ''
}
