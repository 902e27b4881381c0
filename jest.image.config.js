/** Suites that build and run the image with docker, and the README in an empty container. They fail where there is no docker. */
import config from './jest.config.js'

export default {
  ...config,
  testMatch: ['<rootDir>/test/image/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 180_000,
  maxWorkers: 1,
}
