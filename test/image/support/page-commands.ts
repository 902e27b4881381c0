export interface Result {
  readonly line: RegExp
  readonly shows: RegExp
  readonly on?: 'screen'
}

/** What one sees who types a line: in its own output, or on the screen of the daemons that run meanwhile. */
export const results: readonly Result[] = [
  { line: /^npm ci$/, shows: /added \d+ packages/ },
  { line: /^npm run build$/, shows: /> tsc|> node/ },
  { line: /^npm run lint$/, shows: /Checked \d+ files.*No fixes applied/ },
  { line: /^npm test$/, shows: /Tests: +(\d+ skipped, )?\d+ passed, \d+ total[\s\S]*Left out: test\/services/ },
  { line: /^npm run docs$/, shows: /current/ },
  { line: /^npm start/, shows: /Running, all in this process[\s\S]*Try it: [\s\S]*web\.requests/, on: 'screen' },
  { line: /^echo 'hello:1\|c\|#who:me' \| nc/, shows: /\bhello\b.*who/, on: 'screen' },
  { line: /^echo 'hello:nonsense\|c' \| nc/, shows: /\bhello\b.*\b0\b/, on: 'screen' },
  { line: /^bin\/dcos-stats collector .*&$/, shows: /taking in Avro streams/, on: 'screen' },
  {
    line: /^bin\/dcos-stats statsd-proxy exec .* -- bin\/dcos-stats emit statsd$/,
    shows: /statsd_emitter/,
    on: 'screen',
  },
  { line: /^bin\/dcos-stats statsd-proxy .*&$/, shows: /the isolator module can announce containers/, on: 'screen' },
  { line: /^bin\/dcos-stats consume .*&$/, shows: /serving \/ \(live\)/, on: 'screen' },
  { line: /^curl .*\/ready$/, shows: /"ready":true/ },
  { line: /^curl .*\/ledger$/, shows: /"hop":"statsd-proxy"/ },
  { line: /^curl .*\/metrics \| grep/, shows: /^dcos_stats_\w+(\{.*\})? [1-9]/m },
  { line: /^bin\/dcos-stats top .*:9100 --once$/, shows: /statsd-proxy[\s\S]*containers: \d+[\s\S]*try-it/ },
  { line: /^bin\/dcos-stats top .*:9104 --once$/, shows: /statsd-proxy[\s\S]*containers: 1\n[\s\S]*exec/ },
  {
    line: /^bin\/dcos-stats audit /,
    shows: /statsd-proxy[\s\S]*collector[\s\S]*consume[\s\S]*all (can have )?arrived/,
  },
  { line: /^bin\/dcos-stats emit statsd /, shows: /"lines":400000,.*"msg":"done"/ },
  { line: /^bin\/dcos-stats emit avro --count 10$/, shows: /"hop":"emit","received":10,"forwarded":10,/ },
  { line: /^bin\/dcos-stats validate collector /, shows: /The options of collector are right: 1 given/ },
  { line: /^bin\/dcos-stats config show collector /, shows: /^kafka-brokers +broker-0:9092 +flag --kafka-brokers$/m },
  { line: /^bin\/dcos-stats completion bash$/, shows: /^complete .* dcos-stats$/m },
]

/** The page's shell blocks, each as its lines, without what is said about them. */
export function shellBlocks(page: string): string[][] {
  return [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => linesOf(block))
}

function linesOf(block: string): string[] {
  const lines = block.split('\n').map((line) => line.replace(/\s+# .*$/, ''))
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}

export function resultOf(line: string): Result {
  const result = results.find((row) => row.line.test(line))
  if (result === undefined) throw new Error(`A command whose result nobody looks at: ${line}`)
  return result
}

export function startsDaemon(line: string): boolean {
  return /^npm start|&$|^bin\/dcos-stats (consume|local-stack|statsd-proxy exec)/.test(line)
}

/** What a reader types into a second terminal while the first one shows what runs. */
export function isForSecondTerminal(line: string): boolean {
  return !startsDaemon(line) && /\| nc |127\.0\.0\.1:910\d|^bin\/dcos-stats emit/.test(line)
}
