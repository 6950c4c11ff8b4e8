/** `fieldgate log gaps`: the ledger of what was lost, when, why and for whom. */
import { gapTable } from '../../console/terminal/log.ts'
import { isoOf } from '../../time/written.ts'
import { type Command, Exit } from '../command.ts'
import { withArchive } from './opened.ts'

/** What is read by a program or a file is not folded to a width nobody looks at. */
const UNBOUNDED = 240

export const command: Command = (invocation) =>
  withArchive(invocation, async (archive) => {
    const { json, screen } = invocation
    const { gaps, forgotten, unreadable } = archive.gaps()
    if (json) {
      const told = gaps.map(({ kind: _, at, ...gap }) => ({ ...gap, at: isoOf(at.wall), clock: at.clock }))
      const before = forgotten && { ...forgotten, at: isoOf(forgotten.at.wall), clock: forgotten.at.clock }
      screen.document({ gaps: told, forgotten: before, unreadable })
      return Exit.done
    }
    if (unreadable > 0) screen.complain(`fieldgate: ${unreadable} lines of the ledger cannot be read`)
    if (forgotten !== null) {
      screen.complain(
        `${forgotten.gaps} older gaps, the last of ${isoOf(forgotten.at.wall)}, are no longer listed: the ledger keeps the newest`,
      )
    }
    if (gaps.length === 0) screen.print('nothing was lost')
    else {
      const columns = screen.isTerminal ? screen.columns : UNBOUNDED
      screen.print(gapTable(gaps, columns, { colour: screen.colour, unicode: screen.unicode }).join('\n'))
    }
    return Exit.done
  })
