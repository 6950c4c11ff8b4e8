/** The demo on a terminal: frames over the whole screen, and keys. Leaves the terminal as it found it, whatever happens. */
import { render } from '../../console/terminal/overview.ts'
import { count } from '../../console/terminal/words.ts'
import type { Clock, Stop } from '../../contracts/clock.ts'
import type { Screen } from '../command.ts'
import type { Show } from './show.ts'

/** Fine enough for the fastest rhythm of the LED language. */
const FRAME_MS = 150
const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'

export type Key = 'n' | 'd' | 'u' | 'q'

/** What of the show is seen. */
export interface Seen extends Pick<Show, 'values' | 'report' | 'sequences'> {
  readonly broker: { readonly plugged: boolean }
  readonly plant: { readonly conveyor: { readonly powered: boolean }; readonly line: { readonly plugged: boolean } }
}

/** What of a terminal's input is used. */
interface Keyboard {
  setRawMode?(raw: boolean): unknown
  on(event: 'data', listen: (chunk: Buffer) => void): unknown
  off(event: 'data', listen: (chunk: Buffer) => void): unknown
  resume(): unknown
  pause(): unknown
}

export interface LiveScreenOptions {
  readonly show: Seen
  readonly screen: Screen
  readonly clock: Clock
  readonly keyboard: Keyboard
  readonly press: (key: Key) => void
  /** The last thing worth saying, or nothing. */
  readonly said: () => string | undefined
}

export class LiveScreen {
  readonly #options: LiveScreenOptions
  readonly #frames: Stop
  #first = 0
  #size = ''

  constructor(options: LiveScreenOptions) {
    this.#options = options
    const { screen, keyboard, clock } = options
    // Also when the process ends without coming back here.
    process.on('exit', this.#leave)
    keyboard.setRawMode?.(true)
    keyboard.on('data', this.#key)
    keyboard.resume()
    screen.raw(ENTER)
    this.#frames = clock.every(FRAME_MS, () => this.#draw())
  }

  close(): void {
    const { keyboard } = this.#options
    this.#frames()
    keyboard.off('data', this.#key)
    keyboard.pause()
    process.off('exit', this.#leave)
    this.#leave()
  }

  readonly #leave = (): void => {
    this.#options.keyboard.setRawMode?.(false)
    this.#options.screen.raw(LEAVE)
  }

  readonly #key = (chunk: Buffer): void => {
    for (const [, sequence, letter] of chunk.toString('latin1').matchAll(KEYS)) {
      if (sequence === '\x1b[A') this.#first = Math.max(0, this.#first - 1)
      else if (sequence === '\x1b[B') this.#first++
      else if (letter === '\x03' || letter === '\x04') this.#options.press('q')
      else if (letter !== undefined && 'nduq'.includes(letter.toLowerCase())) {
        this.#options.press(letter.toLowerCase() as Key)
      }
    }
  }

  #draw(): void {
    const { show, screen, clock } = this.#options
    const values = show.values()
    this.#first = Math.min(this.#first, Math.max(0, values.length - 1))
    const text = render({
      report: show.report(),
      values: values.slice(this.#first),
      size: { columns: screen.columns, rows: screen.rows },
      style: { colour: screen.colour, unicode: screen.unicode },
      atMs: clock.monotonic(),
      notice: this.#notice(),
      footer: 'n network cable  d conveyor  u RS-485 adapter  ↑ ↓ values  q quit',
    })
    const size = `${screen.columns}×${screen.rows}`
    const clear = size === this.#size ? '' : '\x1b[2J'
    this.#size = size
    screen.raw(`${clear}\x1b[H${text.split('\n').join('\x1b[K\r\n')}\x1b[K`)
  }

  #notice(): string {
    const { show, said } = this.#options
    const sequences = show.sequences()
    const handedOut = sequences.reduce((sum, each) => sum + each.handedOut, 0)
    const away = sequences.reduce((sum, each) => sum + each.missing, 0)
    const repeated = sequences.reduce((sum, each) => sum + each.repeated, 0)
    const broken = [
      show.broker.plugged ? '' : 'CABLE PULLED',
      show.plant.conveyor.powered ? '' : 'CONVEYOR DEAD',
      show.plant.line.plugged ? '' : 'ADAPTER UNPLUGGED',
    ].filter((text) => text !== '')
    const ledger = `numbers given ${count(handedOut)}, on the way ${count(away)}, repeated ${count(repeated)}`
    return [...broken, ledger, said() ?? ''].filter((text) => text !== '').join(' · ')
  }
}

/** A cursor key as a terminal sends it, or one character. */
const KEYS = new RegExp(`(${String.fromCharCode(27)}\\[[A-D])|([^])`, 'g')
