/** An entry of the log as one JSON document: what `log export` prints a line of. */
import { qualityAt, Reason, tagAt, type Value, valueAt } from '../../contracts/batch.ts'
import type { Entry } from '../../contracts/log.ts'
import { isoOf } from '../../time/written.ts'

/** `timeout`, `noValue`, … by code. */
const QUALITIES = new Map<number, string>(Object.entries(Reason).map(([name, code]) => [code, name]))

/** One tag: bigints are their digits, bytes `{base64}`, NaN and infinities their names; the type tells them from texts. */
interface Told {
  readonly value: Value
  readonly type: string
  readonly unit?: string
  readonly quality: string
}

export function recordOf(entry: Entry): object {
  const at = entry.kind === 'batch' ? entry.batch.at : entry.at
  const head = { kind: entry.kind, position: entry.position, at: isoOf(at.wall), clock: at.clock }
  if (entry.kind === 'batch') {
    const { batch } = entry
    // Any name may be a tag's, `__proto__` too.
    const values = Object.create(null) as Record<string, Told>
    for (let column = 0; column < batch.numbers.length; column++) {
      const { name, type, unit } = batch.group.tags[tagAt(batch, column)]!
      const reason = qualityAt(batch, column)
      const quality = QUALITIES.get(reason) ?? String(reason)
      values[name] = { value: valueAt(batch, column), type, ...(unit === undefined ? {} : { unit }), quality }
    }
    return { ...head, device: batch.group.device, group: batch.group.group, values }
  }
  const { kind: _, position: __, at: ___, ...rest } = entry
  return { ...head, ...rest }
}
