// Writes the dashboards anew from the catalogue of metrics: `npm run build`, then `node deploy/grafana/make.js`.
import { writeFileSync } from 'node:fs'
import { influxDashboard } from '../../dist/telemetry/dashboard-influx.js'
import { renderDashboard } from '../../dist/telemetry/dashboard-model.js'
import { prometheusDashboard } from '../../dist/telemetry/dashboard-prometheus.js'

const dashboards = { 'influxdb.json': influxDashboard(), 'prometheus.json': prometheusDashboard() }
for (const [name, dashboard] of Object.entries(dashboards)) {
  writeFileSync(new URL(name, import.meta.url), renderDashboard(dashboard))
}
