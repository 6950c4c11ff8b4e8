/** The board as its description has it, on this Linux. What cannot be had says so when it is asked for; the rest works. */
import type { Clock } from '../../src/contracts/clock.ts'
import type { Board, BoardDescription, BoardReport, Button, Led, LedRole, SerialPort, Watchdog } from '../contract.ts'
import { openButton } from './gpio/button.ts'
import { LineRequest } from './gpio/line.ts'
import { encodeLineValue, GPIO_V2_LINE_SET_VALUES_IOCTL } from './gpio/structures.ts'
import { type Ioctl, ioctl as kernel } from './kernel/kernel.ts'
import { openLed } from './lamps/leds.ts'
import { describe } from './report/describe.ts'
import type { OpenLine } from './serial/gate.ts'
import { LinuxSerialPort } from './serial/port.ts'
import { findPort } from './serial/ports.ts'
import { openToggledWatchdog } from './watchdog/picontrol.ts'
import { openWatchdog } from './watchdog/watchdog.ts'

interface Options {
  readonly description: BoardDescription
  readonly clock: Pick<Clock, 'monotonic'>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What stands for `/`. */
  readonly root?: string
  readonly ioctl?: Ioctl
}

export function openBoard(options: Options): Board {
  return new LinuxBoard(options)
}

class LinuxBoard implements Board {
  readonly name: string
  readonly #description: BoardDescription
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #box: { readonly root: string; readonly ioctl: Ioctl }
  readonly #monotonic: () => number
  readonly #lamps = new Map<LedRole, Led>()
  readonly #known = new Map<string, string>()
  #button: Button | undefined
  #watchdog: Watchdog | undefined

  constructor({ description, clock, env = process.env, root = '/', ioctl = kernel }: Options) {
    this.name = description.name
    this.#description = description
    this.#env = env
    this.#box = { root, ioctl }
    this.#monotonic = () => clock.monotonic()
  }

  serial(name: string): SerialPort {
    const { root } = this.#box
    return new LinuxSerialPort({
      name,
      find: () => findPort(name, this.#description, { env: this.#env, root }),
      rs485: this.#description.ports[name]?.rs485,
      openLine: this.#openLine,
      monotonic: this.#monotonic,
      ...this.#box,
    })
  }

  led(role: LedRole): Led | undefined {
    const description = this.#description.leds[role]
    if (description === undefined) return undefined
    const open = this.#lamps.get(role)
    if (open !== undefined) return open
    const lamp = openLed({ role, description, ...this.#box })
    this.#lamps.set(role, lamp)
    return lamp
  }

  button(): Button | undefined {
    const { button: line } = this.#description
    if (line !== undefined) this.#button ??= openButton({ line, ...this.#box })
    return this.#button
  }

  watchdog(): Watchdog | undefined {
    const { watchdog } = this.#description
    if (watchdog === undefined) return undefined
    const { toggle } = watchdog
    this.#watchdog ??=
      toggle === undefined
        ? openWatchdog({ ...watchdog, ...this.#box })
        : openToggledWatchdog({ ...watchdog, toggle }, this.#box)
    return this.#watchdog
  }

  describe(): Promise<BoardReport> {
    return describe(this.#description, { ...this.#box, env: this.#env, known: this.#known })
  }

  async close(): Promise<void> {
    for (const lamp of this.#lamps.values()) lamp.close()
    this.#lamps.clear()
    this.#button?.close()
    this.#button = undefined
    try {
      this.#watchdog?.disarm()
    } catch {
      // Whoever fed it was told.
    }
    this.#watchdog = undefined
  }

  readonly #openLine: OpenLine = (address) => {
    const line = LineRequest.output(address, this.#box)
    const [on, off] = [encodeLineValue(true), encodeLineValue(false)]
    return { enable: { fd: line.fd, request: GPIO_V2_LINE_SET_VALUES_IOCTL, on, off }, close: () => line.close() }
  }
}
