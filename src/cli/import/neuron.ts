/** Neuron's JSON: lists of tags, groups with tags, exported drivers, and its whole configuration. */
import { parseTree } from '../../config/tree.ts'
import { Rejected } from '../../contracts/errors.ts'
import { durationText, Findings, given, isMap, type Keys } from './findings.ts'
import { NEURON_PRESETS, type NeuronPresets, type NeuronTag, readNeuronTag } from './neuron-tag.ts'

export interface ImportOptions {
  readonly file: string
  /** The connection to use where the file names none. */
  readonly connection: string
}

/** A node: a driver's name, its plugin and settings, its groups. */
interface Node {
  readonly name: string
  readonly plugin: string | undefined
  readonly params: Keys | undefined
  readonly groups: readonly {
    readonly name: string
    readonly interval: unknown
    readonly tags: readonly unknown[]
    readonly place: string
  }[]
  readonly place: string
}

export function fromNeuronJson(text: string, options: ImportOptions): Findings {
  const root = parseJson(text, options.file)
  const findings = new Findings()
  const nodes = isMap(root) ? nodesIn(root, findings) : Array.isArray(root) ? [loose(root)] : []
  if (nodes.length === 0) throw new Rejected(`${options.file}: there are no tags, groups or nodes of Neuron in it`)
  for (const node of nodes) readNode(findings, node, options)
  return findings
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    const { message } = thrown as SyntaxError
    // Of a short text the parser shows all and says no position; what is wrong as JSON is mostly wrong as YAML.
    const tree = parseTree(text, { folder: '.', env: {} })
    const said = /position (\d+)/.exec(message)?.[1]
    const { line, column } = tree.position(
      said === undefined ? (tree.problems[0]?.offset ?? text.length) : Number(said),
    )
    throw new Rejected(`${file}:${line}:${column}: this is not JSON: ${message.split(/ in JSON at |, "/)[0]}`)
  }
}

/** Tags that name no node, as `GET /api/v2/tags` and the tables have them. */
function loose(tags: readonly unknown[], group = 'tags', name = 'neuron'): Node {
  return {
    name,
    plugin: undefined,
    params: undefined,
    groups: [{ name: group, interval: undefined, tags, place: 'tags' }],
    place: 'tags',
  }
}

function list(value: unknown): Keys[] {
  return Array.isArray(value) ? value.filter(isMap) : []
}

function nodesIn(root: Keys, findings: Findings): readonly Node[] {
  for (const key of Object.keys(root)) {
    if (!['nodes', 'groups', 'tags', 'settings', 'node', 'group', 'error'].includes(key))
      findings.note(key, 'is not about devices: not carried over')
  }
  const settings = new Map(list(root.settings).map((one) => [String(one.node), isMap(one.params) ? one.params : {}]))
  const nested = list(root.nodes)
  // The whole configuration keeps nodes, groups, tags and settings in lists of their own.
  const apart = list(root.tags).some((one) => Array.isArray(one.tags))
  if (nested.some((node) => Array.isArray(node.groups))) {
    return nested.map((node, at) => ({
      name: String(node.name ?? `node${at + 1}`),
      plugin: node.plugin === undefined ? undefined : String(node.plugin),
      params: isMap(node.params) ? node.params : undefined,
      groups: groupsOf(list(node.groups), `nodes[${at}].groups`),
      place: `nodes[${at}] "${String(node.name ?? '')}"`,
    }))
  }
  if (apart || nested.length > 0) {
    const tags = list(root.tags)
    const names =
      nested.length > 0
        ? nested.map(({ name }) => String(name))
        : [...new Set(tags.map(({ driver }) => String(driver)))]
    return names.map((name, at) => ({
      name,
      plugin: nested[at]?.plugin === undefined ? undefined : String(nested[at].plugin),
      params: settings.get(name),
      groups: tags.flatMap((one, index) =>
        String(one.driver) === name
          ? [
              {
                name: String(one.group ?? 'tags'),
                interval: list(root.groups).find(
                  (group) => String(group.driver) === name && (group.group ?? group.name) === one.group,
                )?.interval,
                tags: Array.isArray(one.tags) ? one.tags : [],
                place: `tags[${index}].tags`,
              },
            ]
          : [],
      ),
      place: `nodes[${at}] "${name}"`,
    }))
  }
  const name = String(root.node ?? 'neuron')
  if (Array.isArray(root.groups))
    return [
      {
        name,
        plugin: undefined,
        params: undefined,
        groups: groupsOf(list(root.groups), 'groups'),
        place: `node "${name}"`,
      },
    ]
  return Array.isArray(root.tags) ? [loose(root.tags, String(root.group ?? 'tags'), name)] : []
}

function groupsOf(groups: readonly Keys[], place: string): Node['groups'] {
  return groups.map((group, at) => ({
    name: String(group.group ?? group.name ?? `group${at + 1}`),
    interval: group.interval,
    tags: Array.isArray(group.tags) ? group.tags : [],
    place: `${place}[${at}].tags`,
  }))
}

function readNode(findings: Findings, node: Node, options: ImportOptions): void {
  const { plugin, params = {}, place } = node
  if (plugin !== undefined && !/modbus/i.test(plugin)) {
    findings.note(place, `its plugin "${plugin}" is not Modbus: left out`)
    return
  }
  const presets = presetsOf(params, place, findings)
  const wire = wireOf(node, findings)
  const connection = wire === undefined ? options.connection : findings.connection(node.name, wire, place)
  const byUnit = new Map<string, string>()
  const units = new Set<number>()
  for (const { tags } of node.groups)
    for (const tag of tags) units.add(Number(/^\s*(\d+)!/.exec(String((tag as Keys)?.address))?.[1] ?? -1))
  units.delete(-1)
  for (const group of node.groups) {
    group.tags.forEach((given_, at) => {
      const where = `${group.place}[${at}] "${String((given_ as Keys)?.name ?? '')}"`
      addNeuronTag(findings, given_, {
        place: where,
        presets,
        group: group.name,
        every: everyOf(group.interval, where, findings),
        device: (unit) => {
          const key = String(unit)
          let device = byUnit.get(key)
          if (device === undefined) {
            device = findings.device(
              units.size > 1 ? `${node.name}-${unit}` : node.name,
              { connection, unitId: unit },
              place,
            )
            byUnit.set(key, device)
          }
          return device
        },
      })
    })
  }
}

export interface TagSurroundings {
  readonly place: string
  readonly presets?: NeuronPresets
  readonly group: string
  readonly every: string | undefined
  readonly device: (unit: number) => string
}

export function addNeuronTag(findings: Findings, written: unknown, around: TagSurroundings): void {
  const { place, presets = NEURON_PRESETS } = around
  const note = (text: string): void => findings.note(place, text)
  if (!isMap(written) || typeof written.name !== 'string' || typeof written.address !== 'string') {
    note('has no name or no address: left out')
    return
  }
  const read = readNeuronTag(written as unknown as NeuronTag, presets, note)
  if (typeof read === 'string') {
    note(`${read}: left out`)
    return
  }
  for (const key of Object.keys(written)) {
    if (!/^(name|address|type|attribute|decimal|bias|precision|precison|description|group|interval)$/.test(key))
      note(`${key} is not carried over`)
  }
  const device = around.device(read.unit)
  const group = findings.name(around.group, new Map(), place)
  findings.group(device, group, given({ every: around.every }))
  findings.tag(device, group, written.name, read.keys, place)
}

export function everyOf(interval: unknown, place: string, findings: Findings): string | undefined {
  if (interval === undefined || interval === '') return undefined
  const ms = Number(interval)
  if (Number.isFinite(ms) && ms >= 1) return durationText(Math.round(ms))
  findings.note(place, `interval ${JSON.stringify(interval)} is no number of milliseconds: 1s is taken`)
  return undefined
}

function presetsOf(params: Keys, place: string, findings: Findings): NeuronPresets {
  const order32 = { 1: 'ABCD', 2: 'BADC', 3: 'DCBA', 4: 'CDAB' }[Number(params.endianess ?? 1)]
  const order64 = { 1: 'ABCDEFGH', 2: 'BADCFEHG', 3: 'HGFEDCBA', 4: 'GHEFCDAB', 5: 'CDABGHEF', 6: 'EFGHABCD' }[
    Number(params.endianess_64 ?? 1)
  ]
  if (order32 === undefined || order64 === undefined) findings.note(place, 'endianess is unknown: ABCD is taken')
  return {
    order32: order32 ?? 'ABCD',
    order64: order64 ?? 'ABCDEFGH',
    base: Number(params.address_base ?? 1) === 0 ? 0 : 1,
  }
}

const BAUDS = [115_200, 57_600, 38_400, 19_200, 9600, 4800, 2400, 1800, 1200, 600, 300, 200, 150]
const READ =
  'host port timeout interval endianess endianess_64 address_base link device stop parity baud data connection_mode max_retries'.split(
    ' ',
  )

/** The connection a node's settings describe; undefined: it has none. */
function wireOf({ plugin, params, place }: Node, findings: Findings): Keys | undefined {
  if (params === undefined || Object.keys(params).length === 0) return undefined
  const note = (text: string): void => findings.note(place, text)
  for (const [key, value] of Object.entries(params))
    if (!READ.includes(key) && value !== '' && value !== 0)
      note(`${key} (${JSON.stringify(value)}) is not carried over`)
  const rtu = /rtu/i.test(plugin ?? '') || params.device !== undefined
  const common = given({
    timeout: params.timeout === undefined ? undefined : durationText(Number(params.timeout)),
    pause: Number(params.interval ?? 0) > 0 ? durationText(Number(params.interval)) : undefined,
    retries: params.max_retries === undefined ? undefined : Number(params.max_retries),
  })
  if (rtu && Number(params.link ?? 0) === 0) {
    const bits = 5 + Number(params.data ?? 3)
    const parity = ['none', 'odd', 'even'][Number(params.parity ?? 0)]
    if (bits !== 8) note(`${bits} data bits: Modbus RTU has 8`)
    if (parity === undefined) note('mark and space parity are not available: none is taken')
    const baudRate = BAUDS[Number(params.baud ?? 4)] ?? 9600
    return {
      driver: 'modbus-rtu',
      port: String(params.device ?? ''),
      baudRate,
      parity: parity ?? 'none',
      stopBits: Number(params.stop ?? 0) + 1,
      ...common,
    }
  }
  const driver = rtu ? 'modbus-rtu-over-tcp' : 'modbus-tcp'
  const [host, port] = [String(params.host ?? ''), Number(params.port ?? 502)]
  // Neuron as the server: the device dials in.
  if (Number(params.connection_mode ?? 0) === 1) {
    return { driver, listen: `${host === '0.0.0.0' ? '' : host}:${port}`, ...common }
  }
  return { driver, host, port, ...common }
}
