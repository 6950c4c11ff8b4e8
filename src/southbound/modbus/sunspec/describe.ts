/** What a SunSpec map says, as a device of ours: a group a model, a tag a point that the device implements. Pure. */
import { MODELS, type Model, type Point, type PointType } from './models.ts'
import type { FoundModel, SunSpecMap } from './walk.ts'

type Keys = Record<string, unknown>

export interface SunSpecDevice {
  /** The model's name as the device says it. */
  readonly name: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly groups: readonly {
    readonly name: string
    readonly every: string
    readonly tags: Readonly<Record<string, Keys>>
  }[]
  readonly notes: readonly { readonly place: string; readonly text: string }[]
}

interface Kind {
  readonly type: string
  /** Bits that mean "not implemented" (SunSpec information model specification, 4.2). */
  readonly none: bigint | null
}

const KINDS: Readonly<Record<Exclude<PointType, 'string' | 'pad'>, Kind>> = {
  int16: { type: 'int16', none: 0x8000n },
  uint16: { type: 'uint16', none: 0xffffn },
  int32: { type: 'int32', none: 0x8000_0000n },
  uint32: { type: 'uint32', none: 0xffff_ffffn },
  acc32: { type: 'uint32', none: 0n },
  acc64: { type: 'uint64', none: 0n },
  enum16: { type: 'uint16', none: 0xffffn },
  bitfield16: { type: 'uint16', none: 0xffffn },
  bitfield32: { type: 'uint32', none: 0xffff_ffffn },
  // Not a number: no reading without being told.
  float32: { type: 'float32', none: null },
  sunssf: { type: 'int16', none: 0x8000n },
  count: { type: 'uint16', none: 0xffffn },
}

interface Placed {
  readonly point: Point
  /** As it is called here; a repetition counts. */
  readonly name: string
  /** Registers from the model's first point. */
  readonly offset: number
}

export function describeSunSpec(map: SunSpecMap): SunSpecDevice {
  const notes: { place: string; text: string }[] = []
  const groups: { name: string; every: string; tags: Record<string, Keys> }[] = []
  const labels: Record<string, string> = {}
  for (const found of map.models) {
    const model = MODELS[found.id]
    const place = `model ${found.id} at holding:${found.address - 2}`
    const note = (text: string): void => void notes.push({ place, text })
    if (model === undefined) {
      note(`${vendors(found.id)}: ${found.length} registers are left out`)
      continue
    }
    if (found.registers === null) {
      note('the device refuses to have it read: left out')
      continue
    }
    if (found.id === 1) commonInto(labels, model, found.registers)
    const tags = tagsOf(model, found, note)
    if (Object.keys(tags).length === 0) continue
    const base = `${model.name}-${found.id}`
    const before = groups.filter(({ name }) => name === base || name.startsWith(`${base}_`)).length
    groups.push({ name: before === 0 ? base : `${base}_${before + 1}`, every: model.every, tags })
  }
  if (map.ending !== null) notes.push({ place: 'the map', text: map.ending })
  return { name: labels.model, labels, groups, notes }
}

function vendors(id: number): string {
  return id >= 64_000 ? 'a model of the vendor' : 'a model that is not known here'
}

function tagsOf(
  model: Model,
  { registers, address, length }: FoundModel,
  note: (text: string) => void,
): Record<string, Keys> {
  const placed = place(model, length)
  const whole = placed.filter(({ point, offset }) => offset + point.size <= length)
  if (whole.length < placed.length)
    note(`its length is ${length}: points from ${placed[whole.length]!.name} on are not there`)
  const used = whole.reduce((end, { point, offset }) => Math.max(end, offset + point.size), 0)
  if (used < length) note(`${length - used} registers behind its points are left out`)
  const implemented = whole.filter(
    ({ point, offset }) => point.type !== 'pad' && isImplemented(point, registers!, offset),
  )
  const missing = whole.filter((one) => one.point.type !== 'pad' && !implemented.includes(one))
  const [counters, others] = [
    missing.filter(({ point }) => point.type.startsWith('acc')),
    missing.filter(({ point }) => !point.type.startsWith('acc')),
  ]
  if (others.length > 0) note(`not implemented: ${others.map(({ name }) => name).join(', ')}`)
  if (counters.length > 0)
    note(`read 0, which is "not implemented" for counters: ${counters.map(({ name }) => name).join(', ')}`)
  const factors = new Set(implemented.filter(({ point }) => point.type === 'sunssf').map(({ point }) => point.name))
  const scaled = new Set(implemented.flatMap(({ point }) => point.scaleFactor ?? []))
  const tags: Record<string, Keys> = {}
  for (const { point, name, offset } of implemented) {
    // A factor that nothing is scaled by says nothing.
    if (point.type === 'sunssf' && !scaled.has(point.name)) continue
    const by = point.scaleFactor
    if (by !== undefined && !factors.has(by))
      note(`${name} has the scale factor ${by}, which is not implemented: it is not scaled`)
    tags[name] = tagOf(
      point,
      address + offset,
      by !== undefined && factors.has(by) ? by : undefined,
      model.states[point.name],
    )
  }
  return tags
}

function place(model: Model, length: number): readonly Placed[] {
  const placed: Placed[] = []
  let offset = 0
  const put = (points: readonly Point[], suffix: string): void => {
    for (const point of points) {
      placed.push({ point, name: `${point.name}${suffix}`, offset })
      offset += point.size
    }
  }
  put(model.points, '')
  const size = model.repeating.reduce((sum, point) => sum + point.size, 0)
  for (let turn = 1; size > 0 && offset + size <= length; turn++) put(model.repeating, `_${turn}`)
  return placed
}

function tagOf(
  point: Point,
  address: number,
  scaleFactor: string | undefined,
  states: Readonly<Record<number, string>> | undefined,
): Keys {
  const { type, unit, size } = point
  const at = { address: `holding:${address}` }
  if (type === 'string') return { ...at, type: 'string', length: size * 2 }
  const { type: ours, none } = KINDS[type as keyof typeof KINDS]
  return {
    ...at,
    type: ours,
    ...(none === null ? {} : { noValue: none === 0n ? 0 : `0x${none.toString(16).toUpperCase()}` }),
    ...(scaleFactor === undefined ? {} : { scaleFrom: { tag: scaleFactor, as: 'pow10' } }),
    ...(unit === undefined ? {} : { unit }),
    ...(states === undefined ? {} : { enum: states }),
  }
}

function isImplemented({ type, size }: Point, registers: Uint16Array, offset: number): boolean {
  const own = registers.subarray(offset, offset + size)
  if (type === 'string') return own[0] !== 0
  let bits = 0n
  for (const register of own) bits = (bits << 16n) | BigInt(register)
  if (type === 'float32') return (bits & 0x7f80_0000n) !== 0x7f80_0000n
  return type !== 'pad' && bits !== KINDS[type].none
}

const COMMON: Readonly<Record<string, string>> = { Mn: 'manufacturer', Md: 'model', Vr: 'version', SN: 'serial' }

function commonInto(labels: Record<string, string>, model: Model, registers: Uint16Array): void {
  for (const { point, offset } of place(model, registers.length)) {
    const label = COMMON[point.name]
    if (label === undefined || labels[label] !== undefined || offset + point.size > registers.length) continue
    const bytes = [...registers.subarray(offset, offset + point.size)].flatMap((word) => [word >> 8, word & 0xff])
    const text = String.fromCharCode(...bytes.slice(0, bytes.includes(0) ? bytes.indexOf(0) : undefined)).trim()
    if (text !== '') labels[label] = text
  }
}
