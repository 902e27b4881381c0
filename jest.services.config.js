/** Suites against real servers, which `test/services/install` installs. They fail where a server cannot be had. */
import config from './jest.config.js'

export default {
  ...config,
  testMatch: ['<rootDir>/test/services/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 180_000,
  maxWorkers: 1,
}
