/** `fieldgate import`: another product's devices and tags as a configuration of ours; what has no place here is listed. */
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname } from 'node:path'
import * as catalog from '../catalog.ts'
import { load } from '../config/load.ts'
import { formatProblems } from '../config/problems.ts'
import { readText } from '../config/texts.ts'
import { parseTree } from '../config/tree.ts'
import { harmless } from '../console/terminal/text.ts'
import { ConfigurationFault, Rejected, Retryable, sentence } from '../contracts/errors.ts'
import type { GatewayReport } from '../contracts/report.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { fromEdgeX } from './import/edgex.ts'
import { type Findings, isMap, type Keys } from './import/findings.ts'
import { fromNeuronJson } from './import/neuron.ts'
import { profileOf } from './import/save-profile.ts'
import { settle } from './import/settle.ts'
import { readSheet } from './import/sheet.ts'
import { fromSunSpec } from './import/sunspec.ts'
import { fromTable, rowsOfCsv, rowsOfSheet } from './import/tables.ts'
import { fromTelegraf } from './import/telegraf.ts'
import { locate } from './location.ts'
import { withGateway } from './running.ts'

const FORMATS = ['csv', 'neuron', 'telegraf', 'edgex'] as const
type Format = (typeof FORMATS)[number]

export const command: Command = async (invocation) => {
  const { words, options, screen } = invocation
  const connection = options.connection as string | undefined
  const format = options.format as Format | undefined
  const usage = (text: string): Exit => {
    screen.complain(`fieldgate: ${text}`)
    return Exit.usage
  }
  if (options.saveProfile !== undefined) {
    if (options.device === undefined || words.length > 0) return usage('import --save-profile FILE takes --device NAME')
    return saveProfile(invocation, locate(String(options.saveProfile), process.env), String(options.device))
  }
  if (options.sunspec === true) {
    const [on, unit] = words
    if (on === undefined || unit === undefined || words.length > 2)
      return usage('import --sunspec takes CONNECTION UNIT')
    const findings = await fromSunSpec(invocation, on, unit)
    return deliver(findings, { invocation, source: `unit ${unit} on ${on}`, connection: on })
  }
  const [named] = words
  if (named === undefined || words.length > 1) return usage('import takes one FILE')
  if (format !== undefined && !FORMATS.includes(format)) {
    return usage(`--format ${harmless(String(format))}: expected one of ${FORMATS.join(', ')}`)
  }
  const file = locate(named, process.env)
  const findings = read(file, format, connection ?? 'field')
  return deliver(findings, { invocation, source: basename(file), connection })
}

async function saveProfile(invocation: Invocation, output: string, device: string): Promise<Exit> {
  const { file, json, screen } = invocation
  const kinds = await catalog.kinds()
  const loaded = await load({ file, kinds, env: process.env })
  if (!loaded.ok) throw new ConfigurationFault(formatProblems(loaded.problems))
  const report = await reportOf(invocation)
  const knowledge = report?.devices.find(({ name }) => name === device)?.knowledge
  const { configuration } = loaded
  const { text, notes } = profileOf({ configuration, file, device, output, knowledge, kinds: kinds.drivers })
  write(output, text)
  const learnt =
    report === undefined
      ? 'no gateway runs here, so nothing learnt is in it'
      : (knowledge?.sentences.join('; ') ?? 'nothing was learnt of the device')
  if (json) screen.document({ ok: true, output, notes, learnt: knowledge?.sentences ?? [] })
  else {
    for (const { place, text: said } of notes) screen.complain(harmless(`Note: ${place}: ${said}`))
    screen.complain(harmless(`${output} is written: ${learnt}.`))
  }
  return Exit.done
}

/** What the running gateway says of itself; undefined: none runs. */
async function reportOf(invocation: Invocation): Promise<GatewayReport | undefined> {
  try {
    return await withGateway(
      invocation,
      'inspect',
      async (gateway) => (await gateway.call('status', {})) as GatewayReport,
    )
  } catch (thrown) {
    if (thrown instanceof Retryable) return undefined
    throw thrown
  }
}

/** Writes what was found, and says what was not. */
async function deliver(
  findings: Findings,
  { invocation, source, connection }: { invocation: Invocation; source: string; connection: string | undefined },
): Promise<Exit> {
  const { json, options, screen } = invocation
  const known = knownConnection(invocation.file, connection)
  nameConnection(findings, connection, known)
  const head = `Imported from ${source} by fieldgate import. Check it with "fieldgate check --config FILE".`
  const folder = dirname(invocation.file)
  const { text, tags } = await settle(findings, { kinds: await catalog.kinds(), head, known, folder })
  const output = options.output as string | undefined
  if (tags > 0 && output !== undefined) write(locate(output, process.env), text)
  const { notes } = findings
  if (json) {
    const devices = [...findings.devices.keys()]
    screen.document({ ok: tags > 0, source, devices, tags, notes, ...(output === undefined ? { text } : { output }) })
  } else {
    for (const { place, text: said } of notes) screen.complain(harmless(`Note: ${place}: ${said}`))
    if (tags > 0 && output === undefined) screen.print(text.trimEnd())
    screen.complain(
      tags > 0
        ? `${tags} tag${tags === 1 ? '' : 's'} of ${findings.devices.size} device${findings.devices.size === 1 ? '' : 's'}, ${notes.length} note${notes.length === 1 ? '' : 's'}.`
        : `fieldgate: nothing of ${harmless(source)} could be carried over`,
    )
  }
  return tags > 0 ? Exit.done : Exit.failed
}

function read(file: string, given: Format | undefined, connection: string): Findings {
  const ending = extname(file).toLowerCase()
  const options = { file: basename(file), connection }
  if (ending === '.xlsx') return fromTable(rowsOfSheet(readSheet(bytesOf(file), options.file)), options)
  const found = readText(file)
  if (!found.ok) throw new Rejected(`${file}${found.line > 0 ? `:${found.line}` : ''}: ${found.why}`)
  const { text } = found
  const format = given ?? formatOf(ending, text)
  if (format === undefined)
    throw new Rejected(`${file}: what this is cannot be told from it: name it with --format ${FORMATS.join('|')}`)
  if (format === 'telegraf') return fromTelegraf(text, options.file)
  if (format === 'edgex') return fromEdgeX(text, options)
  if (format === 'neuron' && /^\s*[[{]/.test(text)) return fromNeuronJson(text, options)
  return fromTable(rowsOfCsv(text, options.file), options)
}

function formatOf(ending: string, text: string): Format | undefined {
  if (ending === '.toml' || /^\s*\[\[\s*inputs\.modbus\s*\]\]/m.test(text)) return 'telegraf'
  if (ending === '.json' || /^\s*[[{]/.test(text)) return 'neuron'
  if (/^\s*["']?device(Resources|List)["']?\s*:/m.test(text)) return 'edgex'
  if (ending === '.csv' || /^[^\n]*\bname\b[^\n]*\baddress\b/i.test(text)) return 'csv'
  return ending === '.yaml' || ending === '.yml' ? 'edgex' : undefined
}

function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new Rejected(
      `${file}: ${(cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : sentence(cause)}`,
    )
  }
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw new Rejected(`${file} exists already: name another file, or remove it`)
    throw new Rejected(`${file} cannot be written: ${sentence(cause)}`)
  }
}

/** The connection of that name as it stands in the configuration, when there is one. */
function knownConnection(file: string, name: string | undefined): Readonly<Record<string, Keys>> {
  const read = name === undefined ? undefined : readText(file)
  if (name === undefined || read === undefined || !read.ok) return {}
  const { value } = parseTree(read.text, { folder: dirname(file), env: process.env })
  const connections = isMap(value) && isMap(value.connections) ? value.connections : {}
  const found = connections[name]
  return isMap(found) ? { [name]: found } : {}
}

/** Devices that are on no connection yet get the one that was named, or one to be filled in. */
function nameConnection(findings: Findings, wished: string | undefined, known: Readonly<Record<string, Keys>>): void {
  if (wished !== undefined) moveTo(wished, findings, known)
  const missing = new Set([...findings.devices.values()].map(({ keys }) => String(keys.connection)))
  for (const name of missing) {
    if (findings.connections.has(name) || Object.hasOwn(known, name)) continue
    findings.connections.set(name, { driver: 'modbus-tcp', host: '127.0.0.1' })
    const why = wished === undefined ? '' : '; the configuration has no connection of this name'
    findings.note(
      `connection "${name}"`,
      `the file does not say where the devices are: fill in driver and host, or port and baudRate${why}`,
    )
  }
}

/** What the file itself says of its connection gives way to the one that was named. */
function moveTo(wished: string, findings: Findings, known: Readonly<Record<string, Keys>>): void {
  const [own, ...more] = findings.connections
  if (own === undefined) return
  const [name, keys] = own
  if (more.length > 0) {
    findings.note('--connection', `the file has ${more.length + 1} connections of its own: they keep their names`)
    return
  }
  findings.connections.delete(name)
  if (Object.hasOwn(known, wished))
    findings.note(
      `connection "${name}"`,
      `the devices are on "${wished}" of the configuration instead: ${JSON.stringify(keys)}`,
    )
  else findings.connections.set(wished, keys)
  for (const { keys: device } of findings.devices.values()) if (device.connection === name) device.connection = wished
}
