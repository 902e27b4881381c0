import fc from 'fast-check'
import type { ContainerIdentity } from '../../src/model/agent-state.js'
import { type AnnotationMode, createAnnotation } from '../../src/tagging/statsd-annotation.js'

const known: ContainerIdentity = { frameworkId: 'f.w-0001', executorId: 'app.web.1', containerId: 'c-1' }
const prefix = 'f_w-0001.app_web_1.c-1.'
const tags = 'framework_id:f.w-0001,executor_id:app.web.1,container_id:c-1'

/** The row stands inside of a packet, so that a mistake at its edges is seen. */
function annotate(mode: AnnotationMode, identity: ContainerIdentity | undefined, row: string | Buffer): Buffer {
  const bytes = Buffer.from(row)
  const packet = Buffer.concat([Buffer.from('before:1|c|#x\n'), bytes, Buffer.from('\nafter:1|c|#y')])
  const start = 14
  const end = start + bytes.length
  const insertion = createAnnotation(mode)(identity, packet, start, end)
  if (insertion === undefined) return packet.subarray(start, end)
  return Buffer.concat([packet.subarray(start, insertion.at), insertion.bytes, packet.subarray(insertion.at, end)])
}

test.each<[string, AnnotationMode, ContainerIdentity | undefined, string, string]>([
  ['none leaves the row', 'none', known, 'hits:1|c|#a:b', 'hits:1|c|#a:b'],
  ['none leaves the row of nobody', 'none', undefined, 'hits:1|c', 'hits:1|c'],
  ['key_prefix: the ids in front, their dots as _', 'key_prefix', known, 'hits:1|c|#a:b', `${prefix}hits:1|c|#a:b`],
  ['key_prefix: dots of the name stay', 'key_prefix', known, 'a.b.c:1|c', `${prefix}a.b.c:1|c`],
  ['key_prefix: nobody', 'key_prefix', undefined, 'hits:1|c', 'unknown_container.hits:1|c'],
  ['key_prefix: an empty name', 'key_prefix', known, ':1|c', `${prefix}:1|c`],
  [
    'key_prefix: an id with a colon or a bar cannot end the name',
    'key_prefix',
    { frameworkId: 'f', executorId: 'e:1|c x', containerId: 'c' },
    'hits:1|c',
    'f.e_1_c_x.c.hits:1|c',
  ],
  ['tag_datadog: a section of its own where there is none', 'tag_datadog', known, 'hits:1|c', `hits:1|c|#${tags}`],
  ['tag_datadog: behind the rate', 'tag_datadog', known, 'hits:1|c|@0.1', `hits:1|c|@0.1|#${tags}`],
  ['tag_datadog: behind the sender’s tags', 'tag_datadog', known, 'hits:1|c|#a:b', `hits:1|c|#a:b,${tags}`],
  ['tag_datadog: no comma behind an empty section', 'tag_datadog', known, 'hits:1|c|#', `hits:1|c|#${tags}`],
  ['tag_datadog: no comma behind a comma', 'tag_datadog', known, 'hits:1|c|#a:b,', `hits:1|c|#a:b,${tags}`],
  ['tag_datadog: no comma behind a tag that ends in #', 'tag_datadog', known, 'h:1|c|#a#', `h:1|c|#a#${tags}`],
  ['tag_datadog: a section in the middle', 'tag_datadog', known, 'h:1|#a:b|c|@0.1', `h:1|#a:b,${tags}|c|@0.1`],
  ['tag_datadog: an empty section in the middle', 'tag_datadog', known, 'h:1|#|c', `h:1|#${tags}|c`],
  ['tag_datadog: the first of two sections', 'tag_datadog', known, 'h:1|c|#a|#b', `h:1|c|#a,${tags}|#b`],
  ['tag_datadog: nobody is a bare tag', 'tag_datadog', undefined, 'h:1|c|#a:b', 'h:1|c|#a:b,unknown_container'],
  ['tag_datadog: nobody, no section', 'tag_datadog', undefined, 'h:1|c', 'h:1|c|#unknown_container'],
  ['tag_datadog: a carriage return stays at the end', 'tag_datadog', known, 'h:1|c\r', `h:1|c|#${tags}\r`],
  [
    'tag_datadog: an id with a comma or a bar stays one tag',
    'tag_datadog',
    { frameworkId: 'f', executorId: 'a,b|c', containerId: 'c' },
    'h:1|c',
    'h:1|c|#framework_id:f,executor_id:a_b_c,container_id:c',
  ],
])('%s', (_rule, mode, identity, row, annotated) => {
  expect(annotate(mode, identity, row).toString()).toBe(annotated)
})

test('bytes that are not UTF-8 pass as they are', () => {
  const row = Buffer.from([0xff, 0xfe, 0x3a, 0x31, 0x7c, 0x63])
  expect(annotate('key_prefix', undefined, row)).toEqual(Buffer.concat([Buffer.from('unknown_container.'), row]))
})

test('no byte of a row is lost or changed, whatever it holds (seed 4)', () => {
  const modes = fc.constantFrom<AnnotationMode>('key_prefix', 'tag_datadog')
  const row = fc.array(fc.constantFrom(...Buffer.from('a:1|#,@\r\xff', 'latin1')), { maxLength: 20 })
  fc.assert(
    fc.property(modes, row, (mode, bytes) => {
      const annotated = annotate(mode, known, Buffer.from(bytes)).toString('latin1')
      const inserted = mode === 'key_prefix' ? prefix : tags
      const at = annotated.indexOf(inserted)
      const around = annotated.slice(0, at) + annotated.slice(at + inserted.length)
      const original = Buffer.from(bytes).toString('latin1')
      const left = around.length - original.length
      // Beside the ids only a comma or the start of a section may be new.
      expect([0, 1, 2]).toContain(left)
      expect(around.slice(0, at - left) + around.slice(at)).toBe(original)
    }),
    { seed: 4, numRuns: 2000 },
  )
})
