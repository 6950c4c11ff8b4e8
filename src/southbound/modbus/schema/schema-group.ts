/** What is wrong with tags of one group that are right by themselves. Pure. */

import type { Area, DeviceSettings, TagSettings } from '../settings.ts'
import type { FormatProblem } from '../values/registers-format.ts'
import { formatAddress, isBits, nameOf } from './address.ts'
import { formatSource } from './address-source.ts'

export interface GroupMember {
  readonly name: string
  readonly settings: unknown
}

const REMEDY = 'split the group, or leave coherent off'

export function groupProblems(
  members: readonly GroupMember[],
  { coherent }: { readonly coherent: boolean },
  device: DeviceSettings,
): readonly FormatProblem[] {
  const tags = members.map(({ name, settings }): Named => ({ name, at: settings as TagSettings }))
  const sources = tags.filter(({ at }) => at.area === 'fifo' || at.area === 'file')
  const problems = sources.flatMap((tag, index) => {
    const other = sources.slice(0, index).find((before) => samePlace(before.at, tag.at))
    if (other === undefined || JSON.stringify(other.at.drain) === JSON.stringify(tag.at.drain)) return []
    return [{ key: 'tags', text: `${other.name} and ${tag.name} read ${placeOf(tag.at)}, each drained in its own way` }]
  })
  const text = coherent && tags.length > 0 ? incoherence(tags, sources[0], device) : null
  return text === null ? problems : [...problems, { key: 'coherent', text: `${text}; ${REMEDY}` }]
}

interface Named {
  readonly name: string
  readonly at: TagSettings
}

function samePlace(one: TagSettings, other: TagSettings): boolean {
  return one.area === other.area && one.address === other.address && one.file === other.file
}

function placeOf({ area, address, span, file }: TagSettings): string {
  return formatSource(area === 'file' ? 'file' : 'fifo', address, span, file ?? 0)
}

/** Why one request cannot read them all; null: it can. */
function incoherence(tags: readonly Named[], source: Named | undefined, device: DeviceSettings): string | null {
  const [first] = tags as [Named, ...Named[]]
  if (source !== undefined) {
    return tags.length > 1 ? `${source.name} (${placeOf(source.at)}) is read by a request of its own` : null
  }
  const area = first.at.area as Area
  const stranger = tags.find(({ at }) => at.area !== area)
  if (stranger !== undefined) {
    const of = ({ name, at }: Named): string => `${name} is a ${nameOf(at.area as Area)}`
    return `${of(first)}, ${of(stranger)}: one request reads one area`
  }
  const low = tags.reduce((least, tag) => (tag.at.address < least.at.address ? tag : least))
  const high = tags.reduce((most, tag) => (endOf(tag) > endOf(most) ? tag : most))
  const [from, end] = [low.at.address, endOf(high)]
  const place = (address: number): string => formatAddress(area, address, device.digits)
  const ends = `${low.name} (${place(from)}) and ${high.name} (${place(end - 1)})`
  const [most, unit] = isBits(area) ? [device.maxBits, 'bits'] : [device.maxRegisters, 'registers']
  if (end - from > most) return `${ends} are ${end - from} ${unit} apart, and one request of this device reads ${most}`
  for (const range of device.noTouch) {
    if (range.area !== area) continue
    for (let address = Math.max(from, range.from); address < end && address <= range.to; address++) {
      if (tags.some((tag) => tag.at.address <= address && address < endOf(tag))) continue
      return `between ${ends} lies ${place(address)}, which noTouch forbids to read along`
    }
  }
  return null
}

function endOf({ at }: Named): number {
  return at.address + at.span
}
