import { createRequire } from 'node:module'
import type { Bus, OnRepeated, OutgoingMessage } from './bus.js'

/** One message on its way. */
interface Attempts {
  readonly message: OutgoingMessage
  readonly onRepeated: OnRepeated
  count: number
}

/** The part of kafkajs' own class that is used. */
interface Broker {
  produce(request: ProduceRequest): Promise<unknown>
}

interface ProduceRequest {
  readonly topicData: readonly {
    readonly partitions: readonly { readonly messages: readonly { readonly value: Buffer | null }[] }[]
  }[]
}

/**
 * The Kafka bus, telling of messages that it gives to a broker more than once within a publish.
 *
 * kafkajs repeats by itself what got no answer in time or on a connection that broke, and says nothing of it: a broker that was
 * only slow then has the messages twice. So its requests are looked at where they leave.
 */
export function tellingRepeats(bus: Bus): Bus {
  watchProduce()
  return {
    ...bus,
    async publish(topic, messages, onRepeated) {
      if (onRepeated === undefined) return bus.publish(topic, messages)
      for (const message of messages) remember({ message, onRepeated, count: 0 })
      try {
        await bus.publish(topic, messages)
      } finally {
        for (const message of messages) forget(message)
      }
    },
  }
}

// The driver hands kafkajs other Buffers, but on the same memory.
const byMemory = new WeakMap<ArrayBufferLike, Map<number, Attempts>>()

function remember(attempts: Attempts): void {
  const { buffer, byteOffset } = attempts.message.bytes
  const there = byMemory.get(buffer) ?? new Map<number, Attempts>()
  byMemory.set(buffer, there.set(byteOffset, attempts))
}

function forget({ bytes: { buffer, byteOffset } }: OutgoingMessage): void {
  byMemory.get(buffer)?.delete(byteOffset)
}

let watching = false

function watchProduce(): void {
  if (watching) return
  watching = true
  const require = createRequire(import.meta.url)
  const { prototype } = require('kafkajs/src/broker') as { prototype: Broker }
  const { produce } = prototype
  prototype.produce = function (this: Broker, request) {
    for (const { partitions } of request.topicData) {
      for (const { messages } of partitions) for (const { value } of messages) count(value)
    }
    return produce.call(this, request)
  }
}

function count(value: Buffer | null): void {
  const attempts = value === null ? undefined : byMemory.get(value.buffer)?.get(value.byteOffset)
  if (attempts === undefined) return
  attempts.count += 1
  if (attempts.count > 1) attempts.onRepeated(attempts.message)
}
