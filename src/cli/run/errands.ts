/** What `door.sock` does that takes longer than one exchange: lines as it goes, and what it came to. */
import type { Method } from '../../commands/socket.ts'
import type { Errand } from '../../contracts/errand.ts'
import { Rejected } from '../../contracts/errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { Lane } from '../../schedule/lane.ts'
import { has, text } from './given.ts'

type Call = Parameters<Method>[1]

export function errandMethods({ gateway }: { gateway: Gateway }): Record<string, Method> {
  return {
    scan: async (given, call) => {
      const name = text(given, 'connection')
      const { driver, lane } = gateway.connection(name)
      if (driver.scan === undefined) throw new Rejected(`the driver of connection ${name} cannot scan`)
      const options = has(given, 'options') ? ((given as { options: unknown }).options as object) : {}
      gateway.audit(`scan of ${name}: started`)
      const report = await driver.scan({ ...options }, errandOf(lane, call))
      gateway.audit(`scan of ${name}: ${report.text}`)
      call.send({ report })
      return null
    },
  }
}

function errandOf(lane: Lane, call: Call): Errand {
  return {
    turn: (work) => {
      call.signal.throwIfAborted()
      return lane.errand((ending) => work(AbortSignal.any([call.signal, ending])))
    },
    say: (line) => void call.send({ line }),
    signal: call.signal,
  }
}
