/** Two machines on one simulated RS-485 line, with byte time, behind an adapter that can be unplugged. */
import { SimulatedBoard } from '../../../../hal/simulated/board.ts'
import { type Memory, Station } from '../../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../../hal/simulated/wire.ts'
import { Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import { Rejected } from '../../../contracts/errors.ts'
import type { Machine, Registers } from './registers.ts'

/** What a meter of this class takes from the end of a question to its answer. */
const TURNAROUND_MS = 12

/** A number that a device gave out and that the wire lost: the gateway never had it. */
export interface Torn {
  readonly device: string
  readonly group: string
  readonly number: number
}

export class Rs485Line {
  readonly board: SimulatedBoard
  readonly #wire: SimulatedWire
  readonly #clock: Clock
  readonly #stations: readonly Station[]
  /** The numbers in the answer that is on the wire, until it has passed. */
  #passing: { readonly numbers: readonly Torn[]; readonly until: number } = { numbers: [], until: 0 }

  constructor(options: { clock: Clock; machines: readonly Machine[]; port?: string }) {
    const { clock, machines, port = 'rs485-1' } = options
    this.#clock = clock
    this.#wire = new SimulatedWire({ clock, baudRate: 19_200, parity: 'even' })
    this.board = new SimulatedBoard({ wires: { [port]: this.#wire } })
    this.#stations = machines.map(
      (machine) => new Station({ unit: machine.unit, memory: this.#memory(machine), turnaroundMs: TURNAROUND_MS }),
    )
    for (const station of this.#stations) this.#wire.attach(station)
  }

  get plugged(): boolean {
    return this.#wire.plugged
  }

  plug(): void {
    this.#wire.plug()
  }

  /** Gives back the numbers of an answer that was on the wire: it reaches nobody. */
  unplug(): readonly Torn[] {
    const torn = this.plugged && this.#clock.monotonic() < this.#passing.until ? this.#passing.numbers : []
    this.#wire.unplug()
    return torn
  }

  stop(): void {
    for (const station of this.#stations) station.silent = true
  }

  #memory({ name, registers }: Machine): Memory {
    const objects = new Map([
      [0, 'Fieldgate demo'],
      [1, name],
      [2, '1.0'],
    ])
    return {
      identity: { conformity: 1, objects },
      read: (area, address, quantity) => {
        const before = registers.sequences.map(({ handedOut }) => handedOut)
        const values = refusable(() => registers.read(area, address, quantity))
        const numbers = registers.sequences
          .filter(({ handedOut }, at) => handedOut !== before[at])
          .map(({ group, handedOut }) => ({ device: name, group, number: handedOut }))
        const bytes = 5 + 2 * quantity
        // One byte more: the last lump is handed on a moment after it was due.
        const lastsMs = TURNAROUND_MS + (bytes + 1) * this.#wire.byteMs
        this.#passing = { numbers, until: this.#clock.monotonic() + lastsMs }
        return values
      },
      write: (area, address, values) => write(registers, area, address, values),
    }
  }
}

function write(registers: Registers, area: 'coil' | 'holding', address: number, values: ArrayLike<number>): number {
  const refused = refusable(() => {
    for (let at = 0; at < values.length; at++) registers.write(area, address + at, values[at]!)
    return []
  })
  return typeof refused === 'number' ? refused : 0
}

/** Modbus exception codes for what the memory refuses. */
function refusable(act: () => number[]): number[] | number {
  try {
    return act()
  } catch (thrown) {
    const reason = thrown instanceof Rejected ? thrown.reason : undefined
    return reason === Reason.illegalAddress ? 2 : reason === Reason.illegalValue ? 3 : 4
  }
}
