import type { Type, types } from 'avsc'
import { messageOf } from '../platform/errors.js'
import { type AvroCursor, malformed } from './avro-cursor.js'
import { metricListType, type ReadingPlan } from './avro-schema.js'

type ResolvedPlan = Extract<ReadingPlan, { path: 'resolved' }>

/** No schema of metrics nests so deep; a recursive one could nest until the stack ends. */
const deepestNesting = 64

/** Items that take no bytes (null, a record without fields) are counted against this, beside the block's own bytes. */
const itemsForNothing = 65_536

/**
 * Reads one list that was written with another schema: avsc resolves it, and it is encoded again with ours.
 *
 * @param cursor stands at the list, and behind it afterwards
 * @returns the list in the Avro encoding of schema/metrics.avsc
 * @throws StatsError `DS_AVRO_MALFORMED`
 */
export function recode({ writer, resolver }: ResolvedPlan, cursor: AvroCursor): Uint8Array {
  const start = cursor.pos
  // avsc trusts counts and sizes: it would read behind the end, or build a list of 2^40 items. So bounds are checked before.
  new BoundsCheck(cursor).walk(writer, 0)
  const bytes = Buffer.from(cursor.bytes.buffer, cursor.bytes.byteOffset + start, cursor.pos - start)
  try {
    return metricListType.toBuffer(metricListType.fromBuffer(bytes, resolver, true))
  } catch (cause) {
    return malformed(`holds a list that cannot be read with its schema (${messageOf(cause)})`)
  }
}

/** What always takes the same number of bytes. */
const sizes: Readonly<Record<string, number>> = { null: 0, boolean: 1, float: 4, double: 8 }

/** Walks a value by its writer's schema; throws `DS_AVRO_MALFORMED` where it does not fit into its bytes. */
class BoundsCheck {
  readonly #cursor: AvroCursor
  #itemsLeft: number

  constructor(cursor: AvroCursor) {
    this.#cursor = cursor
    this.#itemsLeft = cursor.end - cursor.pos + itemsForNothing
  }

  walk(type: Type, depth: number): void {
    if (depth > deepestNesting) malformed(`holds a value nested more than ${deepestNesting} deep`)
    const { typeName } = type
    const size = typeName === 'fixed' ? (type as unknown as { size: number }).size : sizes[typeName]
    if (size !== undefined) this.#cursor.skip(size)
    else if (typeName === 'int' || typeName === 'long') this.#cursor.skipLong()
    else if (typeName === 'bytes' || typeName === 'string') this.#cursor.skipString()
    else if (typeName === 'enum') this.#branch((type as unknown as types.EnumType).symbols)
    else this.#walkNested(type, depth + 1)
  }

  #walkNested(type: Type, depth: number): void {
    if (type.typeName === 'array') {
      const { itemsType } = type as types.ArrayType
      this.#blocks(() => this.walk(itemsType, depth))
    } else if (type.typeName === 'map') {
      const valuesType = (type as types.MapType).valuesType as Type
      this.#blocks(() => {
        this.#cursor.skipString()
        this.walk(valuesType, depth)
      })
    } else if (type.typeName.startsWith('union')) {
      this.walk(this.#branch((type as types.UnwrappedUnionType).types), depth)
    } else {
      for (const field of (type as types.RecordType).fields) this.walk(field.type, depth)
    }
  }

  #branch<Branch>(branches: readonly Branch[]): Branch {
    const index = this.#cursor.readLong()
    if (index < 0 || index >= branches.length) malformed(`holds the branch ${index} of ${branches.length}`)
    return branches[index]!
  }

  #blocks(walkItem: () => void): void {
    for (;;) {
      const count = this.#cursor.readLong()
      if (count === 0) return
      const size = count < 0 ? this.#cursor.readLength() : undefined
      const start = this.#cursor.pos
      this.#itemsLeft -= Math.abs(count)
      if (this.#itemsLeft < 0) malformed('holds more items than its bytes can')
      for (let left = Math.abs(count); left > 0; left--) walkItem()
      if (size !== undefined && this.#cursor.pos !== start + size)
        malformed('holds an array of another size than it says')
    }
  }
}
