import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import avsc from 'avsc'

/** Imports a module of the product that is measured; `program` is its cli.js. */
export function importProduct(program, path) {
  return import(pathToFileURL(join(dirname(program), path)).href)
}

export const metricListType = avsc.Type.forSchema(
  JSON.parse(readFileSync(new URL('../../../schema/metrics.avsc', import.meta.url), 'utf8')),
)

/**
 * A container file's header and some of its blocks, as our proxy writes them.
 *
 * @param {{ program: string, lists: number, datapoints: number, codec?: 'null' | 'deflate', topic: string, sender: number, series: number }}
 *   settings `lists` a block, `datapoints` a list; `series`: how many different heads there are
 */
export async function ocfBlocks({
  program,
  lists,
  datapoints,
  codec = 'null',
  topic,
  sender,
  series = 50,
  blocks = 16,
}) {
  const { encodeOcfBlock, encodeOcfHeader } = await importProduct(program, 'codec/avro-ocf.js')
  const { encodeDatapoints } = await importProduct(program, 'codec/datapoints.js')
  const syncMarker = randomBytes(16)
  let list = sender * 7
  const oneBlock = () =>
    encodeOcfBlock(
      Array.from({ length: lists }, () => ({
        topic,
        tags: tagsOf(sender, list++ % series),
        datapoints: encodeDatapoints(datapointsOf(datapoints, list)),
      })),
      syncMarker,
      codec,
    )
  return { header: encodeOcfHeader(syncMarker, codec), blocks: Array.from({ length: blocks }, oneBlock) }
}

const remembered = new Map()

function tagsOf(sender, series) {
  const key = `${sender} ${series}`
  const known = remembered.get(key)
  if (known !== undefined) return known
  const tags = [
    { key: 'framework_id', value: 'bench-framework-0001' },
    { key: 'executor_id', value: `shop.checkout.bench-container-${sender + 1}` },
    { key: 'container_id', value: `bench-container-${sender + 1}` },
    { key: 'env', value: 'production' },
    { key: 'service', value: 'checkout' },
    { key: 'route', value: `r${series}` },
  ]
  remembered.set(key, tags)
  return tags
}

function datapointsOf(count, step) {
  const timeMs = Date.now()
  return Array.from({ length: count }, (_, i) => ({
    name: `shop.checkout.requests.${(i + step) % 40}`,
    timeMs: timeMs + (i % 7),
    value: ((i + step) * 7919) % 10_007,
  }))
}
