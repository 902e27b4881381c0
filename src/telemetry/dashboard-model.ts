/** As much of Grafana's JSON model of a dashboard (schema version 39: Grafana 10.3 and later) as ours need. */
export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly tags: readonly string[]
  readonly schemaVersion: 39
  readonly editable: true
  readonly refresh: string
  readonly time: { readonly from: string; readonly to: string }
  readonly templating: { readonly list: readonly Variable[] }
  readonly panels: readonly (RowPanel | Panel)[]
}

export interface Variable {
  readonly name: string
  readonly label: string
  readonly type: 'datasource' | 'query' | 'textbox'
  readonly query: string
  readonly datasource?: DataSource
  readonly definition?: string
  readonly multi?: boolean
  readonly includeAll?: boolean
  readonly allValue?: string
  readonly refresh?: 1 | 2
  readonly sort?: 1
}

export interface DataSource {
  readonly type: 'prometheus' | 'influxdb'
  readonly uid: string
}

interface Place {
  readonly h: number
  readonly w: number
  readonly x: number
  readonly y: number
}

export interface RowPanel {
  readonly id: number
  readonly type: 'row'
  readonly title: string
  readonly collapsed: boolean
  readonly gridPos: Place
  readonly panels: readonly Panel[]
}

export interface Panel extends Plot {
  readonly id: number
  readonly gridPos: Place
}

/** A panel that has no place yet. */
export interface Plot {
  readonly type: 'timeseries' | 'stat'
  readonly title: string
  readonly description: string
  readonly datasource: DataSource
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit: string
      readonly min?: 0
      readonly color: { readonly mode: 'palette-classic' | 'shades'; readonly fixedColor?: string }
      readonly custom?: { readonly fillOpacity: number; readonly showPoints: 'never' }
    }
    readonly overrides: readonly []
  }
  readonly targets: readonly Target[]
}

export interface Target {
  readonly refId: string
  readonly datasource: DataSource
  /** PromQL. */
  readonly expr?: string
  readonly legendFormat?: string
  /** InfluxQL. */
  readonly query?: string
  readonly rawQuery?: true
  readonly resultFormat?: 'time_series'
  readonly alias?: string
}

/** Panels under a heading. */
export interface Section {
  readonly title: string
  /** Closed until somebody opens it; its panels ask for nothing until then. */
  readonly collapsed: boolean
  readonly plots: readonly Plot[]
}

const WIDTH = 8
const HEIGHT = 7
const IN_A_ROW = 3

/** The file of a dashboard: a line for each panel, so that a change shows where it is. */
export function renderDashboard({ panels, ...head }: Dashboard): string {
  const lines = panels.map((panel) => `    ${JSON.stringify(panel)}`)
  return `${JSON.stringify(head, undefined, 2).slice(0, -2)},\n  "panels": [\n${lines.join(',\n')}\n  ]\n}\n`
}

/** Numbers the panels and gives each its place, three in a row. */
export function layOut(sections: readonly Section[]): (RowPanel | Panel)[] {
  const panels: (RowPanel | Panel)[] = []
  let id = 0
  let y = 0
  for (const { title, collapsed, plots } of sections) {
    const heading = { id: ++id, type: 'row', title, collapsed, gridPos: { h: 1, w: 24, x: 0, y: y++ } } as const
    const placed = plots.map((plot, index) => ({ ...plot, id: ++id, gridPos: placeOf(index, y) }))
    panels.push({ ...heading, panels: collapsed ? placed : [] })
    if (collapsed) continue
    panels.push(...placed)
    y += Math.ceil(plots.length / IN_A_ROW) * HEIGHT
  }
  return panels
}

function placeOf(index: number, y: number): Place {
  const [column, line] = [index % IN_A_ROW, Math.floor(index / IN_A_ROW)]
  return { h: HEIGHT, w: WIDTH, x: column * WIDTH, y: y + line * HEIGHT }
}

/** A plot over time; shades of red where what it shows is loss. */
export function timeSeries(
  plot: Pick<Plot, 'title' | 'description' | 'datasource'> & {
    unit: string
    loss?: boolean
    targets: readonly Omit<Target, 'refId' | 'datasource'>[]
  },
): Plot {
  const { unit, loss = false, targets, ...rest } = plot
  return {
    type: 'timeseries',
    ...rest,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        color: loss ? { mode: 'shades', fixedColor: 'red' } : { mode: 'palette-classic' },
        custom: { fillOpacity: 10, showPoints: 'never' },
      },
      overrides: [],
    },
    targets: targets.map((target, index) => ({ refId: refId(index), datasource: rest.datasource, ...target })),
  }
}

/** A, B, ... Z, AA, AB, ... */
function refId(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26))
  return index < 26 ? letter : refId(Math.floor(index / 26) - 1) + letter
}
