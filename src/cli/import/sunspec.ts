/** A SunSpec device as it stands on a running gateway's connection, read by hand through the door. */

import { Reason } from '../../contracts/batch.ts'
import type { Peek } from '../../contracts/driver.ts'
import { Rejected } from '../../contracts/errors.ts'
import { describeSunSpec } from '../../southbound/modbus/sunspec/describe.ts'
import { MODELS } from '../../southbound/modbus/sunspec/models.ts'
import { BASES, walkSunSpec } from '../../southbound/modbus/sunspec/walk.ts'
import type { Invocation } from '../command.ts'
import { withGateway } from '../running.ts'
import { Findings } from './findings.ts'

const REFUSALS: readonly Reason[] = [
  Reason.illegalFunction,
  Reason.illegalAddress,
  Reason.illegalValue,
  Reason.deviceFailure,
]

export function fromSunSpec(invocation: Invocation, connection: string, unit: string): Promise<Findings> {
  return withGateway(invocation, 'door', async (door) => {
    const read = async (address: number, count: number): Promise<Uint16Array | null> => {
      const words = [unit, `holding:${address}`, 'uint16', String(count)]
      try {
        return registersOf((await door.call('read', { connection, words })) as Peek, count)
      } catch (thrown) {
        // What the device refuses is not there; a gateway's "no path" or a wrong connection says nothing of the device.
        if (thrown instanceof Rejected && thrown.reason !== undefined && REFUSALS.includes(thrown.reason)) return null
        throw thrown
      }
    }
    const map = await walkSunSpec(read, (id) => Object.hasOwn(MODELS, id))
    if (map === undefined) {
      throw new Rejected(
        `unit ${unit} on ${connection} has no SunSpec map: "SunS" stands at none of ${BASES.map((base) => `holding:${base}`).join(', ')}`,
      )
    }
    const found = describeSunSpec(map)
    const findings = new Findings()
    for (const { place, text } of found.notes) findings.note(place, text)
    const labels = Object.keys(found.labels).length > 0 ? { labels: found.labels } : {}
    const device = findings.device(
      found.name ?? `sunspec-${unit}`,
      { connection, unitId: Number(unit), order: 'ABCD', ...labels },
      `unit ${unit}`,
    )
    for (const { name, every, tags } of found.groups) {
      findings.group(device, name, { every })
      for (const [tag, keys] of Object.entries(tags)) findings.tag(device, name, tag, keys, `${name} ${tag}`)
    }
    return findings
  })
}

function registersOf({ rows }: Peek, count: number): Uint16Array {
  const registers = Uint16Array.from(rows, ({ readings }) =>
    Number(readings.uint16 ?? readings['uint16 AB'] ?? Number.NaN),
  )
  if (registers.length !== count) throw new Rejected(`the gateway gave ${registers.length} registers for ${count}`)
  return registers
}
