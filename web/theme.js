import { byId } from './dom.js'

/** Light or dark as the system has it, until somebody chooses. */
const order = ['auto', 'light', 'dark']
const words = { auto: 'Auto', light: 'Light', dark: 'Dark' }
const key = 'dcos-stats-theme'

let chosen = order.includes(localStorage.getItem(key)) ? localStorage.getItem(key) : 'auto'
const button = byId('theme')
button.addEventListener('click', () => {
  chosen = order[(order.indexOf(chosen) + 1) % order.length]
  localStorage.setItem(key, chosen)
  show()
})
show()

function show() {
  document.documentElement.dataset.theme = chosen
  button.textContent = `Theme: ${words[chosen]}`
}
