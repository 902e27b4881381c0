import type { Admin } from 'kafkajs'
import type { Clock } from '../platform/clock.js'
import type { KafkaClient } from './kafka-client.js'
import { settledWithin, withDeadline } from './kafka-deadline.js'

const requestMs = 30_000

/** Asks the cluster about topics and positions, on a connection that is made when needed and made anew after a failure. */
export interface KafkaAdmin {
  /** Rejects also where there is no answer within 30 s. */
  ask<T>(question: (admin: Admin) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export function createKafkaAdmin({ newClient, clock }: { newClient: () => KafkaClient; clock: Clock }): KafkaAdmin {
  let current: { client: KafkaClient; admin: Admin; connected: Promise<void> } | undefined

  return {
    async ask(question) {
      current ??= connect()
      const using = current
      try {
        return await withDeadline(
          clock,
          requestMs,
          using.connected.then(() => question(using.admin)),
        )
      } catch (error) {
        if (current === using) current = undefined
        using.client.kill()
        throw error
      }
    },
    async close() {
      if (current === undefined) return
      const { client, admin } = current
      current = undefined
      await settledWithin(clock, 1_000, admin.disconnect())
      client.kill()
    },
  }

  function connect() {
    const client = newClient()
    const admin = client.kafka.admin()
    return { client, admin, connected: admin.connect() }
  }
}
