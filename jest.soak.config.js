/** Minutes of load on a machine that has nothing else to do: `npm run test:soak`. What is lost there is counted and shown. */
import config from './jest.config.js'

export default {
  ...config,
  testMatch: ['<rootDir>/test/soak/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 300_000,
  maxWorkers: 1,
}
