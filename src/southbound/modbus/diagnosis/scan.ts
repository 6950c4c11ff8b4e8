/** Who answers on a connection: units, what they are and what they answer, and on a serial line at which settings. Each question
 *  is one turn of the queue, so that polling goes on in between. */
import type { LineSettings } from '../../../../hal/contract.ts'
import type { Clock } from '../../../contracts/clock.ts'
import type { Errand, Found, Scan } from '../../../contracts/errand.ts'
import type { Asking } from '../asking.ts'
import type { Area, ConnectionSettings } from '../settings.ts'
import { identify, nameOfIdentity } from './identification.ts'
import { isThere, type Probed, probe } from './probe.ts'
import { lineName, type ScanWish } from './scan-wish.ts'

/** Runs work on the line with other settings, with nobody else on it, and puts the line back as it was. */
export type Elsewhere = <T>(line: LineSettings, work: (asking: Asking, signal: AbortSignal) => Promise<T>) => Promise<T>

const READS: readonly (readonly [Area, 1 | 2 | 3 | 4])[] = [
  ['holding', 3],
  ['input', 4],
  ['coil', 1],
  ['discrete', 2],
]
const NAMES: Readonly<Record<Area, string>> = {
  holding: 'holding registers',
  input: 'input registers',
  coil: 'coils',
  discrete: 'discrete inputs',
}
/** So many ids one after the other that answer alike are one device that does not look at them. */
const ALIKE = 16
/** Tries at a unit whose answers are damaged. */
const TRIES = 3
/** With other line settings, polling waits for so long at most before it gets its turn. */
const HOLD_MS = 5000
/** How often the progress is said. */
const SAY_EVERY_MS = 5000
/** A question and an answer of one register, in characters of 11 bits. */
const EXCHANGE_BITS = (8 + 7 + 7) * 11

interface Scanning {
  readonly wish: ScanWish
  readonly settings: ConnectionSettings
  readonly asking: Asking
  readonly elsewhere: Elsewhere
  readonly clock: Clock
  readonly errand: Errand
}

/** Throws Retryable when there is no connection. */
export async function scan(options: Scanning): Promise<Scan> {
  const { wish, clock } = options
  const startedAt = clock.monotonic()
  const run = new Run(options)
  await run.go()
  const { found } = run
  const places = wish.lines.length > 1 ? `${wish.lines.length} line settings` : null
  const text =
    run.blind !== null
      ? run.blind
      : found.length === 0
        ? `nobody answered${places === null ? '' : ` at any of ${places}`}: ${remedy(options.settings, wish)}`
        : `${found.length === 1 ? 'one unit answers' : `${found.length} units answer`}: ${list(found)}`
  return { found, asked: run.asked, elapsedMs: clock.monotonic() - startedAt, text }
}

class Run {
  readonly found: Found[] = []
  asked = 0
  /** Every id is answered alike. */
  blind: string | null = null
  readonly #options: Scanning
  readonly #total: number
  #saidAt: number
  #alike = 0
  #lastAnswer = ''

  constructor(options: Scanning) {
    this.#options = options
    this.#total = options.wish.units.length * Math.max(1, options.wish.lines.length)
    this.#saidAt = options.clock.monotonic()
  }

  async go(): Promise<void> {
    const { wish, settings, errand } = this.#options
    const own = settings.kind === 'rtu' ? ` at ${lineName(settings)}` : ''
    const [first, last] = [wish.units[0]!, wish.units.at(-1)!]
    const units = wish.units.length === 1 ? `unit ${first}` : `${wish.units.length} units from ${first} to ${last}`
    const worst = `at most ${time(this.#worstMs())}`
    if (wish.lines.length === 0) {
      errand.say(`asking ${units}${own}, ${worst}; polling goes on in between`)
      await this.#ownLine()
    } else {
      errand.say(`asking ${units} at ${wish.lines.map(lineName).join(', ')}, ${worst}`)
      errand.say(
        `the port is opened with these settings by turns: polling is paused for up to ${time(HOLD_MS)} at a time`,
      )
      for (const line of wish.lines) await this.#otherLine(line)
    }
  }

  #worstMs(): number {
    const { wish, settings } = this.#options
    const lines = wish.lines.length > 0 ? wish.lines : [settings.kind === 'rtu' ? settings : null]
    const perUnit = lines.map((line) => wish.timeoutMs + (line === null ? 0 : (EXCHANGE_BITS * 1000) / line.baudRate))
    return wish.units.length * perUnit.reduce((sum, ms) => sum + ms, 0)
  }

  async #ownLine(): Promise<void> {
    const { wish, settings, asking, errand } = this.#options
    const line = settings.kind === 'rtu' ? lineName(settings) : null
    for (const unit of wish.units) {
      const probed = await errand.turn((signal) => this.#probe(asking, unit, 3, signal))
      this.#progress()
      if (probed.outcome === 'damaged') await this.#damaged(unit, line, probed.text)
      if (!isThere(probed)) {
        this.#alike = 0
        continue
      }
      if (this.#isBlind(probed)) return
      await this.#describe(unit, line, probed, (work) => errand.turn((signal) => work(asking, signal)))
    }
  }

  /** Some units at a time, so that those which are polled at the settings of the line get their turn, too. */
  async #otherLine(line: LineSettings): Promise<void> {
    const { wish, errand, clock } = this.#options
    const name = lineName(line)
    const before = this.found.length
    let unreadable = 0
    for (let at = 0; at < wish.units.length; ) {
      await this.#options.elsewhere(line, async (asking, signal) => {
        const until = clock.monotonic() + HOLD_MS
        for (; at < wish.units.length && clock.monotonic() < until; at++) {
          const unit = wish.units[at]!
          const probed = await this.#probe(asking, unit, 3, signal)
          this.#progress()
          // Bytes at the wrong rate are no answer, whatever they look like.
          if (probed.outcome === 'damaged') unreadable++
          if (isThere(probed)) await this.#describe(unit, name, probed, (work) => work(asking, signal))
        }
      })
    }
    if (this.found.length > before) return
    const bytes = unreadable > 0 ? '; something came that cannot be read at these settings' : ''
    errand.say(`${name}: nobody${bytes}`)
  }

  /** Damaged again and again, where others are not: two answer at once. */
  async #damaged(unit: number, line: string | null, text: string): Promise<void> {
    const { asking, errand } = this.#options
    let damaged = 1
    for (let more = 1; more < TRIES; more++) {
      const again = await errand.turn((signal) => this.#probe(asking, unit, 3, signal))
      if (isThere(again)) {
        const own = <T>(work: (asking: Asking, signal: AbortSignal) => Promise<T>): Promise<T> =>
          errand.turn((signal) => work(asking, signal))
        await this.#describe(
          unit,
          line,
          again,
          own,
          `${damaged} of ${more + 1} answers were damaged: noise on the line?`,
        )
        return
      }
      if (again.outcome === 'damaged') damaged++
    }
    if (damaged < 2) return
    const trouble = 'all its answers are damaged: do two devices share this id?'
    this.#take({ unit, line, identity: null, areas: {}, trouble, text: `somebody is there, but ${trouble} (${text})` })
  }

  #probe(asking: Asking, unit: number, code: 1 | 2 | 3 | 4, signal: AbortSignal): Promise<Probed> {
    const { clock, wish } = this.#options
    return probe(asking, clock, { unit, function: code, timeoutMs: wish.timeoutMs }, signal)
  }

  /** What a unit that answers is, and what it answers. */
  async #describe(
    unit: number,
    line: string | null,
    first: Probed,
    turn: <T>(work: (asking: Asking, signal: AbortSignal) => Promise<T>) => Promise<T>,
    trouble: string | null = null,
  ): Promise<void> {
    const areas: Record<string, string> = {}
    for (const [area, code] of READS) {
      const probed = code === 3 ? first : await turn((asking, signal) => this.#probe(asking, unit, code, signal))
      areas[area] = wordFor(probed)
    }
    const identity = await turn((asking, signal) => this.#identity(asking, unit, signal))
    const answers = READS.filter(([area]) => areas[area] === 'answers').map(([area]) => NAMES[area])
    const others = READS.filter(([area]) => areas[area] !== 'answers').map(([area]) => `${NAMES[area]}: ${areas[area]}`)
    const said = [answers.length > 0 ? `answers ${answers.join(', ')}` : '', ...others].filter((part) => part !== '')
    const text = [identity ?? 'does not say who it is', said.join('; '), trouble ?? ''].filter((part) => part !== '')
    this.#take({ unit, line, identity, areas, trouble, text: text.join('; ') })
  }

  async #identity(asking: Asking, unit: number, signal: AbortSignal): Promise<string | null> {
    const { timeoutMs } = this.#options.wish
    try {
      const identity = await identify({ asking, device: `unit ${unit}`, unit, timeoutMs, retries: 0, signal })
      return identity === null ? null : nameOfIdentity(identity)
    } catch (thrown) {
      if (signal.aborted) throw thrown
      return null
    }
  }

  #take(found: Found): void {
    this.found.push(found)
    this.#options.errand.say(`unit ${found.unit}${this.#many() ? ` at ${found.line}` : ''}: ${found.text}`)
  }

  #many(): boolean {
    return this.#options.wish.lines.length > 0
  }

  #progress(): void {
    this.asked++
    const { clock, errand } = this.#options
    const now = clock.monotonic()
    if (now - this.#saidAt < SAY_EVERY_MS) return
    this.#saidAt = now
    errand.say(`… ${this.asked} of ${this.#total} asked, ${this.found.length} found`)
  }

  /** A device on TCP may answer whatever id it is given. */
  #isBlind(probed: Probed): boolean {
    const answer = probed.outcome === 'answer' ? Buffer.from(probed.content).toString('hex') : probed.outcome
    this.#alike = answer === this.#lastAnswer || this.#alike === 0 ? this.#alike + 1 : 1
    this.#lastAnswer = answer
    if (this.#options.settings.kind !== 'tcp' || this.#alike < ALIKE) return false
    this.blind = `${ALIKE} ids in a row are answered alike: this is one device that does not look at the unit id`
    return true
  }
}

function wordFor(probed: Probed): string {
  if (probed.outcome === 'answer') return 'answers'
  if (probed.outcome !== 'exception') return probed.outcome === 'silent' ? 'no answer' : 'damaged'
  const { code } = probed
  if (code === 1) return 'does not know them'
  return code === 2 || code === 3 ? 'has some, but not address 0' : `exception ${code}`
}

function remedy(settings: ConnectionSettings, wish: ScanWish): string {
  if (settings.kind !== 'rtu') return 'is a device or a line behind this address, and does it speak Modbus here?'
  return wish.lines.length > 1
    ? 'check power, the wiring (A and B swapped?) and termination'
    : 'check power and wiring (A and B swapped?), or try --baud all --parity all'
}

function list(found: readonly Found[]): string {
  const places = found.map(({ unit, line, identity }) => {
    const name = identity === null ? '' : ` (${identity})`
    return `${unit}${name}${line === null || found.every((other) => other.line === line) ? '' : ` at ${line}`}`
  })
  const line = found[0]!.line
  const same = line !== null && found.every((other) => other.line === line)
  return `${places.join(', ')}${same ? `, at ${line}` : ''}`
}

/** `40 s`, `3 min`. */
function time(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
}
