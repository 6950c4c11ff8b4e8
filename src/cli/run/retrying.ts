/** What `control.sock` takes beside configurations: entries that a sink refused are tried once more. */
import { textFrom } from '../../commands/socket.ts'
import { Rejected } from '../../contracts/errors.ts'
import type { Position } from '../../contracts/log.ts'
import { has } from './given.ts'
import type { Methods } from './surfaces.ts'

/** `positions`: null: all that the sink refused. Returns how many entries will be tried. */
export function retrying(retry: (sink: string, positions: readonly Position[] | null) => number): Methods {
  return {
    retry: async (given) => ({ retried: retry(textFrom(given, 'sink'), positionsIn(given)) }),
  }
}

function positionsIn(given: unknown): readonly Position[] | null {
  const { positions } = (has(given, 'positions') ? given : { positions: null }) as { readonly positions: unknown }
  if (positions === null) return null
  if (!Array.isArray(positions) || !positions.every(isPosition)) {
    throw new Rejected('"positions" is not a list of { epoch, seq }')
  }
  return positions
}

function isPosition(given: Partial<Position> | null): given is Position {
  return Number.isSafeInteger(given?.epoch) && Number.isSafeInteger(given?.seq)
}
