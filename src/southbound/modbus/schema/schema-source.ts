/** Joins what a tag says whose address is a queue or a file of records. */
import type { ValueKind } from '../../../contracts/batch.ts'
import { type Drain, type Format, LIMITS, type TagSettings } from '../settings.ts'
import { type FormatProblem, formatOf, kindOf } from '../values/registers-format.ts'
import { isBits, parseAddress } from './address.ts'
import { parseSource } from './address-source.ts'
import type { ParsedConnection, ParsedDevice, ParsedTag } from './schema.ts'

/** Without an acknowledgement reading empties the queue: it goes on until there is nothing. With one the next read waits for the
 *  next cycle, when the batch has gone on. */
const MOST_READS = 32

interface ResolvedSource {
  readonly settings: TagSettings
  readonly kind: ValueKind
  readonly type: string
  /** Each value stands for itself: one that equals the last is no repetition of it. */
  readonly events?: true
}

export function resolveSource(
  tag: ParsedTag,
  device: ParsedDevice,
  connection: ParsedConnection,
  noValueBits: readonly bigint[],
): ResolvedSource | { readonly problems: readonly FormatProblem[] } {
  const problems: FormatProblem[] = []
  const digits = device.digits ?? connection.digits
  if (Array.isArray(tag.address)) {
    return {
      problems: [{ key: 'address', text: 'a queue or a file stands alone: a list of addresses joins registers' }],
    }
  }
  const place = parseSource(String(tag.address))
  if ('problem' in place) return { problems: [{ key: 'address', text: place.problem }] }
  const queue = place.area === 'fifo'
  if (tag.bits !== undefined) problems.push({ key: 'bits', text: 'bits belong to registers of an area' })
  if (tag.write !== undefined) problems.push({ key: 'write', text: `a ${queue ? 'queue' : 'file'} can only be read` })
  const drain = drainOf(tag, {
    digits,
    allowed: device.setupWrites === 'allow',
    shared: connection.masters === 'shared',
    problems,
  })
  if (queue && tag.count !== undefined) {
    problems.push({ key: 'count', text: 'a queue has as many elements as it holds: leave count off' })
  }
  const type = tag.type ?? 'uint16'
  const text = type === 'string' || type === 'bytes'
  const given = queue ? null : place.length
  const length = tag.length ?? (text && given !== null ? 2 * given : undefined)
  const found = formatOf({
    ...tag,
    type,
    length,
    count: undefined,
    bits: undefined,
    presetOrder: device.order ?? connection.order,
    noValueBits,
  })
  if ('problems' in found) return { problems: [...problems, ...found.problems] }
  const { units } = found.format
  const span = queue ? LIMITS.readFifo : (given ?? units * (tag.count ?? 1))
  if (queue && units > LIMITS.readFifo) {
    problems.push({ key: 'length', text: `a queue gives at most ${LIMITS.readFifo} registers at once` })
  }
  if (!queue) problems.push(...misfits(place, span, units, tag.count, type))
  if (problems.length > 0) return { problems }
  // Drained, a file gives one list of all its records' elements.
  const count = queue || drain !== undefined ? null : (tag.count ?? (span > units ? span / units : null))
  const format: Format = { ...found.format, count }
  return {
    settings: {
      area: place.area,
      address: place.address,
      span,
      words: null,
      format,
      write: 'auto',
      readBackMs: null,
      ...(queue ? {} : { file: place.file }),
      ...(drain === undefined ? {} : { drain }),
    },
    kind: queue || drain !== undefined ? 'array' : kindOf(format),
    type,
    ...(drain === undefined ? {} : { events: true }),
  }
}

function misfits(
  place: { readonly address: number },
  span: number,
  units: number,
  count: number | undefined,
  type: string,
): FormatProblem[] {
  if (span > LIMITS.readRecord) {
    return [
      { key: 'count', text: `the value takes ${span} registers; one request reads ${LIMITS.readRecord} of a file` },
    ]
  }
  if (place.address + span > LIMITS.addresses) {
    return [{ key: 'address', text: `the value ends beyond the last record, ${LIMITS.addresses - 1}` }]
  }
  if (count !== undefined && count * units !== span) {
    return [{ key: 'count', text: `${count} of ${type} are ${count * units} registers, the address says ${span}` }]
  }
  if (span % units !== 0) {
    return [{ key: 'address', text: `${span} registers hold no whole number of ${type}, which has ${units}` }]
  }
  return []
}

function drainOf(
  tag: ParsedTag,
  around: {
    readonly digits: 'one-based' | 'zero-based'
    readonly allowed: boolean
    readonly shared: boolean
    readonly problems: FormatProblem[]
  },
): Drain | undefined {
  const { digits, allowed, shared, problems } = around
  const { drain } = tag
  if (drain === undefined || drain === false) return undefined
  const { acknowledge, most } = drain === true ? {} : drain
  if (acknowledge === undefined) return { most: most ?? MOST_READS, acknowledge: null }
  const problem = (text: string): undefined => void problems.push({ key: 'drain', text: `acknowledge: ${text}` })
  if (!allowed) {
    return problem('the gateway writes this by itself: say that it may, with setupWrites: allow at the device')
  }
  if (shared) return problem('another master may read and drop records, too: it needs a connection with masters: sole')
  const place = parseAddress(String(acknowledge.address), digits)
  if ('problem' in place) return problem(place.problem)
  if (place.area === 'input' || place.area === 'discrete') return problem(`${acknowledge.address} can only be read`)
  if (place.bit !== null) return problem('a whole register or a coil is written, not a bit of a register')
  const { value } = acknowledge
  const coil = isBits(place.area)
  if (coil && value !== 0 && value !== 1) return problem('a coil takes 0 or 1')
  return { most: most ?? 1, acknowledge: { function: coil ? 5 : 6, address: place.address, value } }
}
