/** What `inspect.sock` shows of the frames on a connection. */
import { type Method, textFrom } from '../../commands/socket.ts'
import type { Clock } from '../../contracts/clock.ts'
import { Rejected } from '../../contracts/errors.ts'
import type { FrameTrace } from '../../contracts/trace.ts'
import type { Field } from '../../field.ts'
import { has } from './given.ts'

/** How often those who follow are given what has passed. */
const EVERY_MS = 100
/** Frames in one document. */
const MOST_FRAMES = 500
const MOST_LAST = 20_000

export function traceMethods({ field, clock }: { field: Field; clock: Clock }): Record<string, Method> {
  const traceOf = (given: unknown): FrameTrace => {
    const name = textFrom(given, 'connection')
    const { trace } = field.connection(name).driver
    if (trace === undefined) throw new Rejected(`the driver of connection ${name} remembers no frames`)
    return trace
  }
  return {
    /** The last frames there are. */
    frames: async (given) => {
      const trace = traceOf(given)
      const last = has(given, 'last') ? (given as { last: unknown }).last : MOST_FRAMES
      if (!Number.isInteger(last) || Number(last) < 1 || Number(last) > MOST_LAST) {
        throw new Rejected(`"last" is a number of frames from 1 to ${MOST_LAST}`)
      }
      return { framing: trace.framing, frames: trace.since(trace.next - Number(last), Number(last)) }
    },
    incidents: async (given) => {
      const trace = traceOf(given)
      return { framing: trace.framing, incidents: trace.incidents() }
    },
    /** Frames as they pass. The ring is the buffer: who is slow is told how many it ran over. */
    watch: (given, call) => {
      let next = traceOf(given).next
      call.send({ framing: traceOf(given).framing, frames: [], missed: 0 })
      return new Promise((resolve, reject) => {
        let busy = false
        const stop = clock.every(EVERY_MS, () => {
          if (busy) {
            busy = false
            return
          }
          try {
            // Looked up each time: a reload may have built the connection anew.
            const trace = traceOf(given)
            if (next > trace.next) next = 0
            while (!busy && next < trace.next) {
              const frames = trace.since(next, MOST_FRAMES)
              const missed = (frames[0]?.seq ?? trace.next) - next
              next = (frames.at(-1)?.seq ?? trace.next - 1) + 1
              busy = !call.send({ framing: trace.framing, frames, missed })
            }
          } catch (thrown) {
            stop()
            reject(thrown)
          }
        })
        call.signal.addEventListener('abort', () => resolve(stop()), { once: true })
      })
    },
  }
}
