import { readFileSync } from 'node:fs'
import avro, { type Type, type types } from 'avsc'
import { messageOf, StatsError } from '../platform/errors.js'
import { GenerationCache } from './generation-cache.js'

/** The one copy, beside src and dist alike. */
const schemaFile = new URL('../../schema/metrics.avsc', import.meta.url)

/** `dcos.metrics.MetricList` of schema/metrics.avsc. */
export const metricListType = avro.Type.forSchema(JSON.parse(readFileSync(schemaFile, 'utf8'))) as types.RecordType

/**
 * The schema as it stands in the headers that we write: without docs, keys sorted, no blanks, as the first releases
 * wrote theirs.
 */
export const headerSchemaJson = JSON.stringify(withoutDocs(JSON.parse(readFileSync(schemaFile, 'utf8'))))

/**
 * How data of a writer's schema is read.
 * - own: it is our schema (the same parsing canonical form): the bytes are taken as they are.
 * - resolved: avsc reads it into objects of our schema, which are encoded again.
 */
export type ReadingPlan =
  | { readonly path: 'own' }
  | { readonly path: 'resolved'; readonly writer: Type; readonly resolver: Resolver }

type Resolver = ReturnType<Type['createResolver']>

const longestRememberedSchema = 64 * 1024

const plans = new GenerationCache<string, ReadingPlan>({
  limit: 1024 * 1024,
  weightOf: (plan) => (plan.path === 'own' ? 1024 : 16 * 1024),
})

/**
 * How to read what was written with this schema.
 *
 * @param schemaJson the value of `avro.schema` in a container file's header
 * @throws StatsError `DS_AVRO_SCHEMA` that names the field where the schema cannot be resolved to ours
 */
export function planReading(schemaJson: string): ReadingPlan {
  const known = plans.get(schemaJson)
  if (known !== undefined) return known
  const plan = newPlan(parseWriterSchema(schemaJson))
  if (schemaJson.length <= longestRememberedSchema) plans.set(schemaJson, plan)
  return plan
}

function newPlan(writer: Type): ReadingPlan {
  if (writer.equals(metricListType)) return { path: 'own' }
  try {
    // Only the last part of a record's name has to match, as the specification has it since 1.9.
    const resolver = metricListType.createResolver(writer, { ignoreNamespaces: true })
    return { path: 'resolved', writer, resolver }
  } catch (cause) {
    const reason = findMismatch(metricListType, writer, '') ?? messageOf(cause)
    throw new StatsError(
      'DS_AVRO_SCHEMA',
      `The sender's schema ${nameOf(writer)} cannot be read as ${metricListType.name}: ${reason}. Use schema/metrics.avsc.`,
      { cause },
    )
  }
}

function parseWriterSchema(schemaJson: string): Type {
  try {
    return avro.Type.forSchema(JSON.parse(schemaJson))
  } catch (cause) {
    throw new StatsError(
      'DS_AVRO_SCHEMA',
      `The sender's avro.schema is not an Avro schema (${messageOf(cause)}). Use schema/metrics.avsc.`,
      { cause },
    )
  }
}

/** avsc says what is wrong but not where: this finds the first field that does not fit. */
function findMismatch(reader: Type, writer: Type, path: string): string | undefined {
  if (isRecord(reader)) return isRecord(writer) ? findInRecord(reader, writer, path) : wrongType(reader, writer, path)
  if (isArray(reader)) {
    if (!isArray(writer)) return wrongType(reader, writer, path)
    return findMismatch(reader.itemsType, writer.itemsType, `${path}[]`)
  }
  return canResolve(reader, writer) ? undefined : wrongType(reader, writer, path)
}

function findInRecord(reader: types.RecordType, writer: types.RecordType, path: string): string | undefined {
  for (const field of reader.fields) {
    const fieldPath = path === '' ? field.name : `${path}.${field.name}`
    const written = writer.fields.find(({ name }) => name === field.name)
    if (written === undefined) return `field "${fieldPath}" is missing`
    const mismatch = findMismatch(field.type, written.type, fieldPath)
    if (mismatch !== undefined) return mismatch
  }
  if (canResolve(reader, writer)) return undefined
  const place = path === '' ? 'the list' : `field "${path}"`
  return `${place} is a record called "${writer.name ?? ''}", where "${reader.name ?? ''}" is expected`
}

function wrongType(reader: Type, writer: Type, path: string): string {
  const place = path === '' ? 'the list' : `field "${path}"`
  return `${place} has the type ${nameOf(writer)}, where ${nameOf(reader)} is expected`
}

function canResolve(reader: Type, writer: Type): boolean {
  try {
    reader.createResolver(writer, { ignoreNamespaces: true })
    return true
  } catch {
    return false
  }
}

function nameOf(type: Type): string {
  const text = type.name ?? (isArray(type) || type.typeName.startsWith('union') ? String(type) : type.typeName)
  return `"${text.length > 100 ? `${text.slice(0, 100)}...` : text}"`
}

function isRecord(type: Type): type is types.RecordType {
  return type.typeName === 'record'
}

function isArray(type: Type): type is types.ArrayType {
  return type.typeName === 'array'
}

function withoutDocs(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDocs)
  if (typeof schema !== 'object' || schema === null) return schema
  const kept = Object.entries(schema).filter(([key]) => key !== 'doc')
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, withoutDocs(value)]))
}
