/** The plant: three machines on Modbus TCP, two on an RS-485 line, and their time. */
import type { Clock, Stop } from '../../../contracts/clock.ts'
import { conveyor } from './conveyor.ts'
import { meter } from './meter.ts'
import { oven } from './oven.ts'
import { press } from './press.ts'
import type { Machine } from './registers.ts'
import { Rs485Line } from './rs485-line.ts'
import { tank } from './tank.ts'
import { TcpDevice } from './tcp-device.ts'

/** How often the physics moves on. */
const STEP_MS = 50

export interface Ledger {
  readonly device: string
  readonly group: string
  /** How often the device gave out its sequence number, and therefore the last number. */
  readonly handedOut: number
}

export class Plant {
  readonly press: TcpDevice
  readonly oven: TcpDevice
  readonly conveyor: TcpDevice
  readonly line: Rs485Line
  readonly #machines: readonly Machine[]
  readonly #clock: Clock
  #stop: Stop | undefined
  #steppedAt = 0

  constructor(options: { clock: Clock; ports: { press: number; oven: number; conveyor: number } }) {
    const { clock, ports } = options
    this.#clock = clock
    this.press = new TcpDevice(press('press', 1), ports.press)
    this.oven = new TcpDevice(oven('oven', 2), ports.oven)
    this.conveyor = new TcpDevice(conveyor('conveyor', 3), ports.conveyor)
    const onTheLine = [meter('meter', 1), tank('tank', 5)]
    this.line = new Rs485Line({ clock, machines: onTheLine })
    this.#machines = [this.press.machine, this.oven.machine, this.conveyor.machine, ...onTheLine]
  }

  async start(): Promise<void> {
    await Promise.all([this.press.on(), this.oven.on(), this.conveyor.on()])
    this.#steppedAt = this.#clock.monotonic()
    this.#stop = this.#clock.every(STEP_MS, () => this.#step())
  }

  async stop(): Promise<void> {
    this.#stop?.()
    this.line.stop()
    await Promise.all([this.press.off(), this.oven.off(), this.conveyor.off()])
  }

  ledgers(): readonly Ledger[] {
    return this.#machines.flatMap(({ name, registers }) =>
      registers.sequences.map(({ group, handedOut }) => ({ device: name, group, handedOut })),
    )
  }

  #step(): void {
    const now = this.#clock.monotonic()
    for (const machine of this.#machines) machine.step((now - this.#steppedAt) / 1000)
    this.#steppedAt = now
  }
}
