/** The planner: which requests read a group, and how each answer becomes values. Pure. */
import type { BatchBuilder } from '../../../contracts/batch.ts'
import type { GroupPlan, Request, Tag } from '../../../contracts/driver.ts'
import { formatRange, isBits } from '../schema/address.ts'
import {
  type AddressRange,
  type Area,
  type ConnectionSettings,
  type DeviceSettings,
  type Drain,
  LIMITS,
  type TagSettings,
} from '../settings.ts'
import { compileDecoder, type Decode } from '../values/registers.ts'
import { cutStretches, type Extent, extentsOf } from './plan-cut.ts'
import { sourceRequests } from './plan-source.ts'
import { type WireCost, wireCost } from './plan-wire.ts'

export interface ModbusRequest extends Request {
  readonly unit: number
  readonly function: 1 | 2 | 3 | 4 | 20 | 24
  /** Wire address of the first register or coil. */
  readonly address: number
  /** Registers or coils. */
  readonly quantity: number
  readonly timeoutMs: number
  readonly retries: number
  /** The tags this request fills, in the order of `tags`. */
  readonly members: readonly Tag[]
  /** FC20. */
  readonly file?: number
  readonly drain?: Drain
  /** `length` bytes from `offset` on: the registers or coils of the answer as on the wire. Only a queue's length is its own. */
  decode(bytes: Uint8Array, offset: number, into: BatchBuilder, length?: number): void
}

const functions: Readonly<Record<Area, 1 | 2 | 3 | 4>> = { coil: 1, discrete: 2, holding: 3, input: 4 }

/** The requests that read every readable tag of the group once, with the least wire time the device's limits allow.
 *  `avoid`: stretches that were found to be illegal; like `noTouch`, they are never read along. */
export function planGroup(
  group: GroupPlan,
  connection: ConnectionSettings,
  avoid: readonly AddressRange[] = [],
): readonly ModbusRequest[] {
  const wire = wireCost(connection)
  const device = group.device.settings as DeviceSettings
  const coherent = group.coherent === true
  const areas = new Map<Area, Tag[]>()
  const sources: Tag[] = []
  for (const tag of group.tags) {
    if (tag.index < 0) continue
    const { area } = tag.settings as TagSettings
    if (area === 'fifo' || area === 'file') {
      sources.push(tag)
      continue
    }
    const members = areas.get(area)
    if (members === undefined) areas.set(area, [tag])
    else members.push(tag)
  }
  const requests: ModbusRequest[] = []
  for (const [area, tags] of areas) {
    const bits = isBits(area)
    const forbidden = [...device.noTouch, ...(coherent ? [] : avoid)].filter((range) => range.area === area)
    const listens = connection.kind === 'rtu' && connection.mode === 'listen' && !coherent
    const rules = {
      most: bits ? device.maxBits : device.maxRegisters,
      // One request whatever lies between: the configuration has made sure that there can be one.
      maxGap: coherent ? LIMITS.addresses : device.maxGap,
      forbidden,
      weight: coherent ? () => 1 : (quantity: number) => wire.weight(quantity, bits),
    }
    // What is only heard has no cost, and each value has its own moment.
    const stretches = listens ? extentsOf(tags).map((extent) => [extent]) : cutStretches(extentsOf(tags), rules)
    for (const extents of stretches) requests.push(requestOf(extents, { group, device, area, wire }))
  }
  if (sources.length > 0) requests.push(...sourceRequests(group, sources, wire))
  return requests
}

interface Surroundings {
  readonly group: Pick<GroupPlan, 'ref' | 'coherent'> & { readonly device: Pick<GroupPlan['device'], 'name'> }
  readonly device: Pick<
    DeviceSettings,
    'unitId' | 'timeoutMs' | 'retries' | 'digits' | 'maxRegisters' | 'maxBits' | 'maxGap' | 'noTouch'
  >
  readonly area: Area
  readonly wire: WireCost
}

const made = new WeakMap<ModbusRequest, Surroundings>()

function requestOf(extents: readonly Extent[], surroundings: Surroundings): ModbusRequest {
  const { group, device, area, wire } = surroundings
  const members = extents.flatMap((extent) => extent.tags).sort((one, other) => one.index - other.index)
  const address = extents[0]!.from
  const end = extents.reduce((most, extent) => Math.max(most, extent.end), 0)
  const code = functions[area]
  // Compiled when the first answer comes: a plan that is only looked at costs nothing.
  let decode: Decode | null = null
  const request: ModbusRequest = {
    group: group.ref,
    device: group.device.name,
    tags: Uint32Array.from(members, (tag) => tag.index),
    wireMs: wire.wireMs(end - address, isBits(area)),
    text: `FC0${code} unit ${device.unitId}, ${formatRange(area, address, end - 1, device.digits)}`,
    unit: device.unitId,
    function: code,
    address,
    quantity: end - address,
    timeoutMs: device.timeoutMs,
    retries: device.retries,
    members,
    decode(bytes, offset, into) {
      decode ??= compileDecoder(members, address)
      decode(bytes, offset, into)
    },
  }
  made.set(request, surroundings)
  return request
}

/** The two halves of a request that drew an exception, cut at a hole if there is one, else between two values; empty: it
 *  reads one value (or several of the same registers) and cannot be cut. */
export function splitRequest(request: ModbusRequest): readonly ModbusRequest[] {
  if (request.function > 4 || made.get(request)?.group.coherent === true) return []
  const extents = extentsOf(request.members)
  if (extents.length < 2) return []
  const middle = request.address + request.quantity / 2
  let [cut, nearest, atHole] = [1, Number.POSITIVE_INFINITY, false]
  let end = extents[0]!.end
  for (let index = 1; index < extents.length; index++) {
    const { from } = extents[index]!
    const hole = from > end
    const distance = Math.abs(from - middle)
    if ((hole && !atHole) || (hole === atHole && distance < nearest)) [cut, nearest, atHole] = [index, distance, hole]
    end = Math.max(end, extents[index]!.end)
  }
  const surroundings = made.get(request)!
  return [requestOf(extents.slice(0, cut), surroundings), requestOf(extents.slice(cut), surroundings)]
}

/** It reads what belongs together, or no registers at all: not to be cut. */
export function isWhole(request: ModbusRequest): boolean {
  return request.function > 4 || made.get(request)?.group.coherent === true
}

/** The part of a request that reads these of its members. */
export function partOf(request: ModbusRequest, members: readonly Tag[]): ModbusRequest {
  return requestOf(extentsOf(members), made.get(request)!)
}

/** The same values by what was learnt: `avoid` is not read along, nothing is read across a seam (the first register after
 *  it), none is longer than `most`. */
export function replanRequest(
  request: ModbusRequest,
  rules: {
    readonly members: readonly Tag[]
    readonly most: number | null
    readonly avoid: readonly AddressRange[]
    readonly seams: readonly number[]
  },
): readonly ModbusRequest[] {
  const surroundings = made.get(request)!
  const { device, area, wire } = surroundings
  const bits = isBits(area)
  const own = bits ? device.maxBits : device.maxRegisters
  const forbidden = [...device.noTouch, ...rules.avoid].filter((range) => range.area === area)
  const side = (tag: Tag): number => {
    const { address, span } = tag.settings as TagSettings
    return rules.seams.filter((seam) => seam < address + span).length
  }
  return [...Map.groupBy(rules.members, side).values()].flatMap((members) =>
    cutStretches(extentsOf(members), {
      most: Math.min(own, rules.most ?? own),
      maxGap: device.maxGap,
      forbidden,
      weight: (quantity) => wire.weight(quantity, bits),
    }).map((extents) => requestOf(extents, surroundings)),
  )
}
