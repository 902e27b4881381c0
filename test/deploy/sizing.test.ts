import { readFileSync } from 'node:fs'

const page = readFileSync(new URL('../../deploy/SIZING.md', import.meta.url), 'utf8')
const { renderSizing } = (await import(new URL('../sizing/tables.js', import.meta.url).href)) as {
  renderSizing: (page: string) => string
}

test('the tables of deploy/SIZING.md are what its measured figures make: `node test/sizing/tables.js` writes them anew', () => {
  expect(renderSizing(page)).toBe(page)
})

test('other figures make other tables', () => {
  const dearer = page.replace(/(`consume\.influx\.usPerDatapoint`.*\| )[\d.]+ \|/, '$116.4 |')
  expect(dearer).not.toBe(page)
  const rowOf = (text: string) => /^\| influx \| ([\d,]+) \|/m.exec(text)?.[1]?.replaceAll(',', '')
  expect(Number(rowOf(renderSizing(dearer)))).toBeCloseTo(30_500, -2)
  expect(Number(rowOf(page))).toBeGreaterThan(100_000)
})

test('a figure that is missing is told by its name', () => {
  expect(() => renderSizing(page.replace('`proxyRssMb`', '`proxyRss`'))).toThrow('proxyRssMb')
})
