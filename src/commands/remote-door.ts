/** The way from the uplink half to the field's door: one command a connection over `command.sock`. The field answers for what
 *  sinks ask, and for nobody else; what they may, its own door decides. */
import type { Clock } from '../contracts/clock.ts'
import type { CommandDoor, CommandResult, WriteCommand } from '../contracts/command.ts'
import { Rejected, Retryable, sentence } from '../contracts/errors.ts'
import { textFrom, writesFrom } from './frames.ts'
import { connectSocket } from './socket-client.ts'
import type { Method } from './socket-server.ts'

/** The door ends each write of a command within this, and so much longer an answer may be on its way. */
const A_WRITE_MS = 12_000
const THE_WAY_MS = 3000

export class RemoteDoor implements CommandDoor {
  readonly #path: string
  readonly #clock: Clock

  constructor(options: { path: string; clock: Clock }) {
    this.#path = options.path
    this.#clock = options.clock
  }

  /** Never rejects. What was sent and not answered is unknown, and is not sent again. */
  async submit(command: WriteCommand, signal: AbortSignal): Promise<CommandResult> {
    const { id, writes } = command
    const client = await connectSocket(this.#path).catch((thrown: unknown) => thrown as Error)
    if (client instanceof Error) {
      const away = 'the field half does not answer, nothing was written: start it with "fieldgate run --side field"'
      return { id, outcome: 'failed', text: client instanceof Retryable ? away : sentence(client) }
    }
    const withinMs = writes.length * A_WRITE_MS + THE_WAY_MS
    const { boot } = this.#clock
    const asked = { ...command, until: { boot, monotonic: this.#clock.monotonic() + withinMs } }
    const late = new AbortController()
    const stop = this.#clock.after(withinMs, () => late.abort())
    try {
      let result: CommandResult | undefined
      const answers = client.stream('submit', asked, AbortSignal.any([signal, late.signal]))
      for await (const answer of answers) result = answer as CommandResult
      return result ?? unknown(id, late.signal.aborted ? `within ${withinMs / 1000} s` : 'before the sink was stopped')
    } catch (thrown) {
      if (!(thrown instanceof Retryable)) return { id, outcome: 'refused', text: sentence(thrown) }
      return unknown(id, 'before it went away')
    } finally {
      stop()
      client.close()
    }
  }
}

function unknown(id: string, when: string): CommandResult {
  const text = `the field half did not answer ${when}: whether it was written is not known, and it is not tried again`
  return { id, outcome: 'unknown', text }
}

/** What `command.sock` takes. */
export function sinkCommands(options: { door: CommandDoor; clock: Clock }): Readonly<Record<string, Method>> {
  const { door, clock } = options
  return {
    submit: async (given, call) => {
      // Whoever asked has been told by then that nobody knows; it must not happen afterwards.
      if (typeof given !== 'object' || given === null) throw new Rejected('this is no command')
      if (isOver(given, clock)) throw new Rejected('the command came after its time')
      const by = textFrom(given, 'by')
      if (!by.startsWith('sink:')) throw new Rejected(`only sinks write here, and ${JSON.stringify(by)} is none`)
      const [id, device, group] = [textFrom(given, 'id'), textFrom(given, 'device'), textFrom(given, 'group')]
      const writes = writesFrom((given as { writes?: unknown }).writes)
      call.send(await door.submit({ id, by, device, group, writes }, call.signal))
      return null
    },
  }
}

/** Both processes count from the same boot. */
function isOver(given: object, clock: Clock): boolean {
  const { until } = given as { until?: { boot?: unknown; monotonic?: unknown } }
  return until?.boot !== clock.boot || !(Number(until.monotonic) > clock.monotonic())
}
