/** Joins what tag, device and connection say, the nearest wins, into the plain settings the driver works with. */
import type { ValueKind } from '../../../contracts/batch.ts'
import type { Upkeep } from '../../../contracts/driver.ts'
import { ConfigurationFault } from '../../../contracts/errors.ts'
import {
  type AddressRange,
  type DeviceSettings,
  type Format,
  LIMITS,
  type SetupEntry,
  type TagSettings,
  type TypeName,
} from '../settings.ts'
import { type FormatProblem, formatOf, kindOf } from '../values/registers-format.ts'
import { TYPES } from '../values/types.ts'
import { type Address, formatAddress, isBits, nameOf, parseAddress, parseRange } from './address.ts'
import { meansSource } from './address-source.ts'
import type { ParsedConnection, ParsedDevice, ParsedTag } from './schema.ts'
import { resolveSource } from './schema-source.ts'
import { togetherProblem, writeProblems } from './schema-write.ts'

interface ResolvedTag {
  readonly settings: TagSettings
  readonly kind: ValueKind
  readonly type: string
  readonly events?: true
}

type Problems = { readonly problems: readonly FormatProblem[] }

export function resolveDevice(device: ParsedDevice, connection: ParsedConnection): DeviceSettings {
  const digits = device.digits ?? connection.digits
  return {
    unitId: device.unitId,
    order: device.order ?? connection.order,
    digits,
    timeoutMs: device.timeout ?? connection.timeout,
    retries: device.retries ?? connection.retries,
    maxRegisters: device.maxRegisters ?? connection.maxRegisters,
    maxBits: device.maxBits ?? connection.maxBits,
    maxGap: device.maxGap ?? connection.maxGap,
    noTouch: noTouchOf(device, digits),
    setup: resolveSetup(device, connection),
    setupWrites: device.setupWrites === 'allow',
  }
}

function noTouchOf({ noTouch = [] }: ParsedDevice, digits: 'one-based' | 'zero-based'): readonly AddressRange[] {
  return noTouch.map((text) => {
    const range = parseRange(text, digits)
    if ('problem' in range) throw new ConfigurationFault(`noTouch: ${range.problem}`)
    return range
  })
}

function resolveSetup(device: ParsedDevice, connection: ParsedConnection): readonly SetupEntry[] {
  const { setup = [], setupWrites } = device
  const fault = (text: string) => new ConfigurationFault(`setup: ${text}`)
  if (setup.length > 0 && setupWrites !== 'allow') {
    throw fault('the gateway writes these to the device by itself: say that it may, with setupWrites: allow')
  }
  if (setup.length > 0 && connection.mode === 'listen') {
    throw fault('a connection with mode: listen never sends anything')
  }
  if (setup.length > 0 && connection.masters === 'shared') {
    throw fault('another master sets its devices up itself: it needs a connection with masters: sole')
  }
  if (setup.length > 0 && device.unitId === 0 && !isTcp(connection)) {
    throw fault('a broadcast is never answered: nobody would know whether the devices are set up')
  }
  return setup.map(({ value, when, verify, ...keys }, at) => {
    const entry = setup.length === 1 ? '' : `entry ${at + 1}: `
    if (when === 'connect' && connection.connect === 'per-cycle') {
      throw fault(`${entry}a connection with connect: per-cycle connects all the time: say when: cycle, or return`)
    }
    const tag: ParsedTag = { ...keys, write: { function: 'auto', readBack: verify } }
    const found = resolveTag(tag, device, connection, { noValueBits: [], access: 'w' })
    if ('problems' in found) throw fault(entry + found.problems.map(({ key, text }) => `${key}: ${text}`).join('; '))
    const { settings } = found
    const raw = TYPES[settings.format.type].kind === 'integer' && typeof value === 'string' ? bigintOf(value) : value
    const objection = togetherProblem([{ settings, value: raw }])
    if (objection !== null) throw fault(entry + objection)
    const text = `${[keys.address].flat().join(' and ')} = ${typeof value === 'string' ? `"${value}"` : String(value)}`
    return { settings, value: raw, when, text }
  })
}

/** Whole numbers beyond 2^53 are written as texts. */
function bigintOf(text: string): bigint | string {
  return /^-?\d+$/.test(text) ? BigInt(text) : text
}

interface ResolvedTag {
  readonly settings: TagSettings
  readonly kind: ValueKind
  readonly type: string
  readonly events?: true
  readonly upkeep?: Upkeep | undefined
}

export function resolveTag(
  tag: ParsedTag,
  device: ParsedDevice,
  connection: ParsedConnection,
  { noValueBits, access }: { readonly noValueBits: readonly bigint[]; readonly access: 'r' | 'rw' | 'w' },
): ResolvedTag | Problems {
  const found = placed(tag, device, connection, noValueBits)
  if ('problems' in found) return found
  const digits = device.digits ?? connection.digits
  const broadcast = device.unitId === 0 && !isTcp(connection)
  const noTouch = access === 'w' ? readableRanges(device, digits) : []
  const shared = connection.masters === 'shared'
  const problems =
    connection.mode === 'listen'
      ? listeningProblems(found.settings, access)
      : writeProblems(found.settings, { access, broadcast, shared, digits, noTouch })
  if (problems.length > 0) return { problems }
  const upkeep = upkeepOf(tag)
  return upkeep === undefined ? found : { ...found, upkeep }
}

/** What is wrong with a range is said where the device is read. */
function readableRanges(device: ParsedDevice, digits: 'one-based' | 'zero-based'): readonly AddressRange[] {
  return (device.noTouch ?? []).flatMap((text) => {
    const range = parseRange(text, digits)
    return 'problem' in range ? [] : [range]
  })
}

/** Another master asks, and what is heard are its registers and coils. */
function listeningProblems({ area }: TagSettings, access: 'r' | 'rw' | 'w'): FormatProblem[] {
  const problems: FormatProblem[] = []
  if (access !== 'r') {
    const text = 'its connection has mode: listen and never sends anything: the tag can only be read'
    problems.push({ key: 'access', text })
  }
  if (area === 'fifo' || area === 'file') {
    problems.push({ key: 'address', text: 'a connection with mode: listen hears registers and coils only' })
  }
  return problems
}

/** Modbus TCP: units are the device's own numbers there, and 0 is one of them. */
function isTcp(connection: ParsedConnection): boolean {
  return typeof connection.inFlight === 'number'
}

function placed(
  tag: ParsedTag,
  device: ParsedDevice,
  connection: ParsedConnection,
  noValueBits: readonly bigint[],
): ResolvedTag | Problems {
  if ([tag.address].flat().some(meansSource)) return resolveSource(tag, device, connection, noValueBits)
  if (tag.drain !== undefined) {
    return { problems: [{ key: 'drain', text: 'only a queue (fifo:1234) or a file of records can be drained' }] }
  }
  const digits = device.digits ?? connection.digits
  const written = Array.isArray(tag.address) ? tag.address : [tag.address]
  const problems: FormatProblem[] = []
  const places: Address[] = []
  for (const item of written) {
    const place = readAddress(item, digits)
    if ('problem' in place) problems.push({ key: 'address', text: place.problem })
    else places.push(place)
  }
  if (problems.length > 0) return { problems }
  const [first] = places as [Address, ...Address[]]
  if (isBits(first.area))
    return resolveCoil(tag, first, places.length, noValueBits, device.maxBits ?? connection.maxBits)

  const apart = placesApart(places)
  if (typeof apart === 'string') problems.push({ key: 'address', text: apart })
  const bits = bitsOf(tag, first)
  if (bits !== null && 'text' in bits) problems.push(bits)
  const type: TypeName | undefined = tag.type ?? (first.bit !== null ? 'bool' : bits !== null ? 'uint16' : undefined)
  if (type === undefined) problems.push({ key: 'type', text: 'a register needs a type: int16, uint16, float32, …' })
  if (problems.length > 0) return { problems }

  const address = Math.min(...places.map((place) => place.address))
  const found = formatOf({
    ...tag,
    type: type!,
    presetOrder: device.order ?? connection.order,
    bits: bits === null || 'text' in bits ? undefined : bits,
    noValueBits,
    words: apart === null || typeof apart === 'string' ? undefined : apart.map((word) => word - address),
  })
  if ('problems' in found) return found
  const format = shared(found.format)
  const span =
    apart === null ? format.units * (format.count ?? 1) : Math.max(...(apart as readonly number[])) - address + 1
  const most = device.maxRegisters ?? connection.maxRegisters
  const misfit = extent(first.area, address, span, most, LIMITS.readRegisters, 'maxRegisters')
  if (misfit !== null) return { problems: [{ key: format.count === null ? 'address' : 'count', text: misfit }] }
  const write = tag.write?.function ?? 'auto'
  const words = apart as readonly number[] | null
  if (write === 'single' && span > 1 && (words === null || words.length === span)) {
    return { problems: [{ key: 'write', text: `function: single writes one register; this value has ${span}` }] }
  }
  return {
    settings: { area: first.area, address, span, words, format, write, readBackMs: readBackOf(tag) },
    kind: kindOf(format),
    type: format.bits?.single === true ? 'bool' : format.type,
  }
}

function readAddress(
  written: string | number,
  digits: 'one-based' | 'zero-based',
): Address | { readonly problem: string } {
  if (typeof written === 'string') return parseAddress(written, digits)
  if (!Number.isInteger(written)) return { problem: `quote it: YAML reads 40001.10 as 40001.1 (here: ${written})` }
  if (written < 10_000) {
    return {
      problem: `${written} does not say its area: write holding:${written}, or quote an address with a leading zero`,
    }
  }
  return parseAddress(String(written), digits)
}

function resolveCoil(tag: ParsedTag, place: Address, places: number, noValueBits: readonly bigint[], most: number) {
  const problems: FormatProblem[] = []
  const name = nameOf(place.area)
  if (places > 1) problems.push({ key: 'address', text: `a list of addresses joins registers; a ${name} is one bit` })
  if (tag.type !== undefined && tag.type !== 'bool')
    problems.push({ key: 'type', text: `a ${name} is a bool, not ${tag.type}` })
  for (const key of ['byte', 'order', 'bits', 'length', 'charset', 'layout', 'timezone'] as const) {
    if (tag[key] !== undefined) problems.push({ key, text: `${key} belongs to registers; a ${name} is one bit` })
  }
  if (noValueBits.length > 0)
    problems.push({ key: 'noValue', text: `a ${name} has no pattern to spare for "no reading"` })
  const span = tag.count ?? 1
  const misfit = extent(place.area, place.address, span, most, LIMITS.readBits, 'maxBits')
  if (misfit !== null) problems.push({ key: tag.count === undefined ? 'address' : 'count', text: misfit })
  const write = tag.write?.function ?? 'auto'
  if (write === 'single' && span > 1)
    problems.push({ key: 'write', text: `function: single writes one coil; this value has ${span}` })
  if (problems.length > 0) return { problems }
  const plain = formatOf({ type: 'bool', count: tag.count }) as { readonly format: Format }
  const format = shared({ ...plain.format, units: 1 })
  const settings: TagSettings = {
    area: place.area,
    address: place.address,
    span,
    words: null,
    format,
    write,
    readBackMs: readBackOf(tag),
  }
  return { settings, kind: kindOf(format), type: 'bool' }
}

function upkeepOf({ write }: ParsedTag): Upkeep | undefined {
  const { refresh, expires, onStop, with: others } = write ?? {}
  if (refresh === undefined && expires === undefined && onStop === undefined && others === undefined) return undefined
  return { refreshMs: refresh || null, expiresMs: expires || null, onStop: onStop ?? null, with: others ?? [] }
}

function readBackOf({ write }: ParsedTag): number | null {
  const readBack = write?.readBack ?? false
  return typeof readBack === 'number' ? readBack : readBack ? 0 : null
}

/** The words of a list that are not one after the other; null: one address, or as good as one; a text: what is wrong. */
function placesApart(places: readonly Address[]): readonly number[] | string | null {
  if (places.length === 1) return null
  if (places.some((place) => place.area !== places[0]!.area)) return 'the words of a value must all be in one area'
  if (places.some((place) => place.bit !== null)) return 'a list joins whole registers, not bits'
  const words = places.map((place) => place.address)
  if (new Set(words).size < words.length) return 'the list names a register twice'
  return words
}

function bitsOf(tag: ParsedTag, place: Address): NonNullable<Format['bits']> | FormatProblem | null {
  if (place.bit !== null) {
    if (tag.bits !== undefined)
      return { key: 'bits', text: `the address names bit ${place.bit} already; leave bits or the ".${place.bit}" off` }
    if (tag.count !== undefined)
      return { key: 'count', text: 'an array of single bits is not possible: take bits: "0-7", or fields' }
    if (tag.type !== undefined && !['bool', 'uint16', 'int16'].includes(tag.type)) {
      return {
        key: 'type',
        text: `".${place.bit}" is one bit of one register, a bool; for a bit of ${tag.type} write bits: ${place.bit}`,
      }
    }
    return { from: place.bit, to: place.bit, single: true }
  }
  if (tag.bits === undefined) return null
  const [from, to] = `${tag.bits}`.split('-').map(Number) as [number, number?]
  return { from, to: to ?? from, single: to === undefined }
}

/** What is wrong with the stretch a value takes; null: nothing. */
function extent(
  area: Address['area'],
  address: number,
  span: number,
  most: number,
  limit: number,
  key: 'maxRegisters' | 'maxBits',
): string | null {
  const units = key === 'maxBits' ? 'bits' : 'registers'
  if (address + span > LIMITS.addresses) {
    return `the value ends beyond the last ${nameOf(area)}, ${formatAddress(area, LIMITS.addresses - 1)}: it begins at ${formatAddress(area, address)} and has ${span} ${units}`
  }
  if (span > limit) return `the value takes ${span} ${units}; Modbus reads at most ${limit} at once`
  if (span > most) return `the value takes ${span} ${units}; ${key} allows the device ${most} at once`
  return null
}

const formats = new Map<string, WeakRef<Format>>()

/** One object for formats that are equal, so that a hundred thousand tags share a few. */
function shared(format: Format): Format {
  const { type, permutation, byte, bits, length, units, count, noValueBits, charset, layout, timezone } = format
  const field = bits === null ? '' : `${bits.from}-${bits.to}${bits.single ? '!' : ''}`
  const key = `${type} ${permutation} ${byte} ${field} ${length} ${units} ${count} ${noValueBits} ${charset} ${layout} ${timezone}`
  const known = formats.get(key)?.deref()
  if (known !== undefined) return known
  formats.set(key, new WeakRef(format))
  return format
}
