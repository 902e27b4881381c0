// Compiles the WebAssembly sources of src/codec. As a program (`npm run wasm`) it writes each as a TypeScript module beside its source,
// which is kept with it: so nobody who builds or runs the program needs a compiler for them.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import loadWabt from 'wabt'

const codec = new URL('../../src/codec/', import.meta.url)
/** What each is called in its TypeScript module. */
export const wasmModules = { scratch: 'scratchWasm', 'statsd-lines': 'statsdLinesWasm' }

/** The module that `name`.wat describes, in Base64. */
export async function compileWat(name) {
  const wabt = await loadWabt()
  const source = readFileSync(new URL(`${name}.wat`, codec), 'utf8')
  const parsed = wabt.parseWat(`${name}.wat`, source, { simd: true, bulk_memory: true, mutable_globals: true })
  parsed.validate()
  return Buffer.from(parsed.toBinary({}).buffer).toString('base64')
}

async function writeModule(name, constant) {
  const lines = (await compileWat(name)).match(/.{1,110}/g).map((line) => `  '${line}'`)
  const text = `/** ${name}.wat, compiled: \`npm run wasm\` writes it. */\nexport const ${constant}: string =\n${lines.join(' +\n')}\n`
  writeFileSync(new URL(`${name}-wasm.ts`, codec), text)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, constant] of Object.entries(wasmModules)) await writeModule(name, constant)
}
