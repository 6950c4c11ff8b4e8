/** EdgeX device profiles and device lists of its Modbus service (device-modbus-go). */
import { parseTree } from '../../config/tree.ts'
import { Rejected } from '../../contracts/errors.ts'
import { Findings, given, isMap, type Keys } from './findings.ts'
import type { ImportOptions } from './neuron.ts'

export function fromEdgeX(text: string, options: ImportOptions): Findings {
  const tree = parseTree(text, { folder: '.', env: {} })
  const [fault] = tree.problems
  if (tree.value === undefined && fault !== undefined) {
    const { line, column } = tree.position(fault.offset)
    throw new Rejected(`${options.file}:${line}:${column}: ${fault.text}`)
  }
  const root = tree.value
  if (!isMap(root)) throw new Rejected(`${options.file}: this is no device profile of EdgeX: it has no deviceResources`)
  const findings = new Findings()
  const list = (value: unknown): Keys[] => (Array.isArray(value) ? value.filter(isMap) : [])
  const resources = list(root.deviceResources)
  const devices = list(root.deviceList ?? root.DeviceList)
  if (resources.length === 0) {
    const why =
      devices.length > 0
        ? 'a device list says nothing of registers: import the device profile it names'
        : 'it has no deviceResources'
    throw new Rejected(`${options.file}: this is no device profile of EdgeX: ${why}`)
  }
  const at = (index: number): string => {
    const { line } = tree.position(tree.locate(['deviceResources', index], 'value'))
    return `line ${line} "${String(resources[index]?.name ?? '')}"`
  }
  for (const key of Object.keys(root)) {
    if (!['name', 'apiVersion', 'manufacturer', 'model', 'labels', 'description', 'deviceResources'].includes(key)) {
      findings.note(
        key,
        key === 'deviceCommands'
          ? 'deviceCommands group reads by name: here groups of tags do; all resources are in one group'
          : 'is not carried over',
      )
    }
  }
  findings.note('profile', 'a profile of EdgeX does not say which unit and how often: unitId 1 and every 10s are taken')
  const labels = given({ manufacturer: root.manufacturer, model: root.model })
  const device = findings.device(
    String(root.name ?? 'device'),
    given({ connection: options.connection, unitId: 1, labels: Object.keys(labels).length > 0 ? labels : undefined }),
    'name',
  )
  findings.group(device, 'values', { every: '10s' })
  resources.forEach((resource, index) => {
    const place = at(index)
    const note = (said: string): void => findings.note(place, said)
    const keys = tagOf(resource, note)
    if (typeof keys === 'string') note(`${keys}: left out`)
    else findings.tag(device, 'values', String(resource.name), keys, place)
  })
  return findings
}

const TABLES: Readonly<Record<string, string>> = {
  COILS: 'coil',
  DISCRETES_INPUT: 'discrete',
  DISCRETE_INPUTS: 'discrete',
  INPUT_REGISTERS: 'input',
  HOLDING_REGISTERS: 'holding',
}
const TYPES = new Set(['int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float32', 'float64'])

/** A text: why it cannot be carried over. */
function tagOf(resource: Keys, note: (text: string) => void): Keys | string {
  const attributes = isMap(resource.attributes) ? resource.attributes : {}
  const properties = isMap(resource.properties) ? resource.properties : {}
  for (const key of Object.keys(attributes)) {
    if (!/^(primaryTable|startingAddress|rawType|isByteSwap|isWordSwap|stringRegisterSize)$/.test(key))
      note(`attribute ${key} is not carried over`)
  }
  const table = TABLES[String(attributes.primaryTable).toUpperCase()]
  if (table === undefined) return `primaryTable ${JSON.stringify(attributes.primaryTable)} is none of Modbus`
  const place = placeOf(attributes.startingAddress)
  if (place === undefined)
    return `startingAddress ${JSON.stringify(attributes.startingAddress)} is no number from 0 to 65535`
  const [address, bit] = place
  for (const key of Object.keys(resource))
    if (!/^(name|description|attributes|properties)$/.test(key)) note(`${key} is not carried over`)
  const description = String(resource.description ?? '').trim()
  const value = String(properties.valueType ?? '').toLowerCase()
  const common: Keys = {
    ...commonOf(properties, value !== 'bool' && value !== 'string', note),
    ...(description === '' ? {} : { labels: { description } }),
  }
  if (table === 'coil' || table === 'discrete') {
    if (value !== 'bool') note(`is ${String(properties.valueType)} in EdgeX and false or true here`)
    return { address: `${table}:${address}`, ...common }
  }
  if (value === 'bool') {
    return { address: `${table}:${address}`, type: 'uint16', bits: bit ?? 0, ...common }
  }
  if (bit !== null) note(`".${bit}" says nothing of a ${value}: EdgeX passes it over`)
  if (value === 'string') {
    const size = Number(attributes.stringRegisterSize ?? 0)
    return size < 1
      ? 'a string needs stringRegisterSize'
      : { address: `${table}:${address}`, type: 'string', length: size * 2, ...common }
  }
  const raw = String(attributes.rawType ?? value).toLowerCase()
  if (!TYPES.has(value)) return `valueType ${String(properties.valueType)} is not known of EdgeX's Modbus service`
  if (!TYPES.has(raw)) return `rawType ${String(attributes.rawType)} is not known of EdgeX's Modbus service`
  if (raw !== value && !value.startsWith('float'))
    note(
      `rawType ${raw} of a ${value}: EdgeX takes rawType for the length and ${value} for the value; here it is ${raw}`,
    )
  if (raw === 'int32' && value === 'float32')
    note('rawType Int32 of a Float32: EdgeX gives no value for it; here it is the integer')
  const swaps = [attributes.isByteSwap, attributes.isWordSwap].map((one) => String(one) === 'true') as [
    boolean,
    boolean,
  ]
  const wide = raw.endsWith('32')
  if ((swaps[0] || swaps[1]) && !wide)
    note('isByteSwap and isWordSwap say nothing of a value that has not 32 bits: EdgeX passes them over')
  const order = !wide ? undefined : swaps[0] ? (swaps[1] ? 'DCBA' : 'BADC') : swaps[1] ? 'CDAB' : undefined
  return given({ address: `${table}:${address}`, type: raw, order, ...common })
}

/** The address from 0 and the bit behind its point. A bare fraction is read with two decimals, as EdgeX reads it: 10.1 is bit 10. */
function placeOf(written: unknown): [number, number | null] | undefined {
  const text = typeof written === 'number' && !Number.isInteger(written) ? written.toFixed(2) : String(written ?? '')
  const parts = /^(\d{1,5})(?:\.(\d{1,2}))?$/.exec(text.trim())
  if (parts === null || Number(parts[1]) > 65_535) return undefined
  return [Number(parts[1]), parts[2] === undefined ? null : Number(parts[2])]
}

const PROPERTIES =
  /^(valueType|type|readWrite|scale|offset|units|minimum|maximum|defaultValue|mask|shift|base|assertion|mediaType|optional)$/

function commonOf(properties: Keys, numeric: boolean, note: (text: string) => void): Keys {
  const number = (key: string): number | undefined => {
    const given_ = properties[key]
    return given_ === undefined || given_ === '' || Number.isNaN(Number(given_)) ? undefined : Number(given_)
  }
  const [scale, offset, base, mask, shift] = ['scale', 'offset', 'base', 'mask', 'shift'].map(number)
  for (const [key, value] of [
    ['base', base],
    ['mask', mask],
    ['shift', shift],
  ] as const) {
    if (value !== undefined && value !== 0) note(`${key} ${value} is not carried over: the value here is without it`)
  }
  for (const key of Object.keys(properties)) if (!PROPERTIES.test(key)) note(`property ${key} is not carried over`)
  for (const key of ['assertion', 'defaultValue', 'mediaType', 'optional']) {
    if (properties[key] !== undefined && properties[key] !== '') note(`${key} is not carried over`)
  }
  const access = String(properties.readWrite ?? 'R').toUpperCase()
  const [minimum, maximum] = [number('minimum'), number('maximum')]
  const limits =
    numeric && access.includes('W') && minimum !== undefined && maximum !== undefined && minimum < maximum
      ? [minimum, maximum]
      : undefined
  if (access.includes('W') && limits === undefined && (minimum ?? maximum) !== undefined)
    note('minimum and maximum are only carried over as a pair: no limits here')
  return given({
    scale: !numeric || scale === 0 || scale === 1 ? undefined : scale,
    offset: !numeric || offset === 0 ? undefined : offset,
    unit: properties.units === undefined || properties.units === '' ? undefined : String(properties.units),
    access: access.includes('W') ? (access.includes('R') ? 'rw' : 'w') : undefined,
    limits,
  })
}
