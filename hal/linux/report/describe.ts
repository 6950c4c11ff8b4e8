/** What the box has of what its board describes, and what it has beside it. Nothing is taken, armed or switched. */
import { release } from 'node:os'
import type { BoardDescription, BoardReport } from '../../contract.ts'
import { modelOf } from '../model.ts'
import { buttonReports, chipReports } from './chips.ts'
import { lampReports } from './lamps.ts'
import { portReports } from './ports.ts'
import type { Surroundings } from './surroundings.ts'
import { watchdogReports } from './watchdogs.ts'

export async function describe(board: BoardDescription, around: Surroundings): Promise<BoardReport> {
  return {
    board: board.name,
    title: board.title,
    model: modelOf(around.root),
    kernel: release(),
    parts: [
      ...(await portReports(board, around)),
      ...lampReports(board, around),
      ...buttonReports(board, around),
      ...(await watchdogReports(board, around)),
      ...chipReports(board, around),
    ],
  }
}
