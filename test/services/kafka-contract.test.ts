import { busContract } from '../support/bus-contract.js'
import { useKafka } from './support/kafka-broker.js'
import { openTestBus } from './support/kafka-bus.js'

busContract(
  'Kafka',
  async () => {
    const kafka = await useKafka()
    return {
      openBus: async () => (await openTestBus(kafka.brokers, { createTopics: { partitions: 4, replication: 1 } })).bus,
      dispose: () => kafka.stop(),
    }
  },
  { timeoutMs: 60_000 },
)
