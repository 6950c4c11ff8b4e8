/** `fieldgate demo`: a simulated plant, an embedded broker, a gateway between them, and a live view. */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '../contracts/component.ts'
import { sentence } from '../contracts/errors.ts'
import { parseDuration } from '../contracts/units.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { stamp, statusLine } from './demo/lines.ts'
import { type Key, LiveScreen } from './demo/live-screen.ts'
import { moods, proof, type Scene } from './demo/script.ts'
import { Show } from './demo/show.ts'
import { summaryText } from './demo/summary.ts'

const LINE_MS = 2000

export const command: Command = async (invocation) => {
  const { screen, clock, json, options } = invocation
  const given = options.for
  const totalMs = typeof given === 'string' ? parseDuration(given) : undefined
  if (given !== undefined && (totalMs === undefined || totalMs <= 0)) {
    const error = `--for takes a duration such as 20s or 5m, not "${given}"`
    screen.complain(`fieldgate: ${error}`)
    if (json) screen.document({ ok: false, error, status: Exit.usage })
    return Exit.usage
  }
  const folder = await mkdtemp(join(tmpdir(), 'fieldgate-demo-'))
  const clean = (): void => rmSync(folder, { recursive: true, force: true })
  // Also when a second Ctrl-C does not wait.
  process.on('exit', clean)
  const voice = new Voice(() => clock.monotonic())
  try {
    const show = await Show.open({ clock, folder, log: voice })
    const live = screen.isTerminal && process.stdin.isTTY && !json
    if (live) await watch(invocation, show, totalMs, voice)
    else await narrate(invocation, show, totalMs, voice)
    const summary = await show.end()
    if (json) screen.document(summary)
    else screen.print(summaryText(summary))
    return summary.ok ? Exit.done : Exit.failed
  } finally {
    process.off('exit', clean)
    clean()
  }
}

/** With a person at the keys, until they quit or the time is over. */
async function watch(invocation: Invocation, show: Show, totalMs: number | undefined, voice: Voice): Promise<void> {
  const { screen, clock, signal } = invocation
  const quit = new AbortController()
  let inCharge = false
  const acts: Readonly<Record<Key, () => void | Promise<void>>> = {
    q: () => quit.abort(),
    n: () => show.cable(!show.broker.plugged),
    u: () => show.adapter(!show.plant.line.plugged),
    d: () => {
      inCharge = true
      return show.device(!show.plant.conveyor.powered)
    },
  }
  const press = async (key: Key): Promise<void> => {
    try {
      await acts[key]()
    } catch (thrown) {
      voice.error(sentence(thrown))
    }
  }
  const screenOptions = {
    show,
    screen,
    clock,
    keyboard: process.stdin,
    press: (key: Key) => void press(key),
    said: () => voice.recent(clock.monotonic()),
  }
  const live = new LiveScreen(screenOptions)
  const mood = clock.every(1000, () => {
    if (inCharge) return
    show.device(moods(show.elapsedMs) === 'revive').catch((thrown) => voice.error(sentence(thrown)))
  })
  try {
    await until(invocation, AbortSignal.any([signal, quit.signal]), totalMs)
  } finally {
    mood()
    live.close()
  }
}

/** Without a terminal: lines, and with an end in sight a script that proves something. */
async function narrate(invocation: Invocation, show: Show, totalMs: number | undefined, voice: Voice): Promise<void> {
  const { screen, clock, json, signal } = invocation
  const say = (text: string): void => (json ? screen.complain(text) : screen.print(text))
  voice.listen((text) => say(`${stamp(show.elapsedMs)}  ${text}`))
  say(`other commands reach this gateway with --config ${show.file}`)
  const stops = [clock.every(LINE_MS, () => say(statusLine(show.report(), show.elapsedMs)))]
  if (totalMs === undefined) {
    let dead = false
    stops.push(
      clock.every(1000, () => {
        const next = moods(show.elapsedMs) === 'kill'
        if (next !== dead) void act(show, { atMs: 0, act: next ? 'kill' : 'revive' }, say)
        dead = next
      }),
    )
  } else {
    for (const scene of proof(totalMs)) stops.push(clock.after(scene.atMs, () => void act(show, scene, say)))
  }
  try {
    await until(invocation, signal, totalMs)
  } finally {
    for (const stop of stops) stop()
    voice.listen(() => {})
  }
}

const WORDS: Readonly<Record<Scene['act'], string>> = {
  kill: 'the conveyor dies',
  revive: 'the conveyor is alive again',
  pull: 'the network cable is pulled',
  plug: 'the network cable is plugged in again',
}

async function act(show: Show, scene: Scene, say: (text: string) => void): Promise<void> {
  say(`${stamp(show.elapsedMs)}  ${WORDS[scene.act]}`)
  try {
    if (scene.act === 'kill' || scene.act === 'revive') await show.device(scene.act === 'revive')
    else await show.cable(scene.act === 'plug')
  } catch (thrown) {
    say(sentence(thrown))
  }
}

async function until({ clock }: Invocation, signal: AbortSignal, totalMs: number | undefined): Promise<void> {
  // A day at a time where there is no end: a timer cannot be longer than 24 days.
  const step = totalMs ?? 86_400_000
  do {
    await clock.sleep(step, signal).catch(() => undefined)
  } while (totalMs === undefined && !signal.aborted)
}

/** The gateway's log, of which the demo says only what is worth a line. */
class Voice implements Logger {
  readonly #monotonic: () => number
  #last: { readonly text: string; readonly at: number } | undefined
  #listener: (text: string) => void = () => {}

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  listen(listener: (text: string) => void): void {
    this.#listener = listener
  }

  /** The last thing said, unless it is long ago. */
  recent(now: number): string | undefined {
    return this.#last !== undefined && now - this.#last.at < 6000 ? this.#last.text : undefined
  }

  debug(): void {}
  info(): void {}

  warn(text: string): void {
    this.#last = { text, at: this.#monotonic() }
    this.#listener(text)
  }

  error(text: string): void {
    this.warn(text)
  }
}
