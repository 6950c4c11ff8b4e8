/** Configured tags and their raw values as orders to write. Pure. */
import { Reason, type Value } from '../../../contracts/batch.ts'
import type { DevicePlan, Tag, Write } from '../../../contracts/driver.ts'
import { Rejected } from '../../../contracts/errors.ts'
import { isBits } from '../schema/address.ts'
import type { DeviceSettings, TagSettings } from '../settings.ts'
import { imageOf, joined } from '../values/encode.ts'
import { readerOf } from '../values/registers-element.ts'
import type { Target, WriteOrder } from './writing.ts'

export function targetOf({ name, settings }: Pick<DevicePlan, 'name' | 'settings'>): Target {
  const { unitId, timeoutMs, retries, digits } = settings as DeviceSettings
  return { device: name, unit: unitId, timeoutMs, retries, digits }
}

/** Throws Rejected: what the type does not hold, or what can only be read. */
export function orderOf(target: Target, settings: TagSettings, value: Value): WriteOrder {
  const { write, words, readBackMs } = settings
  return { target, image: imageOf(settings, value), write, words, readBackMs, shown: shownBy(settings) }
}

/** Tags whose registers follow each other, in one request; read back when one of them is. */
export function orderOfAll(target: Target, writes: readonly Write[]): WriteOrder {
  const parts = writes.map(({ tag, value }) => orderOf(target, tag.settings as TagSettings, value))
  const image = joined(parts.map((part) => part.image))
  if (image === null) {
    const names = writes.map(({ tag }: { tag: Tag }) => tag.info.name).join(', ')
    throw new Rejected(`${names} do not follow each other: they cannot be written in one request`, {
      reason: Reason.refused,
    })
  }
  const waits = parts.flatMap(({ readBackMs }) => readBackMs ?? [])
  const readBackMs = waits.length === 0 ? null : Math.max(...waits)
  return { target, image, write: 'multiple', words: null, readBackMs, shown: hex }
}

function shownBy({ area, format }: TagSettings): (bytes: Uint8Array) => string {
  if (isBits(area)) return format.count === null ? (bytes) => ((bytes[0]! & 1) === 1 ? 'true' : 'false') : hex
  if (format.count !== null || format.type === 'bytes') return hex
  const read = readerOf(format)
  return (bytes) => {
    const value = read(bytes, 0)
    return typeof value === 'symbol' || value instanceof Uint8Array
      ? hex(bytes)
      : typeof value === 'string'
        ? JSON.stringify(value)
        : String(value)
  }
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex')}`
}
