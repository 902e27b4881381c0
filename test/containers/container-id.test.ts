import { checkContainerId, stateFileName } from '../../src/containers/container-id.js'

test.each([
  ['an id is the name as it is', '165d9386-f7d9-4f55-b851-4d50087f7699', '165d9386-f7d9-4f55-b851-4d50087f7699'],
  ['slashes are left out', 'outer/nested/inner', 'outernestedinner'],
  ['a percent sign stays', 'a%2Fb', 'a%2Fb'],
  ['names beyond ASCII stay', 'grün', 'grün'],
  ['255 bytes are a name', 'x'.repeat(255), 'x'.repeat(255)],
  ['256 bytes are none', 'x'.repeat(256), undefined],
  ['nothing is none', '', undefined],
  ['slashes only are none', '//', undefined],
  ['the folder itself is none', '.', undefined],
  ['the parent folder is none', '..', undefined],
  ['the parent folder between slashes is none', './/.', undefined],
  ['a path upwards loses its slashes and stays inside', '../../etc/passwd', '....etcpasswd'],
  ['NUL is none', 'a\0b', undefined],
  ['a line break is none', 'a\nb', undefined],
  ['half a surrogate pair is none', 'a\ud800', undefined],
])('stateFileName: %s', (_rule, containerId, name) => {
  expect(stateFileName(containerId)).toBe(name)
})

test('an id without a file name is refused with what was expected', () => {
  expect(() => checkContainerId('outer/nested')).not.toThrow()
  expect(() => checkContainerId('..')).toThrow(expect.objectContaining({ code: 'DS_CONTAINER_ID' }))
})
