import { type CatalogRow, catalog, type MetricId } from './catalog.js'

/** One number. The hot path keeps its cells and adds to `value` directly. */
export interface Cell {
  value: number
}

/** One cell with what it is called; `label` is undefined where the metric has none or where it is the total. */
export interface Reading {
  readonly id: MetricId
  readonly row: CatalogRow
  readonly label: string | undefined
  readonly value: number
}

/** The numbers of one process, by the ids of the catalogue. Once seen, a cell is shown for ever, as 0 where nothing happened. */
export class Counters {
  readonly #cells = new Map<MetricId, Map<string | undefined, Cell>>()
  readonly #refreshers = new Set<() => void>()

  /** The cell of a metric, made with 0 where it is new. */
  cell(id: MetricId, label?: string): Cell {
    const labels = this.#cells.get(id) ?? new Map<string | undefined, Cell>()
    const cell = labels.get(label) ?? { value: 0 }
    this.#cells.set(id, labels.set(label, cell))
    return cell
  }

  add(id: MetricId, amount = 1, label?: string): void {
    this.cell(id, label).value += amount
  }

  set(id: MetricId, value: number, label?: string): void {
    this.cell(id, label).value = value
  }

  value(id: MetricId, label?: string): number {
    return this.#cells.get(id)?.get(label)?.value ?? 0
  }

  /** Forgets a label that will not come back, such as a container that ended. */
  forget(id: MetricId, label: string): void {
    this.#cells.get(id)?.delete(label)
  }

  /** @param refresh brings cells up to date that are costly to keep so; called before each reading */
  onRead(refresh: () => void): () => void {
    this.#refreshers.add(refresh)
    return () => this.#refreshers.delete(refresh)
  }

  /** Everything, after it has been brought up to date. */
  *read(): Generator<Reading> {
    this.refresh()
    for (const id of this.#cells.keys()) yield* this.readingsOf(id)
  }

  /** One metric with all its labels, as it stands. */
  *readingsOf(id: MetricId): Generator<Reading> {
    for (const [label, { value }] of this.#cells.get(id) ?? []) yield { id, row: catalog[id], label, value }
  }

  /** Brings the cells up to date that are costly to keep so. */
  refresh(): void {
    for (const refresh of this.#refreshers) refresh()
  }
}
