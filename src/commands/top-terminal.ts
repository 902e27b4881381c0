import type { ReadStream, WriteStream } from 'node:tty'
import { type LiveQuery, type LiveSort, type LiveState, type LiveTableName, liveTables } from '../model/live.js'
import { systemClock } from '../platform/clock.js'
import { messageOf } from '../platform/errors.js'
import { renderTop, type TopView } from './top-screen.js'

export interface TopTerminal {
  readonly stdin: Pick<ReadStream, 'setRawMode' | 'resume' | 'pause' | 'on' | 'off'>
  readonly stdout: Pick<WriteStream, 'write' | 'columns' | 'rows' | 'on' | 'off'>
  /** States of the daemon; throws where it does not answer. */
  readonly follow: (query: LiveQuery, signal: AbortSignal) => AsyncIterable<LiveState>
  readonly view: TopView
  /** Rows of the table; absent: as many as there is room for. */
  readonly limit: number | undefined
  readonly signal: AbortSignal
}

const screen = {
  enter: '\x1b[?1049h\x1b[?25l',
  leave: '\x1b[?25h\x1b[?1049l',
  home: '\x1b[H',
  lineEnd: '\x1b[K',
  below: '\x1b[J',
}
const sortKeys: Readonly<Record<string, LiveSort>> = { r: 'rate', b: 'bytes', d: 'drops', a: 'age', n: 'name' }
const help = 'q quit   tab table   r b d a n sort by rate bytes drops age name   / search'
const retryMs = 1000
/** What is asked for, so that a larger window has its rows at once. */
const mostRows = 200

/** Draws until `q`, Ctrl-C or the signal. Rejects where the daemon did not answer at the beginning; later it is asked again. */
export async function runTopTerminal(options: TopTerminal): Promise<void> {
  const { stdin, stdout } = options
  const top = new Top(options)
  stdout.write(screen.enter)
  stdin.setRawMode(true)
  stdin.resume()
  stdin.on('data', top.onKeys)
  stdout.on('resize', top.draw)
  options.signal.addEventListener('abort', top.quit, { once: true })
  if (options.signal.aborted) top.quit()
  try {
    await top.run()
  } finally {
    stdout.off('resize', top.draw)
    stdin.off('data', top.onKeys)
    stdin.setRawMode(false)
    stdin.pause()
    stdout.write(screen.leave)
  }
}

class Top {
  readonly #options: TopTerminal
  #view: TopView
  #state: LiveState | undefined
  #trouble = ''
  /** What is being typed behind `/`. */
  #typed: string | undefined
  #reading = new AbortController()
  #ended = false

  constructor(options: TopTerminal) {
    this.#options = options
    this.#view = options.view
  }

  async run(): Promise<void> {
    while (!this.#ended) {
      this.#reading = new AbortController()
      try {
        await this.#read(this.#reading.signal)
      } catch (cause) {
        if (this.#state === undefined) throw cause
        this.#trouble = messageOf(cause)
        this.draw()
        await systemClock.sleep(retryMs, this.#reading.signal)
      }
    }
  }

  readonly quit = () => {
    this.#ended = true
    this.#reading.abort()
  }

  readonly onKeys = (data: Buffer | string) => {
    for (const key of String(data)) this.#onKey(key)
    this.draw()
  }

  readonly draw = () => {
    if (this.#state === undefined || this.#ended) return
    const { stdout } = this.#options
    // A serial line, or a terminal that nobody looks at, is 0 by 0.
    const [columns, rows] = [stdout.columns || 80, stdout.rows || 24]
    const all = renderTop(this.#state, this.#view, columns)
    const body = all.slice(0, Math.max(1, rows - 1))
    const lines = [
      ...body,
      ...new Array(Math.max(0, rows - 1 - body.length)).fill(''),
      this.#footer().slice(0, columns),
    ]
    const { home, lineEnd, below } = screen
    this.#options.stdout.write(`${home}${lines.join(`${lineEnd}\r\n`)}${lineEnd}${below}`)
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { sort, search } = this.#view
    for await (const state of this.#options.follow({ sort, search, limit: this.#options.limit ?? mostRows }, signal)) {
      this.#state = state
      this.#trouble = ''
      this.draw()
    }
  }

  #onKey(key: string): void {
    if (key === '\x03') this.quit()
    else if (this.#typed !== undefined) this.#type(key)
    else if (key === 'q') this.quit()
    else if (key === '/') this.#typed = ''
    else if (key === '\t') this.#show(liveTables[(liveTables.indexOf(this.#view.show) + 1) % liveTables.length]!)
    else if (liveTables[Number(key) - 1] !== undefined) this.#show(liveTables[Number(key) - 1]!)
    else if (sortKeys[key] !== undefined) this.#ask({ sort: sortKeys[key] })
  }

  #type(key: string): void {
    const typed = this.#typed ?? ''
    if (key === '\r' || key === '\n') {
      this.#typed = undefined
      this.#ask({ search: typed })
    } else if (key === '\x1b') this.#typed = undefined
    else if (key === '\x7f' || key === '\b') this.#typed = typed.slice(0, -1)
    else if (key >= ' ') this.#typed = typed + key
  }

  #show(show: LiveTableName): void {
    this.#view = { ...this.#view, show }
  }

  /** Other rows: the daemon is asked anew. */
  #ask(changes: Partial<Pick<TopView, 'sort' | 'search'>>): void {
    this.#view = { ...this.#view, ...changes }
    this.#reading.abort()
  }

  #footer(): string {
    if (this.#typed !== undefined) return `search: ${this.#typed}_   enter to find, esc to leave`
    return this.#trouble === '' ? help : this.#trouble
  }
}
