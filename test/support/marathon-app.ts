import { z } from 'zod'

const port = z.number().int().min(0).max(65535)
const seconds = z.number().int().min(0)
const name = z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)

const portDefinition = z.strictObject({
  port,
  protocol: z.enum(['tcp', 'udp', 'udp,tcp']).optional(),
  name: name.optional(),
  labels: z.record(z.string(), z.string()).optional(),
})

const container = z
  .strictObject({
    type: z.enum(['MESOS', 'DOCKER']),
    docker: z.strictObject({
      image: z.string().min(1),
      forcePullImage: z.boolean().optional(),
      privileged: z.boolean().optional(),
      parameters: z.array(z.strictObject({ key: z.string().min(1), value: z.string() })).optional(),
    }),
    volumes: z
      .array(
        z.strictObject({
          containerPath: z.string().startsWith('/'),
          hostPath: z.string().min(1),
          mode: z.enum(['RO', 'RW']),
        }),
      )
      .optional(),
  })
  .refine(({ type, docker }) => type === 'DOCKER' || (!docker.parameters && docker.privileged === undefined), {
    message: 'parameters and privileged are for the Docker containerizer',
  })

const healthCheck = z
  .strictObject({
    protocol: z.enum(['HTTP', 'HTTPS', 'TCP', 'COMMAND', 'MESOS_HTTP', 'MESOS_HTTPS', 'MESOS_TCP']),
    path: z.string().startsWith('/').optional(),
    port: port.optional(),
    portIndex: port.optional(),
    command: z.strictObject({ value: z.string().min(1) }).optional(),
    gracePeriodSeconds: seconds,
    intervalSeconds: seconds,
    timeoutSeconds: seconds,
    maxConsecutiveFailures: z.number().int().min(0),
    delaySeconds: seconds.optional(),
    ignoreHttp1xx: z.boolean().optional(),
  })
  .refine(({ protocol, command }) => (protocol === 'COMMAND') === (command !== undefined), {
    message: 'COMMAND has a command, and nothing else has',
  })
  .refine(
    ({ protocol, port, portIndex }) => protocol === 'COMMAND' || (port === undefined) !== (portIndex === undefined),
    {
      message: 'one of port and portIndex',
    },
  )

const role = z.enum(['slave_public', '*'])

/**
 * An app as Marathon 1.5 and later takes it by POST /v2/apps; what no file of ours needs is left out and so refused.
 * Source: docs/docs/rest-api/public/api/v2/types/*.raml of mesosphere/marathon.
 */
export const marathonApp = z
  .strictObject({
    id: z.string().regex(/^(\/[a-z0-9]([a-z0-9.-]*[a-z0-9])?)+$/),
    cmd: z.string().min(1).optional(),
    args: z.array(z.string()).min(1).optional(),
    instances: z.number().int().min(0),
    cpus: z.number().min(0.001),
    mem: z.number().min(32),
    disk: z.number().min(0).optional(),
    user: z.string().optional(),
    acceptedResourceRoles: z.array(role).min(1).optional(),
    constraints: z
      .array(
        z
          .tuple([z.string().min(1), z.enum(['UNIQUE', 'CLUSTER', 'GROUP_BY', 'LIKE', 'UNLIKE', 'MAX_PER'])])
          .rest(z.string()),
      )
      .optional(),
    networks: z.array(
      z.strictObject({ mode: z.enum(['container', 'container/bridge', 'host']), name: name.optional() }),
    ),
    portDefinitions: z.array(portDefinition),
    requirePorts: z.boolean().optional(),
    container,
    env: z.record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/), z.string()).optional(),
    labels: z.record(z.string(), z.string()).optional(),
    healthChecks: z.array(healthCheck).optional(),
    upgradeStrategy: z
      .strictObject({ minimumHealthCapacity: z.number().min(0).max(1), maximumOverCapacity: z.number().min(0).max(1) })
      .optional(),
    taskKillGracePeriodSeconds: seconds.optional(),
  })
  .refine(({ cmd, args }) => (cmd === undefined) !== (args === undefined), { message: 'one of cmd and args' })
  .refine(({ healthChecks = [], portDefinitions }) =>
    healthChecks.every(({ portIndex = 0 }) => portIndex < Math.max(portDefinitions.length, 1)),
  )
  // Marathon assigns a service port to 0 and then wants that very port on the agent (its issue 2869).
  .refine(({ requirePorts, portDefinitions }) => !requirePorts || portDefinitions.every(({ port }) => port !== 0), {
    message: 'with requirePorts no port may be 0',
  })

export type MarathonApp = z.infer<typeof marathonApp>
