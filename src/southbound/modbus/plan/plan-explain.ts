/** Why a group is read by the requests it is read by, in a technician's words. Pure. */
import type { GroupPlan } from '../../../contracts/driver.ts'
import { formatRange, isBits } from '../schema/address.ts'
import type { AddressRange, Area, ConnectionSettings, DeviceSettings, TagSettings } from '../settings.ts'
import type { ModbusRequest } from './plan.ts'
import { extentsOf } from './plan-cut.ts'
import { type WireCost, wireCost } from './plan-wire.ts'

interface Surroundings {
  readonly device: DeviceSettings
  readonly wire: WireCost
  readonly avoid: readonly AddressRange[]
}

/** For each request: what it holds together, what it reads along, and why it does not go on where the one before it ended. */
export function explainRequests(
  group: GroupPlan,
  connection: ConnectionSettings,
  requests: readonly ModbusRequest[],
  avoid: readonly AddressRange[] = [],
): readonly (readonly string[])[] {
  const device = group.device.settings as DeviceSettings
  const surroundings: Surroundings = { device, wire: wireCost(connection), avoid }
  return requests.map((request, at) => {
    if (request.function > 4)
      return [request.drain === undefined ? 'a source of its own' : 'a queue, read until it is empty']
    const before = requests[at - 1]
    const reasons =
      group.coherent === true
        ? ['coherent: one request, so that all its values are of one moment']
        : held(request, surroundings)
    if (before !== undefined && before.function === request.function && group.coherent !== true) {
      reasons.push(...apart(before, request, surroundings))
    }
    return reasons
  })
}

function areaOf(request: ModbusRequest): Area {
  return (request.members[0]!.settings as TagSettings).area as Area
}

function nouns(request: ModbusRequest, count: number): string {
  return `${count} ${isBits(areaOf(request)) ? 'bit' : 'register'}${count === 1 ? '' : 's'}`
}

function held(request: ModbusRequest, { device, wire }: Surroundings): string[] {
  const area = areaOf(request)
  const extents = extentsOf(request.members)
  if (extents.length === 1)
    return [request.members.length === 1 ? 'one tag' : `${request.members.length} tags of the same registers`]
  const holes: { from: number; count: number }[] = []
  let end = extents[0]!.end
  for (const extent of extents) {
    if (extent.from > end) holes.push({ from: end, count: extent.from - end })
    end = Math.max(end, extent.end)
  }
  const reasons = [`${request.members.length} tags, neighbours merged`]
  const bits = isBits(area)
  const another = wire.weight(1, bits)
  for (const { from, count } of holes.slice(0, MOST_NAMED)) {
    const alongMs = wire.weight(1 + count, bits) - another
    const savesMs = wire.weight(0, bits) - alongMs
    const range = formatRange(area, from, from + count - 1, device.digits)
    reasons.push(
      savesMs > 0
        ? `bridges ${nouns(request, count)} nobody asks for (${range}): ${ms(alongMs)}, ${ms(savesMs)} less than another request`
        : `reads ${range} along: a value and its scale belong in one request`,
    )
  }
  if (holes.length > MOST_NAMED) reasons.push(`and ${holes.length - MOST_NAMED} more holes bridged for the same reason`)
  return reasons
}

const MOST_NAMED = 3

/** Why `next` is not part of `before`. */
function apart(before: ModbusRequest, next: ModbusRequest, { device, wire, avoid }: Surroundings): string[] {
  const area = areaOf(next)
  if (areaOf(before) !== area) return []
  const bits = isBits(area)
  const end = before.address + before.quantity
  const gap = next.address - end
  const whole = next.address + next.quantity - before.address
  const [limit, most] = bits ? ['maxBits', device.maxBits] : ['maxRegisters', device.maxRegisters]
  const over = `cut by ${limit} ${most}: together with the request before it would be ${whole}`
  if (gap <= 0) return [over]
  const hole = formatRange(area, end, next.address - 1, device.digits)
  const within = (range: AddressRange): boolean => range.area === area && range.from < next.address && range.to >= end
  const touched = device.noTouch.find(within)
  if (touched !== undefined) return [`around noTouch ${formatRange(area, touched.from, touched.to, device.digits)}`]
  const illegal = avoid.find(within)
  if (illegal !== undefined) {
    return [`around ${formatRange(area, illegal.from, illegal.to, device.digits)}, which the device refuses`]
  }
  if (gap > device.maxGap) {
    return [
      device.maxGap === 0
        ? `apart: ${hole} is a hole, and holes are not read (maxGap is 0)`
        : `apart: the hole ${hole} is wider than maxGap ${device.maxGap}`,
    ]
  }
  const alongMs = wire.weight(gap + 1, bits) - wire.weight(1, bits)
  const anotherMs = wire.weight(0, bits)
  if (alongMs >= anotherMs)
    return [`apart: reading ${hole} along would take ${ms(alongMs)}, another request takes ${ms(anotherMs)}`]
  return [over]
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
}
