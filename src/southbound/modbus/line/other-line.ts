/** A serial line tried with other settings: the port is taken from its link, opened otherwise, and given back, whatever
 *  happens meanwhile. */
import type { LineSettings } from '../../../../hal/contract.ts'
import type { Errand } from '../../../contracts/errand.ts'
import { Rejected } from '../../../contracts/errors.ts'
import { Asking } from '../asking.ts'
import type { Elsewhere } from '../diagnosis/scan.ts'
import type { Trace } from '../diagnosis/trace.ts'
import type { ModbusOptions } from '../driver.ts'
import type { Link } from '../exchange.ts'
import { openLink } from '../open-link.ts'
import { Tally } from '../tally.ts'

type Surroundings = Pick<ModbusOptions, 'settings' | 'clock' | 'board' | 'random'> & {
  readonly link: Link
  readonly trace: Trace
  readonly errand: Errand
  /** Whether the connection is without its port. */
  readonly paused: (is: boolean) => void
}

export function openLine(options: Surroundings): Elsewhere {
  const { settings, clock, board, link, trace, errand, paused, random = Math.random } = options
  return async (line: LineSettings, work) => {
    if (settings.kind !== 'rtu') throw new Rejected('only a serial line has settings to try')
    return errand.turn(async (signal) => {
      paused(true)
      await link.stop()
      // What happens to it is no matter of the connection's own figures.
      const tally = new Tally()
      const other = openLink({ settings: { ...settings, ...line }, clock, board, tally, random, trace })
      try {
        other.start()
        return await work(new Asking({ link: other, clock, tally }), signal)
      } finally {
        await other.stop()
        link.start()
        paused(false)
      }
    })
  }
}
