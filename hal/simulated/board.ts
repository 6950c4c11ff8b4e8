/** A board in memory: ports lead to simulated wires, lamps can be looked at, a button is pressed by call, and a watchdog says when
 *  it would have bitten. */
import type { Clock } from '../../src/contracts/clock.ts'
import type { Board, BoardReport, Button, Colour, Led, LedRole, PartReport, SerialPort, Watchdog } from '../contract.ts'
import { unavailable } from '../fault.ts'
import { SimulatedButton } from './button.ts'
import { SimulatedLed } from './led.ts'
import { SimulatedWatchdog } from './watchdog.ts'
import type { SimulatedWire } from './wire.ts'

const ALL: readonly Colour[] = ['green', 'amber', 'red']
const FOUR: SimulatedLamps = { SYS: ALL, BUS: ALL, NET: ALL, HA: ALL }

type SimulatedLamps = Readonly<Partial<Record<LedRole, readonly Colour[]>>>

interface Options {
  readonly wires?: Readonly<Record<string, SimulatedWire>>
  /** Which lamps there are, and of which colours. Default: all four in all colours. */
  readonly lamps?: SimulatedLamps
  /** The lamps' kernel repeats steps by itself. */
  readonly blinks?: boolean
  /** Without it there is neither button nor watchdog. */
  readonly clock?: Pick<Clock, 'monotonic' | 'after'>
  readonly watchdogMs?: number
}

export class SimulatedBoard implements Board {
  readonly name = 'simulated'
  readonly lamps: Readonly<Partial<Record<LedRole, SimulatedLed>>>
  readonly key: SimulatedButton | undefined
  readonly #options: Options
  #dog: SimulatedWatchdog | undefined

  constructor(options: Options) {
    const { lamps = FOUR, blinks = false, clock } = options
    this.#options = options
    this.lamps = Object.fromEntries(
      Object.entries(lamps).map(([role, colours]) => [role, new SimulatedLed({ colours, blinks })]),
    )
    this.key = clock === undefined ? undefined : new SimulatedButton(clock)
  }

  serial(name: string): SerialPort {
    return this.#options.wires?.[name]?.port(name) ?? missing(name)
  }

  led(role: LedRole): Led | undefined {
    return this.lamps[role]
  }

  button(): Button | undefined {
    return this.key
  }

  /** Armed with the first call, as a real one is. */
  watchdog(): Watchdog | undefined {
    const { clock, watchdogMs = 15_000 } = this.#options
    if (clock === undefined) return undefined
    this.#dog ??= new SimulatedWatchdog({ clock, timeoutMs: watchdogMs })
    return this.#dog
  }

  /** The watchdog, if it was armed. */
  get dog(): SimulatedWatchdog | undefined {
    return this.#dog
  }

  describe(): Promise<BoardReport> {
    const found = (part: PartReport['part'], name: string, text: string): PartReport => ({
      part,
      name,
      device: null,
      state: 'found',
      text,
    })
    const { wires = {}, clock } = this.#options
    const parts = [
      ...Object.keys(wires).map((name) => found('port', name, 'leads to simulated devices')),
      ...Object.entries(this.lamps).map(([role, lamp]) => found('led', role, `simulated: ${lamp.colours.join(', ')}`)),
      ...(clock === undefined
        ? []
        : [found('button', 'button', 'simulated'), found('watchdog', 'watchdog', 'simulated')]),
    ]
    return Promise.resolve({ board: this.name, title: 'simulated board', model: null, kernel: 'none', parts })
  }

  close(): Promise<void> {
    for (const lamp of Object.values(this.lamps)) lamp.close()
    this.key?.close()
    this.#dog?.disarm()
    return Promise.resolve()
  }
}

/** A port that can never be opened: there is no such wire. */
function missing(name: string): SerialPort {
  const refuse = (): Promise<never> => Promise.reject(unavailable(`the simulated board has no port ${name}`))
  return {
    open: refuse,
    write: refuse,
    onData: () => () => {},
    onClose: () => () => {},
    flushInput: () => Promise.resolve(),
    close: () => Promise.resolve(),
    facts: { device: name, gatedTransmitter: undefined, echo: undefined, lowLatency: undefined },
  }
}
