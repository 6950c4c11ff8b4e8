/** Batches as payloads: Neuron's `values`, `tags` and `ecp`, and one value a topic. What belongs to a group is prepared once. */
import { type Batch, type GroupRef, Reason, type TagInfo, tagAt, type Value } from '../../contracts/batch.ts'
import { codeOf } from './codes.ts'

/** How integers beyond 2^53 are written. */
export type Bigint = 'number' | 'string'

/** Neuron's type numbers of the ECP format. */
const ECP = { boolean: 1, integer: 2, float: 3, string: 4 } as const

/** The parts of a group's payloads that never change. */
interface Prepared {
  readonly node: string
  readonly group: string
  /** `"name":` by tag. */
  readonly keys: readonly string[]
  readonly booleans: Uint8Array
}

const prepared = new WeakMap<GroupRef, Prepared>()
/** A hundred devices of one kind share their tags, and these texts with them. */
const keyTexts = new WeakMap<TagInfo, string>()

function prepare(group: GroupRef): Prepared {
  let parts = prepared.get(group)
  if (parts === undefined) {
    parts = {
      node: JSON.stringify(group.device),
      group: JSON.stringify(group.group),
      keys: group.tags.map(keyText),
      booleans: Uint8Array.from(group.tags, (tag) => Number(tag.kind === 'boolean')),
    }
    prepared.set(group, parts)
  }
  return parts
}

function keyText(tag: TagInfo): string {
  let text = keyTexts.get(tag)
  if (text === undefined) {
    text = `${JSON.stringify(tag.name)}:`
    keyTexts.set(tag, text)
  }
  return text
}

export interface Parts {
  /** `"a":1,"b":2` */
  readonly values: string
  /** `"c":3015` */
  readonly errors: string
}

/** The good values and the codes of the bad ones, as the insides of two JSON objects. */
export function valueParts(batch: Batch, bigint: Bigint): Parts {
  const { keys, booleans } = prepare(batch.group)
  const { tags, numbers, others, quality } = batch
  let values = ''
  let errors = ''
  for (let entry = 0; entry < numbers.length; entry++) {
    const tag = tags === null ? entry : tags[entry]!
    if (quality !== null && quality[entry] !== Reason.good) {
      errors += `${errors === '' ? '' : ','}${keys[tag]!}${codeOf(quality[entry]!)}`
      continue
    }
    if (values !== '') values += ','
    const other = others === null ? undefined : others.get(entry)
    if (other !== undefined) values += keys[tag]! + jsonOf(other, bigint)
    else if (booleans[tag] === 1) values += keys[tag]! + (numbers[entry] !== 0)
    else values += keys[tag]! + numberText(numbers[entry]!)
  }
  return { values, errors }
}

/** `{"name":"a","value":1}`, and `{"name":"c","error":3015}` for a bad one, in the group's order as Neuron's. */
export function tagList(batch: Batch, bigint: Bigint, which: 'all' | 'good' | 'bad'): string {
  const { keys } = prepare(batch.group)
  let list = ''
  for (let entry = 0; entry < batch.numbers.length; entry++) {
    const reason = batch.quality?.[entry] ?? Reason.good
    if (which === (reason === Reason.good ? 'bad' : 'good')) continue
    const head = `{"name":${keys[tagAt(batch, entry)]!.slice(0, -1)},`
    const said = reason === Reason.good ? `"value":${valueText(batch, entry, bigint)}` : `"error":${codeOf(reason)}`
    list += `${list === '' ? '' : ','}${head}${said}}`
  }
  return list
}

export function valuesPayload(batch: Batch, bigint: Bigint, withErrors: boolean): string {
  const { node, group } = prepare(batch.group)
  const { values, errors } = valueParts(batch, bigint)
  const said = withErrors ? errors : ''
  return `{"timestamp":${batch.at.wall},"node":${node},"group":${group},"values":{${values}},"errors":{${said}},"metas":{}}`
}

export function tagsPayload(batch: Batch, bigint: Bigint, withErrors: boolean): string {
  const { node, group } = prepare(batch.group)
  const tags = tagList(batch, bigint, withErrors ? 'all' : 'good')
  return `{"timestamp":${batch.at.wall},"node":${node},"group":${group},"tags":[${tags}]}`
}

/** Good values with their type; undefined: there is none, and Neuron then sends nothing. */
export function ecpPayload(batch: Batch, bigint: Bigint): string | undefined {
  const { node, group, keys } = prepare(batch.group)
  let tags = ''
  for (let entry = 0; entry < batch.numbers.length; entry++) {
    if ((batch.quality?.[entry] ?? Reason.good) !== Reason.good) continue
    const tag = tagAt(batch, entry)
    const text = valueText(batch, entry, bigint)
    tags += `${tags === '' ? '' : ','}{"name":${keys[tag]!.slice(0, -1)},"value":${text},"type":${ecpType(batch, entry, text)}}`
  }
  if (tags === '') return undefined
  return `{"timestamp":${batch.at.wall},"node":${node},"group":${group},"tags":[${tags}]}`
}

/** One value; a bad one is null. */
export function unsPayload(batch: Batch, entry: number, bigint: Bigint): string {
  const good = (batch.quality?.[entry] ?? Reason.good) === Reason.good
  return `{"value":${good ? valueText(batch, entry, bigint) : 'null'},"timestamp_ms":${batch.at.wall}}`
}

function ecpType(batch: Batch, entry: number, text: string): number {
  const { kind } = batch.group.tags[tagAt(batch, entry)]!
  if (kind === 'boolean') return ECP.boolean
  const other = batch.others?.get(entry)
  if (typeof other === 'bigint') return ECP.integer
  if (other !== undefined) return ECP.string
  // A real whose value happens to be whole is a float all the same; an integer that an enumeration did not list is none.
  return kind === 'integer' || (kind !== 'real' && /^-?\d+$/.test(text)) ? ECP.integer : ECP.float
}

function valueText(batch: Batch, entry: number, bigint: Bigint): string {
  const other = batch.others?.get(entry)
  if (other !== undefined) return jsonOf(other, bigint)
  const number = batch.numbers[entry]!
  return batch.group.tags[tagAt(batch, entry)]!.kind === 'boolean' ? String(number !== 0) : numberText(number)
}

/** JSON has neither NaN nor infinities; where a tag keeps them they are null. */
function numberText(number: number): string {
  return number - number === 0 ? String(number) : 'null'
}

/** Bytes become hexadecimal text. */
function jsonOf(value: Value, bigint: Bigint): string {
  if (typeof value === 'bigint') return bigint === 'string' && !isSafe(value) ? `"${value}"` : String(value)
  if (typeof value === 'number') return numberText(value)
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('hex')}"`
  if (Array.isArray(value)) return `[${value.map((element: Value) => jsonOf(element, bigint)).join(',')}]`
  return JSON.stringify(value)
}

function isSafe(value: bigint): boolean {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
}
