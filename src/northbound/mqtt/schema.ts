/** The keys of an MQTT sink. */
import { z } from 'zod'
import { durationPattern, parseDuration } from '../../contracts/units.ts'
import { contradictions } from './contradictions.ts'
import { templateProblem } from './template.ts'
import { topicProblem } from './topics.ts'

const text = z.string({ error: 'expected a text' })

const duration = (from: number) =>
  z
    .string({ error: 'expected a duration such as 250ms, 1s or 5m' })
    .regex(new RegExp(durationPattern), { error: 'expected a duration such as 250ms, 1s or 5m', abort: true })
    .refine((given) => parseDuration(given)! >= from, { error: `expected at least ${from}ms` })
    .transform((given) => parseDuration(given)!)

const topic = text.superRefine((given, context) => {
  const problem = topicProblem(given)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

const url = text.superRefine((given, context) => {
  const expected = 'expected an address such as mqtt://broker:1883, mqtts://broker:8883, ws://… or wss://…'
  const parsed = URL.canParse(given) ? new URL(given) : undefined
  if (parsed === undefined || !/^(mqtts?|wss?):$/.test(parsed.protocol) || parsed.hostname === '') {
    context.addIssue({ code: 'custom', message: expected })
  }
})

export const FORMATS = ['values', 'tags', 'ecp', 'uns', 'template'] as const

const settings = z.object({
  url: url.meta({ description: 'mqtt://, mqtts://, ws:// or wss:// with host and port.' }),
  version: z
    .preprocess(
      (given) => (typeof given === 'number' ? String(given) : given),
      z.enum(['5', '3.1.1'], { error: 'expected 5 or 3.1.1' }),
    )
    .default('5')
    .meta({ description: 'The protocol’s version: 5 or 3.1.1.' }),
  clientId: text
    .max(256)
    .optional()
    .meta({ description: 'Default: fieldgate-{gateway}-{sink}. No two clients of a broker may have the same.' }),
  username: text.optional().meta({ description: 'For brokers that want one.' }),
  password: text.optional().meta({ description: 'Best as ${env:NAME} or ${file:/path}.' }),
  tls: z
    .object({
      ca: text
        .optional()
        .meta({ description: 'File of the authority that signed the broker’s certificate, or its PEM text.' }),
      cert: text.optional().meta({ description: 'File of our own certificate, or its PEM text.' }),
      key: text.optional().meta({ description: 'File of its key, or the PEM text.' }),
      passphrase: text.optional().meta({ description: 'Of the key.' }),
      servername: text
        .optional()
        .meta({ description: 'The name the broker’s certificate must carry, if it is not the host’s.' }),
      verify: z
        .boolean({ error: 'expected true or false' })
        .default(true)
        .meta({ description: 'false: any certificate is accepted. Only for a first try.' }),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), { error: 'cert and key belong together' })
    .optional()
    .meta({ description: '{ ca, cert, key, passphrase, servername, verify }: for mqtts:// and wss://.' }),
  keepAlive: duration(1000).prefault('60s').meta({ description: 'A connection that is silent for longer is tested.' }),
  connectTimeout: duration(100).prefault('10s').meta({ description: 'How long a broker may take to accept.' }),
  ackTimeout: duration(100).prefault('30s').meta({
    description:
      'How long it may take to confirm; then the connection is made anew and everything unconfirmed repeated.',
  }),
  qos: z
    .literal([0, 1, 2], { error: 'expected 0, 1 or 2' })
    .default(1)
    .meta({ description: '0 loses what is under way when a connection breaks; 1 and 2 are confirmed by the broker.' }),
  retain: z.boolean({ error: 'expected true or false' }).default(false).meta({
    description: 'The broker keeps the last message of a topic. Never for a backlog that is sent beside live data.',
  }),
  format: z.enum(FORMATS).default('values').meta({
    description: 'values, tags, ecp: Neuron’s formats; uns: one value a topic; template: the text of `template`.',
  }),
  topic: topic.optional().meta({
    description:
      'With {sink} {gateway} {enterprise} {site} {area} {line} {device} {group} {tag}. Default /neuron/{sink}/{device}/{group}; for uns {enterprise}/{site}/{area}/{line}/{device}/{group}/{tag}.',
  }),
  template: text
    .superRefine((given, context) => {
      const problem = templateProblem(given)
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    })
    .optional()
    .meta({
      description:
        'With format: template. ${timestamp} ${clock} (synced, holdover, unsynced, corrected, device) ${node} ${group} ${tags} ${tag_values} ${tag_errors} ${tag_error_values}, and ${gateway} ${enterprise} ${site} ${area} ${line}; "${tags}" in quotes becomes the array itself.',
    }),
  uploadErrors: z.boolean({ error: 'expected true or false' }).default(true).meta({
    description: 'false: tags without a good value are left out, as Neuron does with "Upload Tag Error Code" off.',
  }),
  events: z
    .union([topic, z.literal(false)], { error: 'expected a topic, or false' })
    .default('fieldgate/{gateway}/events')
    .meta({ description: 'Where gaps, clock corrections and events of the log are sent as JSON; false: nowhere.' }),
  properties: z.boolean({ error: 'expected true or false' }).default(true).meta({
    description:
      'MQTT 5: user properties position (the key to drop repeats by), quality, historical, and clock where the time is not of a set clock: unsynced (uncertain; with boot and monotonic), corrected, holdover, device.',
  }),
  maxInFlight: z
    .int({ error: 'expected a whole number' })
    .min(1, { error: 'expected 1 to 65535' })
    .max(65_535, { error: 'expected 1 to 65535' })
    .default(200)
    .meta({ description: 'Messages that may await confirmation together.' }),
  writeTopic: topic
    .default('/neuron/{sink}/write/req')
    .meta({ description: 'Where write requests are taken, if `commands` allows any.' }),
  writeAnswerTopic: topic.default('/neuron/{sink}/write/resp').meta({ description: 'Where they are answered.' }),
  readTopic: topic
    .default('/neuron/{sink}/read/req')
    .meta({ description: 'Where read requests are taken, if `commands` allows any.' }),
  readAnswerTopic: topic.default('/neuron/{sink}/read/resp').meta({ description: 'Where they are answered.' }),
  driverState: z
    .object({
      every: duration(1000).prefault('1s').meta({ description: 'How often.' }),
      topic: topic.default('/neuron/{sink}/state/update').meta({ description: 'Where to.' }),
    })
    .optional()
    .meta({ description: '{ every, topic }: whether each device answers, in Neuron’s form.' }),
})

/** As the schema parsed them, beside what all sinks have. */
export type MqttSettings = z.output<typeof settings>

export const mqttSchema = {
  settings,
  problems: (parsed: unknown) => contradictions(parsed as MqttSettings),
}
