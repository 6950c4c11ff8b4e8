/** What a tag that may be written must be like: found in the configuration, not when somebody writes. Pure. */
import type { Value } from '../../../contracts/batch.ts'
import { sentence } from '../../../contracts/errors.ts'
import { type AddressRange, LIMITS, type TagSettings } from '../settings.ts'
import { imageOf, isPartial } from '../values/encode.ts'
import type { FormatProblem } from '../values/registers-format.ts'
import { formatAddress, nameOf } from './address.ts'

export interface WriteCircumstances {
  readonly access: 'r' | 'rw' | 'w'
  /** Unit 0 of a serial line: everybody hears it, nobody answers. */
  readonly broadcast: boolean
  /** Another master is on the line. */
  readonly shared: boolean
  readonly digits: 'one-based' | 'zero-based'
  /** Never read, unless a tag that is read names them. */
  readonly noTouch: readonly AddressRange[]
}

export function writeProblems(settings: TagSettings, circumstances: WriteCircumstances): readonly FormatProblem[] {
  const { access, broadcast, shared, digits, noTouch } = circumstances
  const { area, address, span, words, write, readBackMs, format } = settings
  const problems: FormatProblem[] = []
  if (broadcast && access !== 'w') {
    const text =
      'unit 0 is everybody on the line, and nobody answers: its tags can only be written, give them access: w'
    problems.push({ key: 'access', text })
  }
  if (access === 'r') return problems
  if (area === 'fifo' || area === 'file') {
    problems.push({ key: 'access', text: `a ${area === 'fifo' ? 'queue' : 'file of records'} can only be read` })
    return problems
  }
  const where = formatAddress(area, address, digits)
  if (area === 'input' || area === 'discrete') {
    const article = area === 'input' ? 'an' : 'a'
    problems.push({ key: 'access', text: `${where} is ${article} ${nameOf(area)}: it can only be read` })
    return problems
  }
  const most = area === 'coil' ? LIMITS.writeBits : LIMITS.writeRegisters
  if (span > most && words === null) {
    problems.push({ key: 'access', text: `the value takes ${span}; Modbus writes at most ${most} at once` })
  }
  const partial = isPartial(settings)
  const apart = words !== null && words.length !== span
  if (apart && format.bits !== null) {
    const text = 'bits of a value whose registers stand apart cannot be written without touching their neighbours'
    problems.push({ key: 'access', text })
  }
  if (write === 'mask' && (!partial || apart || span > 1)) {
    const what = partial && !apart ? `${span} registers` : 'whole registers or coils'
    problems.push({ key: 'write', text: `function: mask changes a part of one register; this value has ${what}` })
  }
  if (shared && partial && !apart && (span > 1 || write === 'single' || write === 'multiple')) {
    const instead = span > 1 ? 'write whole registers' : 'leave the function to auto or mask'
    const text = `${where} would be read, changed and written back, while another master may change it: ${instead}`
    problems.push({ key: 'access', text })
  }
  if (broadcast && partial) {
    problems.push({
      key: 'access',
      text: 'a broadcast writes whole registers: nobody answers what else stands in them',
    })
  }
  if (broadcast && readBackMs !== null) {
    problems.push({ key: 'write', text: 'readBack: a broadcast is never answered, so it cannot be read back' })
  }
  // A tag that is only written must not be the reason for a read that its device's owner forbade.
  const forbidden = noTouch.some((range) => range.area === area && range.from < address + span && range.to >= address)
  if (access === 'w' && forbidden && readBackMs !== null) {
    problems.push({ key: 'write', text: `readBack: ${where} is within noTouch, and would be read` })
  } else if (access === 'w' && forbidden && (apart || (partial && write !== 'mask'))) {
    const instead = apart || span > 1 ? 'write whole registers' : 'give it write: { function: mask }'
    problems.push({ key: 'access', text: `${where} is within noTouch, and is read to be written in part: ${instead}` })
  }
  return problems
}

/** Why these cannot be written in one request; null: they can. A value of null: any that its type has. */
export function togetherProblem(
  writes: readonly { readonly settings: TagSettings; readonly value: Value }[],
): string | null {
  for (const { settings, value } of writes) {
    if (value === null) continue
    try {
      imageOf(settings, value)
    } catch (thrown) {
      return sentence(thrown)
    }
  }
  if (writes.length < 2) return null
  const sorted = writes.map(({ settings }) => settings).sort((one, other) => one.address - other.address)
  const [first] = sorted as [TagSettings, ...TagSettings[]]
  let end = first.address
  for (const settings of sorted) {
    const { area, address } = settings
    if (area !== 'holding' && area !== 'coil') return `${area} addresses cannot be written`
    const where = formatAddress(area, address)
    if (area !== first.area) return 'registers and coils cannot be written in one request'
    if (isPartial(settings)) return `${where} is a part of a register, or stands apart: it is written by itself`
    if (settings.write === 'single') return `${where} has function: single, which writes one register by itself`
    if (address > end) return `there is a hole before ${where}: one request writes what follows each other`
    if (address < end) return `${where} is named by two of them: what overlaps cannot be written together`
    end += settings.span
  }
  const most = first.area === 'coil' ? LIMITS.writeBits : LIMITS.writeRegisters
  const count = end - first.address
  return count > most ? `together they take ${count}; Modbus writes at most ${most} at once` : null
}
