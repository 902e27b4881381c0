/** What this worker was started with. */
export const settings = JSON.parse(process.argv[2] ?? '{}')

/**
 * Answers the calls of support/processes.js.
 *
 * @param {Record<string, (given: any) => unknown>} methods may return promises
 */
export function answer(methods) {
  process.on('message', async ({ call, method, given }) => {
    try {
      process.send({ call, result: await methods[method](given) })
    } catch (error) {
      process.send({ call, error: error.stack })
    }
  })
  // The bench has gone.
  process.on('disconnect', () => process.exit())
}
