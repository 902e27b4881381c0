const firstWaitMs = 500
const longestWaitMs = 10_000
/** Events come each second: after this time without one the connection is taken for dead. */
const silenceMs = 10_000

/**
 * Follows /events with a token where one is needed, which the browser's own EventSource could not send, and connects again
 * whenever it ends.
 *
 * @param on `event(name, data)`, `state('open' | 'away' | 'token')`; with `token` it waits until `restart` is called
 */
export function followEvents(on) {
  let query = ''
  let current
  let waitMs = firstWaitMs

  return {
    /** Asks for other rows from now on. */
    restart(search) {
      query = search
      current?.abort()
      waitMs = firstWaitMs
      run()
    },
  }

  async function run() {
    const abort = new AbortController()
    current = abort
    while (!abort.signal.aborted) {
      try {
        const isWelcome = await readOnce(abort.signal)
        if (!isWelcome) return
      } catch {
        // Why it ended does not matter: it is tried again.
      }
      if (abort.signal.aborted) return
      on.state('away')
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      waitMs = Math.min(waitMs * 2, longestWaitMs)
    }
  }

  async function readOnce(signal) {
    const silence = new AbortController()
    let timer = setTimeout(() => silence.abort(), silenceMs)
    try {
      const token = sessionStorage.getItem('dcos-stats-token')
      const headers = token === null ? {} : { authorization: `Bearer ${token}` }
      const response = await fetch(`events?${query}`, { headers, signal: AbortSignal.any([signal, silence.signal]) })
      if (response.status === 401) {
        on.state('token')
        return false
      }
      if (!response.ok) throw new Error(String(response.status))
      on.state('open')
      waitMs = firstWaitMs
      for await (const { name, data } of eventsOf(response.body)) {
        clearTimeout(timer)
        timer = setTimeout(() => silence.abort(), silenceMs)
        if (!signal.aborted) on.event(name, JSON.parse(data))
      }
      return true
    } finally {
      clearTimeout(timer)
    }
  }
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    text += value
    const events = text.split('\n\n')
    text = events.pop()
    for (const event of events) {
      const lines = event.split('\n')
      yield { name: fieldOf(lines, 'event: '), data: fieldOf(lines, 'data: ') }
    }
  }
}

function fieldOf(lines, prefix) {
  return lines.find((line) => line.startsWith(prefix))?.slice(prefix.length) ?? ''
}
