import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Answer, Route } from './answer.js'

const directory = new URL('../../web/', import.meta.url)

/** The live page: these files and nothing else; `/` is the first. */
const files = [
  'index.html',
  'live.css',
  'icon.svg',
  'app.js',
  'chart.js',
  'dom.js',
  'flow.js',
  'format.js',
  'stream.js',
  'tables.js',
  'theme.js',
] as const

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Nothing but the page's own files and events is loaded, and no other page may show this one. */
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
}

/** `/` and the files that belong to it. They hold no figures: those come by /events. */
export function pageRoutes(): Readonly<Record<string, Route>> {
  const routes = Object.fromEntries(files.map((name) => [`/${name}`, () => file(name)]))
  return { '/': () => file(files[0]), ...routes }
}

async function file(name: string): Promise<Answer> {
  const body = await readFile(new URL(name, directory), 'utf8')
  return { status: 200, type: types[extname(name)] ?? 'text/plain', body, headers }
}
