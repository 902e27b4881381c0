import { configShowOptions, validateOptions } from './about.js'
import { auditOptions } from './audit.js'
import { collectorOptions } from './collector.js'
import { consumeOptions } from './consume.js'
import { emitAvroOptions, emitStatsdOptions } from './emit.js'
import { kafkaOverridePrefix } from './kafka.js'
import { localStackOptions } from './local-stack.js'
import { renderMarkdown, renderVariables } from './render.js'
import { statsdProxyExecOptions, statsdProxyOptions } from './statsd-proxy.js'
import { topOptions } from './top.js'

/** What may stand between `<!-- options:<name> -->` and `<!-- /options -->`. */
const tables: Readonly<Record<string, () => string>> = {
  'statsd-proxy': () => renderMarkdown(statsdProxyOptions),
  'statsd-proxy-exec': () => renderMarkdown(statsdProxyExecOptions),
  collector: () => renderMarkdown(collectorOptions),
  consume: () => renderMarkdown(consumeOptions),
  'emit-statsd': () => renderMarkdown(emitStatsdOptions),
  'emit-avro': () => renderMarkdown(emitAvroOptions),
  'local-stack': () => renderMarkdown(localStackOptions),
  audit: () => renderMarkdown(auditOptions),
  top: () => renderMarkdown(topOptions),
  validate: () => renderMarkdown(validateOptions),
  'config-show': () => renderMarkdown(configShowOptions),
  'kafka-override': () => renderVariables(consumeOptions, kafkaOverridePrefix),
}

/**
 * A Markdown page with its option tables as the rows have them now; everything else stays.
 * Throws where a marker names no table or is never closed.
 */
export function renderReadme(page: string): string {
  const closed = /<!-- options:([\w-]+) -->(?:(?!<!-- options:)[\s\S])*?<!-- \/options -->/g
  const opened = page.match(/<!-- options:/g) ?? []
  if (opened.length !== (page.match(closed) ?? []).length)
    throw new Error('An options marker is misspelt or never closed')
  return page.replace(
    closed,
    (_old, name: string) => `<!-- options:${name} -->\n\n${tableOf(name)}\n\n<!-- /options -->`,
  )
}

function tableOf(name: string): string {
  const render = Object.hasOwn(tables, name) ? tables[name] : undefined
  if (render === undefined)
    throw new Error(`No options of this name: ${name}. Known: ${Object.keys(tables).join(', ')}`)
  return render()
}
