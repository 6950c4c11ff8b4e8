/** Writes the reference pages and JSON Schemas of docs/ from the schemas; `--verify` says whether they are up to date. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { boards, kinds } from '../src/catalog.ts'
import { boardAlone } from '../src/config/board-alone.ts'
import * as boardShapes from '../src/config/board-shapes.ts'
import * as shapes from '../src/config/shapes.ts'
import { rhythmOf } from '../src/contracts/rhythm.ts'
import { type LightState, STATES } from '../src/health/language/states.ts'
import { COUNTERS, metricOf, type Scope } from '../src/health/metrics/counters.ts'
import { GAUGES } from '../src/health/metrics/gauges.ts'

const { drivers, sinks } = await kinds()
const NAMES = '^[A-Za-z0-9_][A-Za-z0-9._-]*$'

type Json = Record<string, unknown>

function jsonOf(schema: z.ZodObject): Json {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json
  delete json.$schema
  return json
}

/** An object's keys as the schema has them, with more beside them; nothing else is allowed. */
function object(schema: z.ZodObject, beside: Json = {}, required: readonly string[] = []): Json {
  const json = jsonOf(schema)
  return {
    ...json,
    properties: { ...(json.properties as Json), ...beside },
    required: [...((json.required as string[] | undefined) ?? []), ...required],
    additionalProperties: false,
  }
}

const map = (value: Json, description: string): Json => ({
  type: 'object',
  description,
  propertyNames: { pattern: NAMES, maxLength: shapes.LONGEST_NAME },
  additionalProperties: value,
})

/** Kinds of one section: a device may be on any connection, so its keys are those of any driver, each in any of its forms. */
function merged(base: z.ZodObject, schemas: readonly z.ZodObject[], beside: Json = {}): Json {
  const json = object(base, beside)
  const properties = { ...(json.properties as Json) }
  for (const key of new Set(schemas.flatMap((schema) => Object.keys(schema.shape)))) {
    const forms = schemas.flatMap((schema) => (key in schema.shape ? [(jsonOf(schema).properties as Json)[key]] : []))
    const distinct = [...new Map(forms.map((form) => [JSON.stringify(form), form])).values()]
    properties[key] = distinct.length === 1 ? distinct[0] : { anyOf: distinct }
  }
  return { ...json, properties }
}

const tag = merged(
  shapes.tagShape,
  Object.values(drivers).map((kind) => kind.tag),
  { fields: map({ $ref: '#/$defs/tag' }, 'Several tags of one word, by their own names.') },
)
const group = object(shapes.groupShape, {
  tags: {
    anyOf: [
      {
        ...map({ $ref: '#/$defs/tag' }, 'A table of tags, and tags beside it.'),
        properties: { file: { type: 'string' } },
        required: ['file'],
      },
      map({ $ref: '#/$defs/tag' }, 'Tags by name.'),
    ],
  },
})
const device = merged(
  shapes.deviceShape,
  Object.values(drivers).map((kind) => kind.device),
  { groups: map(group, 'What is read together, by name.') },
)

const lamp = { ...object(boardShapes.lampShape), minProperties: 1, maxProperties: 1 }
const colours: Json = {
  type: 'object',
  properties: { green: lamp, amber: lamp, red: lamp },
  additionalProperties: false,
}
/** Nothing but the keys there are, however deep. */
function closed(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(closed)
  if (typeof json !== 'object' || json === null) return json
  const inner = Object.fromEntries(Object.entries(json).map(([key, value]) => [key, closed(value)]))
  return inner.properties === undefined ? inner : { ...inner, additionalProperties: false }
}

/** A port and a watchdog may be laid over those of a board, which say the rest. */
const laidOver = (json: Json, inner?: string): Json => {
  const properties = json.properties as Record<string, Json>
  const below = inner === undefined ? {} : { [inner]: { ...properties[inner], required: [] } }
  return { ...json, properties: { ...properties, ...below }, required: [] }
}
const { watchdog } = jsonOf(boardShapes.boardShape).properties as Record<string, Json>
const boardParts: Json = {
  ports: map(laidOver(object(boardShapes.portShape), 'rs485'), 'Serial ports by name.'),
  watchdog: laidOver(watchdog!),
  leds: {
    type: 'object',
    description: 'Lamps by role, and there by colour.',
    properties: { SYS: colours, BUS: colours, NET: colours, HA: colours },
    additionalProperties: false,
  },
}

const schema: Json = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Fieldgate configuration',
  type: 'object',
  properties: {
    gateway: object(shapes.gatewayShape),
    board: {
      description: 'The hardware the service runs on: a board by name, a board file, or a map of what is otherwise.',
      default: 'generic',
      anyOf: [{ type: 'string' }, closed(object(boardShapes.chosenShape, boardParts))],
    },
    connections: map(
      {
        anyOf: Object.entries(drivers).map(([name, kind]) =>
          object(kind.connection, { driver: { const: name } }, ['driver']),
        ),
      },
      'One for each wire or host.',
    ),
    devices: map(device, 'What is read, by name.'),
    sinks: map(
      {
        anyOf: Object.entries(sinks).map(([name, kind]) =>
          object(shapes.sinkShape.extend(kind.settings.shape), { type: { const: name } }, ['type']),
        ),
      },
      'Who is sent what is read, by name.',
    ),
    log: object(shapes.logShape),
    console: object(shapes.consoleShape),
    watchdog: object(shapes.watchdogShape),
  },
  patternProperties: { '^x-': {} },
  additionalProperties: false,
  $defs: { tag },
}

function table(given: z.ZodObject): string {
  return ['| key | type | default | meaning |', '| --- | --- | --- | --- |', ...rowsOf(jsonOf(given), '')].join('\n')
}

function rowsOf(json: Json, outer: string): string[] {
  const required = new Set(json.required as string[] | undefined)
  return (
    Object.entries(json.properties as Record<string, Json>)
      // A key that is only known so that it can be refused is no key to document.
      .filter(([, value]) => !('not' in value) && value.description !== 'Not available in this version.')
      .flatMap(([key, value]) => {
        const preset =
          value.default === undefined
            ? required.has(key)
              ? '**required**'
              : ''
            : `\`${JSON.stringify(value.default).replaceAll('"', '')}\``
        const meaning = String(value.description ?? '').replaceAll('|', '\\|')
        return [
          `| \`${outer}${key}\` | ${typeOf(value)} | ${preset} | ${meaning} |`,
          ...rowsOf(describedIn(value), `${outer}${key}.`),
        ]
      })
  )
}

/** The keys of a map that have descriptions of their own. */
function describedIn(value: Json): Json {
  const keys = Object.entries((value.properties ?? {}) as Record<string, Json>)
  return { ...value, properties: Object.fromEntries(keys.filter(([, one]) => one.description !== undefined)) }
}

function typeOf(value: Json): string {
  const { type, pattern, anyOf, items, prefixItems } = value
  if (value.enum !== undefined) return (value.enum as unknown[]).map((one) => `\`${one}\``).join(', ')
  if (value.const !== undefined) return `\`${String(value.const)}\``
  if (anyOf !== undefined) {
    const types = [...new Set((anyOf as Json[]).map(typeOf))]
    // A bare 0 is a duration too.
    return types.filter((one) => one !== '`0`' || !types.includes('duration')).join(' or ')
  }
  if (typeof pattern === 'string' && pattern.includes('ms|s|m')) return 'duration'
  if (typeof pattern === 'string' && pattern.includes('[KMGT]iB')) return 'size'
  if (prefixItems !== undefined) return `${(prefixItems as unknown[]).length} numbers`
  if (type === 'array') return items === undefined ? 'list' : `list of ${typeOf(items as Json)}`
  if (Array.isArray(type)) return type.map((one) => typeOf({ type: one })).join(' or ')
  // What is open to the schema holds maps by name.
  if (type === 'object' || type === undefined) return 'map'
  return type === 'string' ? 'text' : String(type)
}

const INTRODUCTION = readFileSync(new URL('./configuration-intro.md', import.meta.url), 'utf8')
const tagKeys = Object.values(drivers).map((kind) => kind.tag)
const modbusTag = drivers['modbus-tcp']!.tag

const page = `${INTRODUCTION.trim()}

## \`gateway\`

${table(shapes.gatewayShape)}

## \`board\`

The hardware the service runs on: the name of a board, a board file, or a map of these keys. See [hardware.md](hardware.md) for the boards
and hats there are, and for files of one’s own. Default: \`generic\`.

${table(boardShapes.chosenShape)}

## \`connections\`

One for each wire or host, by name; \`driver\` says which kind it is.

${Object.entries(drivers)
  .map(([name, kind]) => `### \`driver: ${name}\`\n\n${table(kind.connection)}`)
  .join('\n\n')}

## \`devices\`

${table(shapes.deviceShape)}

${Object.entries(drivers)
  .map(([name, kind]) => `### Keys on a \`${name}\` connection\n\n${table(kind.device)}`)
  .join('\n\n')}

## \`groups\`

${table(shapes.groupShape)}

## \`tags\`

${table(shapes.tagShape)}

### Keys of a Modbus tag

${table(modbusTag)}

${Object.entries(drivers)
  .filter(([, kind], at) => kind.tag !== modbusTag && tagKeys.indexOf(kind.tag) === at)
  .map(([name, kind]) => `### Keys of a \`${name}\` tag\n\n${table(kind.tag)}`)
  .join('\n\n')}

## \`sinks\`

${table(shapes.sinkShape)}

${Object.entries(sinks)
  .map(([name, kind]) => `### \`type: ${name}\`\n\n${table(kind.settings)}`)
  .join('\n\n')}

## \`log\`

${table(shapes.logShape)}

## \`console\`

What is told there: [metrics](metrics.md) at \`/metrics\`, whether all is well at \`/healthz\`, the report of \`fieldgate status --json\` at
\`/status.json\`.

${table(shapes.consoleShape)}

## \`watchdog\`

${table(shapes.watchdogShape)}
`

const profileSchema: Json = {
  ...device,
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Fieldgate device profile',
  properties: {
    ...(jsonOf(shapes.profileShape).properties as Json),
    ...Object.fromEntries(
      Object.entries(device.properties as Json).filter(([key]) => !['connection', 'profile', 'enabled'].includes(key)),
    ),
  },
  required: [],
  $defs: { tag },
}

const shipped = Object.values(drivers)
  .flatMap(({ profiles }) => profiles ?? [])
  .filter((folder, at, all) => all.indexOf(folder) === at)
  .flatMap((folder) =>
    readdirSync(folder).map((file) => ({ name: file.replace('.yaml', ''), path: `${folder}/${file}` })),
  )
  .map(({ name, path }) => {
    const said = (key: string) =>
      new RegExp(`^${key}: ['"[]?(.*?)['"\\]]?$`, 'm').exec(readFileSync(path, 'utf8'))?.[1] ?? ''
    return `| \`${name}\` | ${said('manufacturer')} | ${said('models')} | ${said('title')} | ${said('source')} |`
  })

const profilesPage = readFileSync(new URL('./profiles-page.md', import.meta.url), 'utf8')
  .replace('{{keys}}', table(shapes.profileShape))
  .replace(
    '{{shipped}}',
    ['| name | manufacturer | models | | source |', '| --- | --- | --- | --- | --- |', ...shipped].join('\n'),
  )

const gauges = GAUGES.map(({ name, labels, help, devices }) => {
  const asked = devices ? ' Only with `?devices=1`.' : ''
  return `| \`${name}\` | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help}${asked} |`
})
const SCOPES: Readonly<Record<Scope, string>> = {
  gateway: 'The gateway: its pipeline and its door',
  connection: 'Each `connection`',
  device: 'The devices of each `connection`, with `?devices=1` each `device`',
  sink: 'Each `sink`',
  log: 'The log',
  process: 'Each process, by `side`',
  console: 'The HTTP endpoint',
}
const counters = Object.entries(COUNTERS).map(([scope, known]) => {
  const rows = Object.entries(known).map(
    ([counter, text]) => `| \`${metricOf(scope as Scope, counter).name}\` | ${text} |`,
  )
  return `\n### ${SCOPES[scope as Scope]}\n\n${['| name | what is counted |', '| --- | --- |', ...rows].join('\n')}`
})
const metricsPage = readFileSync(new URL('./metrics-page.md', import.meta.url), 'utf8')
  .replace('{{gauges}}', ['| name | labels | meaning |', '| --- | --- | --- |', ...gauges].join('\n'))
  .replace('{{counters}}', counters.join('\n'))

const boardSchema: Json = {
  ...(closed(object(boardShapes.boardShape, boardParts)) as Json),
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Fieldgate board file',
}

const shelf = boards().shipped
function shippedBoards(folder: string): { readonly name: string; readonly text: string }[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => ({ name: file.replace('.yaml', ''), text: readFileSync(`${folder}/${file}`, 'utf8') }))
}
const titleOf = (text: string): string => /^title: (.*)$/m.exec(text)?.[1] ?? ''
const boardRows = shippedBoards(shelf).map(({ name, text }) => {
  const { board } = boardAlone('/nowhere/gateway.yaml', { boards: boards(), env: {}, text: `board: ${name}\n` })!
  const ports = Object.entries(board.ports).map(([port, { devices }]) => `\`${port}\` ${devices[0]}`)
  const lamps = Object.keys(board.leds).join(' ')
  const rest = [board.button && 'button', board.watchdog && `watchdog ${board.watchdog.device}`].filter(Boolean)
  return `| \`${name}\` | ${titleOf(text)} | ${ports.join(', ')} | ${lamps} | ${rest.join(', ')} |`
})
const hatRows = shippedBoards(`${shelf}/hats`).map(({ name, text }) => `| \`${name}\` | ${titleOf(text)} |`)

const LOOKS = [
  ['green', 'gap', 'fine; short extra gaps are traffic'],
  ['green', 'blink', 'waiting, starting, standby'],
  ['green', 'double', 'updating: keep the power on'],
  ['green', 'code', 'connecting: how far it gets'],
  ['amber', 'long-on', 'degraded, data is safe; or maintenance soon'],
  ['amber', 'code', 'readings are kept: how full the log is'],
  ['red', 'blink', 'a fault that may end by itself'],
  ['red', 'code', 'a fault, and which'],
  ['red', 'double', 'a person is needed'],
  ['red', 'steady', 'cannot run, cannot be used, or data is being lost'],
] as const
const WORDS: Readonly<Record<string, string>> = {
  'green gap': 'lit, one gap every 3 s',
  'green blink': 'slow, as long lit as dark',
  'green double': 'lit, goes dark twice',
  'green code': 'one long blink, then as many blinks as the number says',
  'amber long-on': 'long on, short off',
  'amber code': 'long on twice, then as many blinks as the number says',
  'red blink': 'fast',
  'red code': 'a flicker, as many blinks as the number says, a pause, those of the next number',
  'red double': 'two short blinks, a pause',
  'red steady': 'steady',
}
const stateRows = Object.entries(STATES as Readonly<Record<string, LightState>>).map(([id, state]) => {
  const { colour, pattern, code, means, todo } = state
  const rhythm = pattern === 'code' ? `code ${code!.join('–')}` : WORDS[`${colour} ${pattern}`]
  const looks = pattern === 'off' ? 'off' : `${colour}: ${rhythm}`
  return `| ${id.slice(0, id.indexOf('.')).toUpperCase()} | ${looks} | ${means} | ${todo} |`
})
const rhythms = LOOKS.map(([colour, pattern, meaning]) => {
  const beats = rhythmOf({ colour, pattern, code: [2] }).map(({ colour, ms }) => (colour === 'off' ? `(${ms})` : ms))
  const shown = pattern === 'steady' ? '' : `, ms: ${beats.join(' ')}`
  return `| ${colour} | ${WORDS[`${colour} ${pattern}`]}${shown}${pattern === 'code' ? ' for 2' : ''} | ${meaning} |`
})

const HARDWARE: Readonly<Record<string, string>> = {
  boards: ['| name | board | ports | lamps | |', '| --- | --- | --- | --- | --- |', ...boardRows].join('\n'),
  hats: ['| name | hat |', '| --- | --- |', ...hatRows].join('\n'),
  rhythms: ['| colour | rhythm, dark times in brackets | meaning |', '| --- | --- | --- |', ...rhythms].join('\n'),
  leds: ['| lamp | looks | means | to do |', '| --- | --- | --- | --- |', ...stateRows].join('\n'),
  keys: table(boardShapes.boardShape),
  port: table(boardShapes.portShape),
  lamp: table(boardShapes.lampShape),
}
const hardwarePage = readFileSync(new URL('./hardware-page.md', import.meta.url), 'utf8').replace(
  /\{\{(\w+)\}\}/g,
  (_, name: string) => HARDWARE[name]!,
)

const outputs = [
  ['../docs/hardware.md', hardwarePage],
  ['../docs/board.schema.json', `${JSON.stringify(boardSchema, null, 2)}\n`],
  ['../docs/metrics.md', metricsPage],
  ['../docs/profiles.md', profilesPage],
  ['../docs/profile.schema.json', `${JSON.stringify(profileSchema, null, 2)}\n`],
  ['../docs/configuration.md', page],
  ['../docs/configuration.schema.json', `${JSON.stringify(schema, null, 2)}\n`],
] as const
let stale = 0
for (const [path, text] of outputs) {
  const url = new URL(path, import.meta.url)
  if (process.argv.includes('--verify')) {
    let present = ''
    try {
      present = readFileSync(url, 'utf8')
    } catch {
      // Not there at all is as stale as can be.
    }
    if (present === text) continue
    stale++
    console.error(`${path.slice(3)} is not what the schemas say: run "npm run docs"`)
  } else writeFileSync(url, text)
}
process.exit(stale === 0 ? 0 : 1)
