/** Requests for queues (FC24) and files of records (FC20): one for each place that tags name, none merged, for what lies
 *  between two records of a file is the device's own affair. Pure. */
import { type BatchBuilder, Reason } from '../../../contracts/batch.ts'
import type { GroupPlan, Tag } from '../../../contracts/driver.ts'
import { formatSource } from '../schema/address-source.ts'
import { type DeviceSettings, LIMITS, type TagSettings } from '../settings.ts'
import { compileDecoder, type Decode, fillList } from '../values/registers.ts'
import type { ModbusRequest } from './plan.ts'
import type { WireCost } from './plan-wire.ts'

export function sourceRequests(group: GroupPlan, tags: readonly Tag[], wire: WireCost): readonly ModbusRequest[] {
  const places = Map.groupBy(tags, (tag) => {
    const { area, file, address, span, drain } = tag.settings as TagSettings
    return `${area} ${file} ${address} ${area === 'file' ? span : ''} ${JSON.stringify(drain)}`
  })
  return [...places.values()].map((members) => requestOf(group, members, wire))
}

function requestOf(group: GroupPlan, members: readonly Tag[], wire: WireCost): ModbusRequest {
  const { unitId, timeoutMs, retries } = group.device.settings as DeviceSettings
  const { area, address, span, file, drain } = members[0]!.settings as TagSettings
  const queue = area === 'fifo'
  const quantity = queue ? LIMITS.readFifo : span
  const place = formatSource(queue ? 'fifo' : 'file', address, span, file ?? 0)
  let decode: Decode | null = null
  return {
    group: group.ref,
    device: group.device.name,
    tags: Uint32Array.from(members, (tag) => tag.index),
    wireMs: wire.wireMs(quantity, false),
    text: `FC${queue ? 24 : 20} unit ${unitId}, ${place}`,
    unit: unitId,
    function: queue ? 24 : 20,
    address,
    quantity,
    timeoutMs,
    retries,
    members,
    ...(file === undefined ? {} : { file }),
    ...(drain === undefined ? {} : { drain }),
    decode(bytes, offset, into, length) {
      if (queue) return fillQueue(members, bytes, offset, length ?? 0, into)
      decode ??= compileDecoder(members, address)
      decode(bytes, offset, into)
    },
  }
}

function fillQueue(
  members: readonly Tag[],
  bytes: Uint8Array,
  offset: number,
  length: number,
  into: BatchBuilder,
): void {
  for (const tag of members) {
    const unit = 2 * (tag.settings as TagSettings).format.units
    if (length % unit !== 0) into.bad(tag.index, Reason.notDecodable)
    else fillList(tag, bytes, offset, length, into)
  }
}
