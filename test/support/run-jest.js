// Starts jest with the one Node flag that ES modules need, the same on every platform and Node version.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const jest = join(dirname(createRequire(import.meta.url).resolve('jest/package.json')), 'bin', 'jest.js')
// A test that failed may leave a socket open; the run must end all the same.
const options = ['--forceExit']
const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning']
const child = spawn(process.execPath, [...flags, jest, ...options, ...process.argv.slice(2)], { stdio: 'inherit' })
child.on('exit', (code, signal) => {
  if (!process.argv.some((argument) => argument === '-c' || argument.startsWith('--config'))) {
    process.stderr.write(
      'Left out: test/services (Kafka, InfluxDB, Graphite, a browser: npm run test:services), ' +
        'test/image (docker: npm run test:image), test/soak (minutes of load: npm run test:soak).\n',
    )
  }
  process.exitCode = code ?? (signal ? 1 : 0)
})
