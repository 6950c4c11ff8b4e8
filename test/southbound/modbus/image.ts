/** A device as a picture of its registers: what a configuration makes of it, without a wire. */
import { BatchBuilder, samples, type Value } from '../../../src/contracts/batch.ts'
import type { GroupPlan } from '../../../src/contracts/driver.ts'
import { Conversion } from '../../../src/pipeline/conversion.ts'
import { isBits } from '../../../src/southbound/modbus/schema/address.ts'
import type { Area, TagSettings } from '../../../src/southbound/modbus/settings.ts'
import { compileDecoder } from '../../../src/southbound/modbus/values/registers.ts'

/** By area: words (or bits) that follow each other, by the wire address of the first. */
export type Image = Readonly<Partial<Record<Area, Readonly<Record<number, readonly number[]>>>>>

/** By `device/group/tag`: engineering values; null: bad quality. Throws where the picture has no such register. */
export function valuesOf(groups: readonly GroupPlan[], image: Image): Record<string, Value> {
  const found: Record<string, Value> = {}
  for (const group of groups) {
    const into = new BatchBuilder(group.ref)
    for (const tag of group.tags) {
      if (tag.index < 0) continue
      const { area, address, span } = tag.settings as TagSettings
      compileDecoder([tag], address)(contentOf(image, area as Area, address, span), 0, into)
    }
    const at = { wall: 0, monotonic: 0, boot: 'b', clock: 'synced' } as const
    const batch = new Conversion(group, () => {}).convert(into.finish(at))
    for (const { tag, value } of samples(batch)) found[`${group.ref.device}/${group.ref.group}/${tag.name}`] = value
  }
  return found
}

function contentOf(image: Image, area: Area, address: number, span: number): Uint8Array {
  const units = new Map<number, number>()
  for (const [first, words] of Object.entries(image[area] ?? {})) {
    for (const [at, word] of words.entries()) units.set(Number(first) + at, word)
  }
  const wanted = Array.from({ length: span }, (_, at) => {
    const unit = units.get(address + at)
    if (unit === undefined) throw new Error(`${area}:${address + at} is not in the picture`)
    return unit
  })
  if (!isBits(area)) return Uint8Array.from(wanted.flatMap((word) => [(word >> 8) & 0xff, word & 0xff]))
  const bytes = new Uint8Array(Math.ceil(span / 8))
  for (const [at, bit] of wanted.entries()) bytes[at >> 3]! |= bit << (at & 7)
  return bytes
}

/** What `values` are as registers, the most significant first: the plain way, for tests to turn round. */
export function words(
  type: 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'float32' | 'float64',
  ...values: number[]
): number[] {
  return values.flatMap((value) => {
    const view = new DataView(new ArrayBuffer(8))
    if (type === 'float32') view.setFloat32(0, value)
    else if (type === 'float64') view.setFloat64(0, value)
    else if (type.endsWith('64')) view.setBigInt64(0, BigInt(value))
    else if (type.endsWith('32')) view.setUint32(0, value >>> 0)
    else view.setUint16(0, value & 0xffff)
    return Array.from({ length: Number(type.slice(-2)) / 16 }, (_, at) => view.getUint16(at * 2))
  })
}
