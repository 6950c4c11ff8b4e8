/** Values that make no sense as they are read, where another order of the same bytes does. Pure. */

import type { TagSettings } from '../settings.ts'
import { plausibility } from '../values/plausibility.ts'
import { NO_VALUE, NOT_DECODABLE, readerOf } from '../values/registers-element.ts'
import { formatOf } from '../values/registers-format.ts'
import type { Odd } from './diagnosis.ts'
import type { Answered } from './why-refusal.ts'

const ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const
/** A reading below the first is odd; one above the second is worth naming. */
const ODD = 0.05
const SENSIBLE = 0.6
/** What shows its order: of two bytes or of integers there is too little to tell. */
const TELLING = new Set(['float32', 'float64'])

/** The first there is. */
export function findOdd(answers: readonly Answered[]): Odd | null {
  for (const { request, content } of answers) {
    for (const { info, settings } of request.members) {
      const { format, address, words } = settings as TagSettings
      if (!TELLING.has(format.type) || words !== null || format.count !== null) continue
      const at = 2 * (address - request.address)
      const bytes = content.subarray(at, at + format.length)
      if (bytes.length < format.length || bytes.every((byte) => byte === bytes[0])) continue
      const now = readerOf(format)(bytes, 0)
      if (now === NO_VALUE || (now !== NOT_DECODABLE && plausibility(format.type, now, 0) >= ODD)) continue
      const better = best(format.type, bytes)
      if (better === null) continue
      const { type } = format
      return { tag: info.name, type, text: now === NOT_DECODABLE ? 'no value' : shown(now), ...better }
    }
  }
  return null
}

function best(type: TagSettings['format']['type'], bytes: Uint8Array): Pick<Odd, 'order' | 'instead'> | null {
  let found: { order: string; instead: string; score: number } | null = null
  for (const order of ORDERS) {
    const made = formatOf({ type, order })
    if ('problems' in made) continue
    const element = readerOf(made.format)(bytes, 0)
    if (element === NO_VALUE || element === NOT_DECODABLE) continue
    const score = plausibility(type, element, 0)
    if (score >= SENSIBLE && score > (found?.score ?? 0)) found = { order, instead: shown(element), score }
  }
  return found === null ? null : { order: found.order, instead: found.instead }
}

function shown(element: unknown): string {
  return typeof element === 'number' ? String(Number(element.toPrecision(7))) : String(element)
}
