import { influxTargetOf, influxUrl } from '../../src/outputs/influx-address.js'

test.each([
  [['influx', undefined], 'http://influx:8086'],
  [['10.0.0.1', 9999], 'http://10.0.0.1:9999'],
  [['::1', 8086], 'http://[::1]:8086'],
  [['https://eu.influx.example/', 8086], 'https://eu.influx.example'],
  [['http://proxy:81/influx', 8086], 'http://proxy:81/influx'],
] as const)('influxUrl: %j is %s', ([host, port], url) => {
  expect(influxUrl(host, port)).toBe(url)
})

test.each([
  [
    'a database: InfluxDB 1',
    { createDb: true, outputDatabase: 'm', outputUsername: '', outputPassword: '' },
    { version: 1, database: 'm', createDatabase: true },
  ],
  [
    'a database with everything',
    { createDb: false, outputDatabase: 'm', outputUsername: 'u', outputPassword: 'p', retentionPolicy: 'week' },
    { version: 1, database: 'm', createDatabase: false, username: 'u', password: 'p', retentionPolicy: 'week' },
  ],
  [
    'bucket and organisation: InfluxDB 2',
    { createDb: true, bucket: 'b', org: 'o', token: 't' },
    { version: 2, bucket: 'b', org: 'o', token: 't' },
  ],
  ['a bucket alone: InfluxDB 3', { createDb: true, bucket: 'b', token: 't' }, { version: 3, bucket: 'b', token: 't' }],
])('influxTargetOf: %s', (_rule, address, target) => {
  expect(influxTargetOf(address)).toEqual(target)
})
