/** The board that the configuration names. */
import type { Board, BoardDescription } from '../../../hal/contract.ts'
import { openBoard } from '../../../hal/linux/board.ts'
import type { Clock } from '../../contracts/clock.ts'

export async function boardOf(description: BoardDescription, clock: Clock): Promise<Board> {
  if (description.name !== 'simulated') return openBoard({ description, clock })
  const { SimulatedBoard } = await import('../../../hal/simulated/board.ts')
  return new SimulatedBoard({ clock })
}
