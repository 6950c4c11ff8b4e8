/** The blueprint's protocol: questions to lines, answers to values. Pure. */
import { type BatchBuilder, Reason, type Value } from '../../contracts/batch.ts'
import { Rejected, Retryable } from '../../contracts/errors.ts'

/** `DevicePlan.settings`. */
export interface BlueprintDevice {
  readonly station: number
}

/** `Tag.settings`. */
export interface BlueprintTag {
  readonly name: string
  readonly type: 'number' | 'bool' | 'string'
}

/** A tag as a question names it, and the column entry its answer fills. */
export interface Asked extends BlueprintTag {
  readonly index: number
}

export function question(station: number, names: readonly string[]): string {
  return `GET ${station} ${names.join(' ')}`
}

/** Throws Rejected for a value that does not fit the type. */
export function order(station: number, { name, type }: BlueprintTag, value: Value): string {
  const fits =
    type === 'number'
      ? typeof value === 'number' && Number.isFinite(value)
      : type === 'bool'
        ? typeof value === 'boolean' || value === 0 || value === 1
        : typeof value === 'string'
  if (!fits)
    throw new Rejected(`${name} is a ${type}: ${String(value)} cannot be written`, { reason: Reason.outOfRange })
  const text = type === 'bool' ? `${Number(value)}` : String(value)
  return `SET ${station} ${name}=${encodeURIComponent(text)}`
}

/** Fills the columns from an answer. A refusal is the device's fault and becomes quality; what is no answer at all is the
 *  line's: throws Retryable. */
export function take(answer: string, asked: readonly Asked[], into: BatchBuilder): 'taken' | 'refused' {
  if (answer.startsWith('ERROR')) {
    for (const { index } of asked) into.bad(index, Reason.deviceFailure)
    return 'refused'
  }
  const [verdict, ...pairs] = answer.split(' ')
  if (verdict !== 'OK') {
    throw new Retryable(`the answer is neither OK nor ERROR: "${answer.slice(0, 40)}"`, { reason: Reason.badFrame })
  }
  const texts = new Map<string, string>()
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    if (equals > 0) texts.set(pair.slice(0, equals), pair.slice(equals + 1))
  }
  for (const tag of asked) put(texts.get(tag.name), tag, into)
  return 'taken'
}

function put(text: string | undefined, { index, type }: Asked, into: BatchBuilder): void {
  if (text === undefined) into.bad(index, Reason.notDecodable)
  else if (text === '?') into.bad(index, Reason.illegalAddress)
  else if (type === 'string') {
    const plain = decoded(text)
    if (plain === null) into.bad(index, Reason.notDecodable)
    else into.other(index, plain)
  } else {
    const number = text === '' ? Number.NaN : Number(text)
    if (Number.isNaN(number) || (type === 'bool' && number !== 0 && number !== 1)) into.bad(index, Reason.notDecodable)
    else into.number(index, number)
  }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
