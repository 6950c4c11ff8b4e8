/** Engineering units back to raw, for writes: the inverse of the mapping, exact or refused. Pure. */
import { Reason, type Value } from '../contracts/batch.ts'
import type { Tag } from '../contracts/driver.ts'
import { Rejected } from '../contracts/errors.ts'
import { along, lineOf } from './scale.ts'

/** Types that hold whole numbers only. */
const WHOLE = /^(u?int\d+|bcd\d+|mod10k|signmag16)$/

/** Throws Rejected with what is wrong and what would be right. */
export function invert(tag: Tag, value: Value): Value {
  const { info, mapping } = tag
  if (mapping.counter !== null) throw refused(`${info.name} is a counter's total and cannot be written`)
  if (mapping.scaleFrom !== null) throw refused(`${info.name} is scaled by another register and cannot be written`)
  if (value === null) throw refused(`${info.name} takes a value, not null`)
  if (info.kind === 'bytes' || (info.kind === 'text' && mapping.enum === null)) return value
  if (Array.isArray(value)) return value.map((element) => number(tag, element))
  if (mapping.enum !== null && typeof value === 'string') return code(tag, value)
  if (info.type === 'datetime' || info.type === 'string') return value
  if (info.kind === 'boolean') return truth(tag, value)
  return number(tag, value)
}

function code({ info, mapping }: Tag, label: string): Value {
  for (const [raw, known] of mapping.enum!) if (known === label) return raw
  const labels = [...mapping.enum!.values()].join(', ')
  throw refused(`${info.name} has no state "${label}"; it has: ${labels}`)
}

function truth({ info }: Tag, value: Value): boolean {
  if (typeof value === 'boolean') return value
  if (value === 0 || value === 1) return value === 1
  throw refused(`${info.name} takes true or false, not ${shown(value)}`)
}

function number(tag: Tag, given: Value): Value {
  const { info, mapping, limits } = tag
  if (typeof given === 'boolean') throw refused(`${info.name} takes a number, not ${given}`)
  if (typeof given !== 'number' && typeof given !== 'bigint')
    throw refused(`${info.name} takes a number, not ${shown(given)}`)
  const value = Number(given)
  if (!Number.isFinite(value)) throw refused(`${info.name} takes a number, not ${value}`)
  if (limits !== null && (value < limits[0] || value > limits[1])) {
    throw refused(`${info.name} takes ${limits[0]} to ${limits[1]}, not ${value}`)
  }
  if (mapping.clamp !== null && (value < mapping.clamp[0] || value > mapping.clamp[1])) {
    throw refused(`${info.name} takes ${mapping.clamp[0]} to ${mapping.clamp[1]}, not ${value}`)
  }
  const line = lineOf(mapping)
  if (line.factor === 1 && line.shift === 0 && line.divisor === 1) {
    if (WHOLE.test(info.type) && typeof given === 'number' && !Number.isInteger(given)) {
      throw refused(`${info.name} takes whole numbers: ${Math.floor(value)} or ${Math.ceil(value)}, not ${value}`)
    }
    return given
  }
  if (line.factor === 0) throw refused(`${info.name} has scale 0 and cannot be written`)
  const raw = (value * line.divisor - line.shift) / line.factor
  if (!WHOLE.test(info.type)) return raw
  const whole = Math.round(raw)
  if (Math.abs(raw - whole) > 1e-6) {
    const [low, high] = [Math.floor(raw), Math.ceil(raw)].map((step) => along(line, step))
    throw refused(`${info.name} moves in steps: ${low} or ${high}, not ${value}`)
  }
  return whole
}

function refused(text: string): Rejected {
  return new Rejected(text, { reason: Reason.refused })
}

function shown(value: Value): string {
  return typeof value === 'string' ? `"${value}"` : typeof value === 'object' ? 'a list' : String(value)
}
