/** Requests by hand: one read shown in every type and order, and one write. */
import { Reason, type Value } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import type { Peek } from '../../../contracts/driver.ts'
import { Rejected } from '../../../contracts/errors.ts'
import type { Ask, FunctionCode } from '../frames/pdu.ts'
import { type Address, formatAddress, isBits, parseAddress } from '../schema/address.ts'
import { type ConnectionSettings, type Format, LIMITS, type TypeName } from '../settings.ts'
import { allReadings, readingsOf } from '../values/readings.ts'
import { formatOf } from '../values/registers-format.ts'
import { TYPE_NAMES, TYPES } from '../values/types.ts'
import { orderOf } from '../writing/orders.ts'
import type { WriteOrder } from '../writing/writing.ts'

const READS: Readonly<Record<Address['area'], FunctionCode>> = { coil: 1, discrete: 2, holding: 3, input: 4 }
/** Registers the widest reading without a type takes. */
const WIDEST = 4

export interface PeekSurroundings {
  readonly settings: ConnectionSettings
  readonly clock: Clock
  /** The content of the good answer. Throws Rejected with the exception's reason. */
  readonly ask: (ask: Ask) => Promise<Uint8Array>
}

/** `UNIT ADDRESS [TYPE] [COUNT]`. Without a type: every reading that fits, of COUNT registers. Throws Rejected. */
export async function peek(words: readonly string[], surroundings: PeekSurroundings): Promise<Peek> {
  const { settings, clock } = surroundings
  const [unitWord, addressWord, ...rest] = words
  const unit = unitOf(unitWord, settings)
  const place = placeOf(addressWord, settings)
  const type = rest[0] !== undefined && !/^\d+$/.test(rest[0]) ? typeOf(rest.shift()) : null
  const count = rest[0] === undefined ? 1 : countOf(rest.shift()!)
  if (rest.length > 0) throw new Rejected(`"${rest.join(' ')}" is too much: UNIT ADDRESS [TYPE] [COUNT]`)
  const bits = isBits(place.area)
  if (bits && type !== null && type !== 'bool')
    throw new Rejected(`${addressWord} is one bit: it cannot be read as ${type}`)
  const step = bits || type === null || place.bit !== null ? 1 : unitsOf(type)
  const needed = step * count
  const most = Math.min(bits ? LIMITS.readBits : LIMITS.readRegisters, LIMITS.addresses - place.address)
  if (needed > most) throw new Rejected(`${count} of them are more than one request can read there`)
  // What follows is read along, so that the wider types can be shown too.
  const wished = bits || type !== null || place.bit !== null ? needed : Math.min(most, needed + WIDEST - 1)
  const startedAt = clock.monotonic()
  const { ask, bytes } = await shortest(surroundings, unit, place, wished, needed)
  const elapsedMs = clock.monotonic() - startedAt
  const now = clock.wall()
  const rows = Array.from({ length: count }, (_, row) => {
    const address = place.address + row * step
    const name = formatAddress(place.area, address, settings.digits)
    if (bits) return oneBit(name, (bytes[row >> 3]! >> (row & 7)) & 1)
    const own = bytes.subarray(row * step * 2)
    if (place.bit !== null) {
      const word = (own[0]! << 8) | own[1]!
      return oneBit(`${name}.${place.bit}`, (word >> place.bit) & 1)
    }
    return { address: name, ...(type === null ? allReadings(own, now) : readingsOf(type, own, now)) }
  })
  const code = String(ask.function).padStart(2, '0')
  const first = formatAddress(place.area, place.address, settings.digits)
  const last = formatAddress(place.area, place.address + ask.quantity - 1, settings.digits)
  return { request: `FC${code} unit ${unit}, ${first}${ask.quantity > 1 ? `–${last}` : ''}`, elapsedMs, rows }
}

function oneBit(address: string, bit: number): Peek['rows'][number] {
  return { address, readings: { bool: String(bit === 1) }, plausible: [] }
}

/** As much as wished, or only what was asked for where the device has no more. */
async function shortest(
  { ask, settings }: PeekSurroundings,
  unit: number,
  place: Address,
  wished: number,
  needed: number,
): Promise<{ readonly ask: Ask; readonly bytes: Uint8Array }> {
  for (let quantity = wished; ; quantity = quantity > needed ? Math.max(needed, Math.ceil(quantity / 2)) : needed) {
    const { timeoutMs } = settings
    const question = {
      device: `unit ${unit}`,
      unit,
      function: READS[place.area],
      address: place.address,
      quantity,
      timeoutMs,
    }
    try {
      return { ask: question, bytes: await ask(question) }
    } catch (thrown) {
      const refusal =
        thrown instanceof Rejected && (thrown.reason === Reason.illegalAddress || thrown.reason === Reason.illegalValue)
      if (!refusal || quantity <= needed) throw thrown
    }
  }
}

export interface PokeSurroundings {
  readonly settings: ConnectionSettings
  readonly write: (order: WriteOrder) => Promise<string | undefined>
}

/** `UNIT ADDRESS TYPE VALUE`; `TYPE` may be left out for one bit. Throws Rejected for words it cannot read. */
export async function poke(words: readonly string[], { settings, write }: PokeSurroundings): Promise<string> {
  const [unitWord, addressWord, ...rest] = words
  const unit = unitOf(unitWord, settings)
  const place = placeOf(addressWord, settings)
  const coil = isBits(place.area)
  const oneBit = coil || place.bit !== null
  const type = typeOf(oneBit && rest.length === 1 ? 'bool' : rest.shift())
  const text = rest.join(' ')
  if (text === '') throw new Rejected('the value is missing: UNIT ADDRESS TYPE VALUE')
  if (oneBit && type !== 'bool') throw new Rejected(`${addressWord} is one bit: it takes true or false`)
  const value = valueFrom(type, text)
  const length =
    typeof value === 'string' ? Buffer.byteLength(value) : value instanceof Uint8Array ? value.length : undefined
  const bits = place.bit === null ? undefined : { from: place.bit, to: place.bit, single: true }
  const found = oneBit ? formatOf({ type: 'bool', bits }) : formatFor(type, settings.order, length)
  if ('problems' in found) throw new Rejected(found.problems.map((problem) => problem.text).join('; '))
  const format: Format = coil ? { ...found.format, units: 1 } : found.format
  const { area, address } = place
  const { timeoutMs, retries, digits } = settings
  const tag = { area, address, span: format.units, words: null, format, write: 'auto', readBackMs: null } as const
  const said = await write(
    orderOf({ device: `unit ${unit}`, unit, timeoutMs, retries, digits, byHand: true }, tag, value),
  )
  const name = `${formatAddress(area, address, digits)}${place.bit === null ? '' : `.${place.bit}`}`
  return `${name} of unit ${unit} = ${text} (${type}): ${said ?? 'confirmed'}`
}

function formatFor(type: TypeName, presetOrder: string, length: number | undefined) {
  if (type === 'string' || type === 'bytes')
    return formatOf({ type, length: Math.max(2, (length ?? 2) + ((length ?? 0) & 1)) })
  return formatOf({ type, presetOrder })
}

function unitOf(word: string | undefined, settings: ConnectionSettings): number {
  const most = settings.kind === 'tcp' ? 255 : 247
  const unit = word !== undefined && /^\d{1,3}$/.test(word) ? Number(word) : Number.NaN
  if (!(unit <= most)) throw new Rejected(`"${word ?? ''}" is no unit: expected a number from 0 to ${most}`)
  return unit
}

function placeOf(word: string | undefined, settings: ConnectionSettings): Address {
  if (word === undefined) throw new Rejected('the address is missing: UNIT ADDRESS [TYPE]')
  const place = parseAddress(word, settings.digits)
  if ('problem' in place) throw new Rejected(place.problem)
  return place
}

function typeOf(word: string | undefined): TypeName {
  const type = TYPE_NAMES.find((name) => name === word?.toLowerCase())
  if (type === undefined) throw new Rejected(`"${word ?? ''}" is no type: expected one of ${TYPE_NAMES.join(', ')}`)
  return type
}

function countOf(word: string): number {
  const count = /^\d{1,4}$/.test(word) ? Number(word) : 0
  if (count < 1) throw new Rejected(`"${word}" is no count: expected a number from 1 on`)
  return count
}

/** Registers of one value; those without a length of their own are shown as they commonly are. */
function unitsOf(type: TypeName): number {
  const bytes = TYPES[type].bytes
  return bytes === null ? WIDEST : Math.ceil(bytes / 2)
}

function valueFrom(type: TypeName, text: string): Value {
  if (type === 'string' || type === 'datetime') return text
  if (type === 'bytes') {
    if (!/^([0-9a-f]{2})+$/i.test(text)) throw new Rejected(`"${text}" is no bytes: expected pairs of hex digits`)
    return Uint8Array.from(Buffer.from(text, 'hex'))
  }
  if (/^(true|on)$/i.test(text)) return true
  if (/^(false|off)$/i.test(text)) return false
  if (TYPES[type].kind === 'integer' && /^-?\d+$/.test(text)) {
    const number = Number(text)
    return Number.isSafeInteger(number) ? number : BigInt(text)
  }
  const number = Number(text)
  if (text.trim() === '' || Number.isNaN(number)) throw new Rejected(`"${text}" is no number`)
  return number
}
