import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const kafkaVersion = '4.4.0'

// slf4j-simple: without any slf4j backend Kafka prints nothing, also not why it died.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>test.tools</groupId><artifactId>kafka-broker</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

/**
 * The folder with Kafka's jars (43 MB), fetched from Maven Central by `mvn` once and kept. Rejects with what to install
 * where that cannot be had: a suite that needs a broker fails without one.
 */
export async function kafkaFolder(): Promise<string> {
  const folder = join(cacheFolder(), `kafka-${kafkaVersion}`)
  if (existsSync(join(folder, 'lib'))) return folder
  await mkdir(dirname(folder), { recursive: true })
  const work = await mkdtemp(`${folder}-`)
  try {
    await writeFile(join(work, 'pom.xml'), pom)
    const goal = ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib', '-DincludeScope=runtime']
    await run('mvn', goal, { cwd: work, timeout: 240_000 })
    // Another suite may have been quicker.
    await rename(work, folder).catch((error) => {
      if (!existsSync(join(folder, 'lib'))) throw error
    })
  } catch (cause) {
    const what = `Kafka ${kafkaVersion} could not be fetched: ${(cause as Error).message}`
    const advice = 'Needed: java and mvn (Debian: default-jdk-headless maven) and access to Maven Central'
    throw new Error(`${what}\n${advice}, or a broker in KAFKA_BROKERS=host:port.`, { cause })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return folder
}

function cacheFolder(): string {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')
  return join(process.env.XDG_CACHE_HOME ?? join(root, 'node_modules', '.cache'), 'dcos-stats')
}
