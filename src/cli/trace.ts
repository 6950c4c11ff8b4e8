/** `fieldgate trace CONNECTION`: frames as they pass, decoded, with timing and verdict; into capture files and fixtures. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { frameHead, frameLine, incidentHead } from '../console/terminal/frames.ts'
import type { Style } from '../console/terminal/text.ts'
import { Rejected, sentence } from '../contracts/errors.ts'
import type { Framing, TracedFrame, TracedIncident } from '../contracts/trace.ts'
import { parseDuration } from '../contracts/units.ts'
import { fixtureLine } from '../southbound/modbus/diagnosis/fixture.ts'
import { Capture } from '../southbound/modbus/diagnosis/pcap.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { type Connected, withGateway } from './running.ts'

interface Passed {
  readonly framing: Framing
  readonly frames: readonly Carried[]
  readonly missed: number
}

/** A frame as the socket carries it. */
type Carried = Omit<TracedFrame, 'bytes'> & { readonly bytes: { readonly base64: string } }

interface CarriedIncident extends Omit<TracedIncident, 'frames'> {
  readonly frames: readonly Carried[]
}

export const command: Command = async (invocation) => {
  const wish = wishOf(invocation)
  if ('error' in wish) {
    invocation.screen.complain(`fieldgate: ${wish.error}`)
    if (invocation.json) invocation.screen.document({ ok: false, error: wish.error, status: Exit.usage })
    return Exit.usage
  }
  const files: Files = new Files(invocation)
  try {
    return await withGateway(invocation, 'inspect', (gateway) =>
      wish.frozen
        ? incidents(invocation, gateway, files)
        : wish.last === null
          ? follow(invocation, gateway, files, wish.forMs)
          : last(invocation, gateway, files, wish.last),
    )
  } finally {
    files.close()
  }
}

interface Wish {
  readonly last: number | null
  readonly frozen: boolean
  readonly forMs: number | null
}

function wishOf({ options }: Invocation): Wish | { readonly error: string } {
  const { last, frozen, for: given } = options
  const count = typeof last === 'string' ? Number(last) : null
  if (count !== null && !(Number.isInteger(count) && count >= 1)) {
    return { error: `--last takes a number of frames, not "${last}"` }
  }
  const forMs = typeof given === 'string' ? (parseDuration(given) ?? 0) : null
  if (forMs !== null && forMs <= 0) return { error: `--for takes a duration such as 20s or 5m, not "${given}"` }
  if (frozen === true && count !== null) return { error: '--last and --frozen exclude each other' }
  if (forMs !== null && (frozen === true || count !== null)) return { error: '--for is for following only' }
  return { last: count, frozen: frozen === true, forMs }
}

async function follow(invocation: Invocation, gateway: Connected, files: Files, forMs: number | null): Promise<Exit> {
  const { words, screen, json, signal, clock } = invocation
  const over = new AbortController()
  const stop = forMs === null ? () => {} : clock.after(forMs, () => over.abort())
  const ending = AbortSignal.any([signal, over.signal])
  const show = json ? null : new Lines(invocation)
  try {
    for await (const event of gateway.stream('watch', { connection: words[0] }, ending)) {
      const { framing, frames, missed } = event as Passed
      if (missed > 0) screen.complain(`fieldgate: ${missed} frames passed too fast to be shown`)
      const own = frames.map(uncarried)
      files.take(own, framing)
      for (const frame of own) {
        if (show === null) screen.document(documentOf(frame))
        else show.frame(frame)
      }
    }
  } finally {
    stop()
  }
  if (ending.aborted) return Exit.done
  screen.complain('fieldgate: the gateway has stopped')
  return Exit.noAnswer
}

async function last(invocation: Invocation, gateway: Connected, files: Files, count: number): Promise<Exit> {
  const { words, screen, json } = invocation
  const { framing, frames } = (await gateway.call('frames', { connection: words[0], last: count })) as Passed
  const own = frames.map(uncarried)
  files.take(own, framing)
  if (json) screen.document({ connection: words[0], framing, frames: own.map(documentOf) })
  else if (own.length === 0) screen.complain('no frame has passed yet')
  else {
    const lines = new Lines(invocation)
    for (const frame of own) lines.frame(frame)
  }
  return Exit.done
}

async function incidents(invocation: Invocation, gateway: Connected, files: Files): Promise<Exit> {
  const { words, screen, json } = invocation
  const found = (await gateway.call('incidents', { connection: words[0] })) as {
    framing: Framing
    incidents: readonly CarriedIncident[]
  }
  const own = found.incidents.map((incident) => ({ ...incident, frames: incident.frames.map(uncarried) }))
  // Incidents may overlap; a file holds each frame once, in its order.
  const once = new Map(own.flatMap(({ frames }) => frames.map((frame) => [frame.seq, frame] as const)))
  files.take(
    [...once.values()].sort((a, b) => a.seq - b.seq),
    found.framing,
  )
  if (json) {
    const documents = own.map((incident) => ({ ...incident, frames: incident.frames.map(documentOf) }))
    screen.document({ connection: words[0], framing: found.framing, incidents: documents })
  } else if (own.length === 0) screen.print('no fault has been frozen since the connection was started')
  else {
    for (const { text, at, seq, frames } of own) {
      screen.print(`\n${incidentHead({ at, text })}`)
      const lines = new Lines(invocation, seq)
      for (const frame of frames) lines.frame(frame)
    }
  }
  return Exit.done
}

/** Lines on the screen, the head before the first. */
class Lines {
  readonly #invocation: Invocation
  readonly #marked: number | null
  #previousAt: number | null = null

  constructor(invocation: Invocation, marked: number | null = null) {
    this.#invocation = invocation
    this.#marked = marked
  }

  frame(frame: TracedFrame): void {
    const { screen } = this.#invocation
    const style: Style = { colour: screen.colour, unicode: screen.unicode }
    const margin = this.#marked === null ? '' : frame.seq === this.#marked ? '> ' : '  '
    if (this.#previousAt === null) screen.print(`${this.#marked === null ? '' : '  '}${frameHead()}`)
    screen.print(`${margin}${frameLine(frame, this.#previousAt, style)}`)
    this.#previousAt = frame.at
  }
}

/** The files that were asked for, written as the frames come. */
class Files {
  readonly #pcap: number | null
  readonly #fixture: number | null
  #capture: Capture | null = null
  #previousAt: number | null = null

  constructor({ options, words }: Invocation) {
    this.#pcap = typeof options.pcap === 'string' ? opened(options.pcap) : null
    this.#fixture = typeof options.fixture === 'string' ? opened(options.fixture) : null
    if (this.#fixture !== null) writeSync(this.#fixture, `# ${words[0]}: + milliseconds, > sent or < received, bytes\n`)
  }

  take(frames: readonly TracedFrame[], framing: Framing): void {
    if (this.#pcap !== null && this.#capture === null) {
      this.#capture = new Capture(framing)
      writeSync(this.#pcap, this.#capture.header())
    }
    for (const frame of frames) this.#write(frame)
  }

  #write(frame: TracedFrame): void {
    if (this.#pcap !== null) writeSync(this.#pcap, this.#capture!.packet(frame))
    if (this.#fixture !== null) writeSync(this.#fixture, `${fixtureLine(frame, this.#previousAt)}\n`)
    if (frame.way !== 'none') this.#previousAt = frame.at
  }

  close(): void {
    for (const file of [this.#pcap, this.#fixture]) if (file !== null) closeSync(file)
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'w', 0o600)
  } catch (thrown) {
    throw new Rejected(`${path} cannot be written: ${sentence(thrown)}`, { cause: thrown })
  }
}

function uncarried(frame: Carried): TracedFrame {
  return { ...frame, bytes: Buffer.from(frame.bytes.base64, 'base64') }
}

function documentOf(frame: TracedFrame): object {
  return { ...frame, bytes: Buffer.from(frame.bytes).toString('hex') }
}
