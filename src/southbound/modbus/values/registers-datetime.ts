/** Dates in registers: the layouts meters and PLCs use, to and from ISO 8601 in UTC. Pure; no clock is read. */
import type { DatetimeLayout } from '../settings.ts'

const DAY = 86_400_000
const HOUR = 3_600_000
const YEAR_2000 = 946_684_800_000

/** Milliseconds since 1970 of a civil date (H. Hinnant, days_from_civil); null: there is no such date. */
function utcMs(year: number, month: number, day: number, hour: number, minute: number, ms: number): number | null {
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null
  if (hour > 23 || minute > 59 || ms >= 60_000) return null
  return daysFromCivil(year, month, day) * DAY + hour * HOUR + minute * 60_000 + ms
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const ofEra = y - era * 400
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
}

interface Civil {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  /** Of the minute. */
  readonly ms: number
}

function civil(at: number): Civil {
  const days = Math.floor(at / DAY)
  const rest = at - days * DAY
  const z = days + 719_468
  const era = Math.floor(z / 146_097)
  const ofEra = z - era * 146_097
  const years = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  )
  const ofYear = ofEra - (365 * years + Math.floor(years / 4) - Math.floor(years / 100))
  const shifted = Math.floor((5 * ofYear + 2) / 153)
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  return {
    year: years + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: ofYear - Math.floor((153 * shifted + 2) / 5) + 1,
    hour: Math.floor(rest / HOUR),
    minute: Math.floor((rest % HOUR) / 60_000),
    ms: rest % 60_000,
  }
}

/** `2026-03-01T12:00:00Z`; with a fraction where the layout has one. */
export function isoText(at: number, fraction: boolean): string {
  const { year, month, day, hour, minute, ms } = civil(at)
  const second = two(Math.floor(ms / 1000)) + (fraction ? `.${`${Math.floor(ms % 1000)}`.padStart(3, '0')}` : '')
  return `${`${year}`.padStart(4, '0')}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${second}Z`
}

function two(number: number): string {
  return number < 10 ? `0${number}` : `${number}`
}

/** Milliseconds since 1970 of `2026-03-01T12:00:00+01:00`; a text without an offset is in `timezone`; null: no date. */
export function parseIso(text: string, timezone: string): number | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3})\d*)?)?(Z|[+-]\d\d:?\d\d)?$/.exec(text)
  if (match === null) return null
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = match
  if (Number(second) > 59) return null
  const ms = Number(second) * 1000 + Number(fraction.padEnd(3, '0'))
  const local = utcMs(Number(year), Number(month), Number(day), Number(hour), Number(minute), ms)
  return local === null ? null : toUtc(local, zone ?? timezone, false)
}

const offsetText = /^(?:Z|UTC|([+-])(\d\d):?(\d\d))$/

export function timezoneProblem(timezone: string): string | null {
  if (offsetText.test(timezone)) return null
  try {
    formatter(timezone)
    return null
  } catch {
    return `"${timezone}" is no time zone: expected a name such as Europe/Berlin, UTC, or an offset such as +01:00`
  }
}

const formatters = new Map<string, Intl.DateTimeFormat>()

function formatter(timezone: string): Intl.DateTimeFormat {
  let known = formatters.get(timezone)
  if (known === undefined) {
    const digits = {
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    } as const
    known = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', { timeZone: timezone, hourCycle: 'h23', ...digits })
    formatters.set(timezone, known)
  }
  return known
}

/** How far wall clocks in `timezone` are ahead of UTC at a moment, milliseconds. */
function offsetAt(at: number, timezone: string): number {
  const fixed = offsetText.exec(timezone)
  if (fixed !== null) {
    return fixed[1] === undefined
      ? 0
      : (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * HOUR + Number(fixed[3]) * 60_000)
  }
  const second = Math.floor(at / 1000) * 1000
  const part: Record<string, number> = {}
  for (const { type, value } of formatter(timezone).formatToParts(second)) part[type] = Number(value)
  const local = utcMs(part.year!, part.month!, part.day!, part.hour!, part.minute!, part.second! * 1000)
  return local! - second
}

/** A wall clock's reading to UTC. An hour that comes twice in autumn is the later one (standard time) unless `summer`. */
function toUtc(local: number, timezone: string, summer: boolean): number {
  const before = offsetAt(local - DAY, timezone)
  const after = offsetAt(local + DAY, timezone)
  if (before === after) return local - before
  const early = local - Math.max(before, after)
  const late = local - Math.min(before, after)
  const earlyHolds = offsetAt(early, timezone) === Math.max(before, after)
  const lateHolds = offsetAt(late, timezone) === Math.min(before, after)
  if (earlyHolds && lateHolds) return summer ? early : late
  // A reading in the hour that spring leaves out: the clock was not put forward yet.
  return earlyHolds ? early : late
}

/** UTC to a wall clock's reading. */
function toLocal(at: number, timezone: string): number {
  return at + offsetAt(at, timezone)
}

export type Sorted = (index: number) => number

/** Milliseconds UTC of a date in registers. `byte(0)` is its first byte after order. `noValue`: the device marks it not valid. */
export function readDatetime(
  layout: DatetimeLayout,
  length: number,
  timezone: string,
  byte: Sorted,
): number | 'noValue' | null {
  const number = (from: number, to: number): number => {
    let sum = 0
    for (let index = from; index < to; index++) sum = sum * 256 + byte(index)
    return sum
  }
  const local = (at: number | null, summer = false): number | null => (at === null ? null : toUtc(at, timezone, summer))
  switch (layout) {
    case 'unix':
      return within(number(0, length) * 1000, (at) => local(at))
    case 'unix-ms':
      return within(number(0, 8), (at) => local(at))
    case 'since-2000':
      return local(YEAR_2000 + number(0, 4) * 1000)
    case 'ymdhms': {
      const step = length / 6
      const [year, month, day, hour, minute, second] = [0, 1, 2, 3, 4, 5].map((part) =>
        number(part * step, (part + 1) * step),
      ) as [number, number, number, number, number, number]
      if (second > 59 || (step === 1 && year > 99)) return null
      return local(utcMs(year < 100 ? 2000 + year : year, month, day, hour, minute, second * 1000))
    }
    case 'iec870': {
      // IEC 60870-5-4 type 081, CP56Time2a from its last octet: year · month, day · hour, minute · milliseconds.
      if ((byte(5) & 0x80) !== 0) return 'noValue'
      const at = utcMs(
        2000 + (byte(1) & 0x7f),
        byte(2) & 0x0f,
        byte(3) & 0x1f,
        byte(4) & 0x1f,
        byte(5) & 0x3f,
        number(6, 8),
      )
      return local(at, (byte(4) & 0x80) !== 0)
    }
    case 'bcd': {
      const pairs = [0, 1, 2, 3, 4, 5].map((index) => fromBcd(byte(index)))
      if (pairs.includes(-1)) return null
      const [year, month, day, hour, minute, second] = pairs as [number, number, number, number, number, number]
      if (second > 59) return null
      const high = length === 8 ? fromBcd(byte(6)) : 0
      const low = length === 8 ? byte(7) >> 4 : 0
      if (high < 0 || low > 9) return null
      return local(
        utcMs(year >= 90 ? 1900 + year : 2000 + year, month, day, hour, minute, second * 1000 + high * 10 + low),
      )
    }
  }
}

/** The year 9999 is where ISO 8601 ends. */
const END = 253_402_300_800_000

function within(at: number, then: (at: number) => number | null): number | null {
  return at < END ? then(at) : null
}

function fromBcd(byte: number): number {
  const high = byte >> 4
  const low = byte & 0x0f
  return high > 9 || low > 9 ? -1 : high * 10 + low
}

/** Whether a layout tells parts of a second. */
export function hasFraction(layout: DatetimeLayout, length: number): boolean {
  return layout === 'unix-ms' || layout === 'iec870' || (layout === 'bcd' && length === 8)
}

/** The bytes of a moment, before order is applied; null: the layout cannot hold it. */
export function writeDatetime(layout: DatetimeLayout, length: number, timezone: string, at: number): Uint8Array | null {
  const local = toLocal(at, timezone)
  const { year, month, day, hour, minute, ms } = civil(local)
  const second = Math.floor(ms / 1000)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  switch (layout) {
    case 'unix':
    case 'unix-ms': {
      const count = layout === 'unix' ? Math.floor(local / 1000) : local
      if (count < 0 || (length === 4 && count > 0xffff_ffff)) return null
      if (length === 4) view.setUint32(0, count)
      else view.setBigUint64(0, BigInt(count))
      return bytes
    }
    case 'since-2000': {
      const count = Math.floor((local - YEAR_2000) / 1000)
      if (count < 0 || count > 0xffff_ffff) return null
      view.setUint32(0, count)
      return bytes
    }
    case 'ymdhms':
      if (length === 6) {
        if (year < 2000 || year > 2099) return null
        bytes.set([year - 2000, month, day, hour, minute, second])
        return bytes
      }
      for (const [index, part] of [year, month, day, hour, minute, second].entries()) view.setUint16(index * 2, part)
      return bytes
    case 'iec870': {
      if (year < 2000 || year > 2127) return null
      const summer = toUtc(local, timezone, false) !== at
      bytes.set([0, year - 2000, month, day, hour | (summer ? 0x80 : 0), minute])
      view.setUint16(6, ms)
      return bytes
    }
    case 'bcd': {
      if (year < 1990 || year > 2089) return null
      bytes.set([year % 100, month, day, hour, minute, second].map(toBcd))
      if (length === 8) {
        const rest = ms % 1000
        // Siemens DATE_AND_TIME: the last half byte is the day of the week, 1 is Sunday; 1 January 1970 was a Thursday.
        bytes[6] = toBcd(Math.floor(rest / 10))
        bytes[7] = ((rest % 10) << 4) | (((((Math.floor(local / DAY) + 4) % 7) + 7) % 7) + 1)
      }
      return bytes
    }
  }
}

function toBcd(number: number): number {
  return (Math.floor(number / 10) << 4) | (number % 10)
}
