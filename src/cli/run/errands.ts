/** What `door.sock` does that takes longer than one exchange: lines as it goes, and what it came to. */
import { type Method, textFrom } from '../../commands/socket.ts'
import type { Errand } from '../../contracts/errand.ts'
import { Rejected } from '../../contracts/errors.ts'
import type { Field } from '../../field.ts'
import type { Lane } from '../../schedule/lane.ts'
import { has } from './given.ts'

type Call = Parameters<Method>[1]

/** Work by hand on a connection, with whatever has to be done before and after it. */
export type Around = <T>(connection: string, work: () => Promise<T>) => Promise<T>

export function errandMethods(options: { field: Field; around: Around }): Record<string, Method> {
  const { field, around } = options
  return {
    scan: async (given, call) => {
      const name = textFrom(given, 'connection')
      const { driver, lane } = field.connection(name)
      if (driver.scan === undefined) throw new Rejected(`the driver of connection ${name} cannot scan`)
      const wish = has(given, 'options') ? ((given as { options: unknown }).options as object) : {}
      field.audit(`scan of ${name}: started`)
      const report = await driver.scan({ ...wish }, errandOf(name, lane, around, call))
      field.audit(`scan of ${name}: ${report.text}`)
      call.send({ report })
      return null
    },
    why: (given, call) => diagnosed({ field, around, given, call, mayAsk: true }),
  }
}

/** For `inspect.sock` with `mayAsk` false: then only what is known already is looked at. */
export async function diagnosed(options: {
  field: Field
  around: Around
  given: unknown
  call: Call
  mayAsk: boolean
}): Promise<null> {
  const { field, around, given, call, mayAsk } = options
  const name = textFrom(given, 'device')
  const inquiry = field.inquiry(name)
  const { connection } = inquiry.device
  const { driver, lane, poller } = field.connection(connection)
  if (driver.why === undefined) throw new Rejected(`the driver of device ${name} cannot tell`)
  const report = await driver.why({ ...inquiry, mayAsk }, errandOf(connection, lane, around, call))
  if (mayAsk) poller.askAgain(name)
  field.audit(`why ${name}: ${report.sentence}`, { device: name, branch: report.branch, action: report.action })
  call.send({ report })
  return null
}

function errandOf(connection: string, lane: Lane, around: Around, call: Call): Errand {
  return {
    turn: (work) => {
      call.signal.throwIfAborted()
      return lane.errand((ending) => around(connection, () => work(AbortSignal.any([call.signal, ending]))))
    },
    say: (line) => void call.send({ line }),
    signal: call.signal,
  }
}
