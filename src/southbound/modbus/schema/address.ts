/** Modbus addresses as people write them, and back: every form of 40001, `holding:0`, `HR1`, `40001.3`. Pure. */

import { type AddressRange, type Area, LIMITS, type TagSettings } from '../settings.ts'
import { meansSource } from './address-source.ts'

export type Digits = 'one-based' | 'zero-based'

export interface Address {
  readonly area: Area
  /** As it stands on the wire, from 0. */
  readonly address: number
  /** Of a register, 0 the least significant; null: the whole register or coil. */
  readonly bit: number | null
}

export interface Problem {
  /** What is wrong and what to write instead. */
  readonly problem: string
}

const areaOfDigit: Readonly<Record<string, Area>> = { '4': 'holding', '3': 'input', '1': 'discrete', '0': 'coil' }
const digitOfArea: Readonly<Record<Area, string>> = { holding: '4', input: '3', discrete: '1', coil: '0' }
const areaOfLetters: Readonly<Record<string, Area>> = { HR: 'holding', IR: 'input', DI: 'discrete', C: 'coil' }
const last = LIMITS.addresses - 1

const forms = 'expected 40001, holding:0, HR1 or, for a bit, 40001.3'

/** Reads one address. `digits` rules the digit form alone: `holding:0` counts from 0 and `HR1` from 1 always. */
export function parseAddress(written: string, digits: Digits = 'one-based'): Address | Problem {
  const text = written.trim()
  const [whole, fraction, ...rest] = text.split('.')
  if (whole === undefined || rest.length > 0) return { problem: `"${text}" is no Modbus address: ${forms}` }
  const found = parseWhole(whole, text, digits)
  if ('problem' in found || fraction === undefined) return found
  if (!/^\d{1,2}$/.test(fraction) || Number(fraction) > 15) {
    return { problem: `"${text}": the bits of a register are .0 (least significant) to .15` }
  }
  if (isBits(found.area))
    return { problem: `"${text}": a ${nameOf(found.area)} is one bit already; leave ".${fraction}" off` }
  return { ...found, bit: Number(fraction) }
}

function parseWhole(whole: string, text: string, digits: Digits): Address | Problem {
  if (/^\d+$/.test(whole)) return parseDigits(whole, digits)
  const named = /^(holding|input|discrete|coil):(0x[0-9a-f]+|\d+)$/i.exec(whole)
  if (named !== null) return place(named[1]!.toLowerCase() as Area, Number(named[2]), text)
  const lettered = /^(HR|IR|DI|C)(\d+)$/i.exec(whole)
  if (lettered !== null) {
    const letters = lettered[1]!.toUpperCase()
    if (Number(lettered[2]) === 0) {
      return { problem: `"${text}": ${letters} addresses count from 1; the first one is ${letters}1` }
    }
    return place(areaOfLetters[letters]!, Number(lettered[2]) - 1, text)
  }
  if (meansSource(whole)) return { problem: `"${text}" is no register: a queue or a file is the address of a tag only` }
  return { problem: `"${text}" is no Modbus address: ${forms}` }
}

function parseDigits(text: string, digits: Digits): Address | Problem {
  const number = Number(text)
  if (text.length < 5) {
    const zeros = `${number}`.padStart(4, '0')
    const coil = text.length === 4 ? '' : `, 4${zeros} for a holding register, "0${zeros}" (quoted) for a coil`
    return { problem: `"${text}" does not say its area: write holding:${number} (counted from 0)${coil}` }
  }
  if (text.length > 6) return { problem: `"${text}" has too many digits: ${forms}` }
  const area = areaOfDigit[text[0]!]
  if (area === undefined) {
    const meant =
      text.length === 5 && number <= LIMITS.addresses ? `; if holding register ${number} is meant, write 4${text}` : ''
    return { problem: `"${text}": the first digit names the area: 4 holding, 3 input, 1 discrete, 0 coil${meant}` }
  }
  const counted = Number(text.slice(1))
  if (digits === 'zero-based') return place(area, counted, text)
  if (counted === 0) {
    return {
      problem: `"${text}": addresses of this form count from 1, the first is ${text.slice(0, -1)}1; a list that counts from 0 needs digits: zero-based`,
    }
  }
  return place(area, counted - 1, text)
}

function place(area: Area, address: number, text: string): Address | Problem {
  if (address <= last) return { area, address, bit: null }
  return { problem: `"${text}" is beyond the last ${nameOf(area)}, ${formatAddress(area, last)} (${area}:${last})` }
}

/** Reads `holding:100-120`, `40101-40121`, `HR5-HR9` or one address. */
export function parseRange(written: string, digits: Digits = 'one-based'): AddressRange | Problem {
  const text = written.trim()
  const match = /^([^-–]+?)(?:\s*[-–]\s*([^-–]+))?$/.exec(text)
  if (match === null) return { problem: `"${text}" is no range of addresses: expected holding:100-120` }
  const from = parseAddress(match[1]!, digits)
  if ('problem' in from) return from
  const end = match[2]?.trim()
  const prefix = /^[a-z]+:?/i.exec(match[1]!)?.[0] ?? ''
  const to =
    end === undefined ? from : parseAddress(prefix !== '' && /^(0x|\d)/i.test(end) ? prefix + end : end, digits)
  if ('problem' in to) return to
  if (from.bit !== null || to.bit !== null) return { problem: `"${text}": a range is of whole registers, not of bits` }
  if (from.area !== to.area) return { problem: `"${text}" begins in one area and ends in another` }
  if (from.address > to.address) return { problem: `"${text}" ends before it begins` }
  return { area: from.area, from: from.address, to: to.address }
}

/** `40001`, from 10000 on six digits: `410000`. */
export function formatAddress(area: Area, address: number, digits: Digits = 'one-based'): string {
  const counted = digits === 'one-based' ? address + 1 : address
  return digitOfArea[area] + `${counted}`.padStart(counted > 9999 ? 5 : 4, '0')
}

/** `40001`, `40001–40010`; both ends with as many digits as the longer needs. */
export function formatRange(area: Area, from: number, to: number, digits: Digits = 'one-based'): string {
  const end = formatAddress(area, to, digits)
  if (from === to) return end
  const start = formatAddress(area, from, digits)
  return `${start[0]}${start.slice(1).padStart(end.length - 1, '0')}–${end}`
}

/** Coils and discrete inputs are bits, the other two areas registers. */
export function isBits(area: TagSettings['area']): area is 'coil' | 'discrete' {
  return area === 'coil' || area === 'discrete'
}

export function nameOf(area: Area): string {
  return { coil: 'coil', discrete: 'discrete input', input: 'input register', holding: 'holding register' }[area]
}
