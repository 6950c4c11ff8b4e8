/** Somebody else who asks questions on the same wire, as a panel that was wired in parallel does. */
import type { Stop } from '../../src/contracts/clock.ts'
import { seal } from './station.ts'
import type { Listener, SimulatedWire } from './wire.ts'

export class SecondMaster implements Listener {
  /** Questions it sent. */
  asked = 0
  /** Whole bursts it heard: answers to it, and whatever others said. */
  heard = 0
  readonly #wire: SimulatedWire
  readonly #everyMs: number
  readonly #unit: number
  readonly #question: Uint8Array
  readonly #polite: boolean
  #stop: Stop | undefined
  #detach: Stop | undefined

  constructor(options: {
    wire: SimulatedWire
    /** Whom it asks. */
    unit: number
    everyMs: number
    /** A PDU; ten holding registers unless told otherwise. */
    question?: Uint8Array
    /** Waits for a silent wire; else it talks into others' frames. */
    polite?: boolean
  }) {
    this.#wire = options.wire
    this.#unit = options.unit
    this.#everyMs = options.everyMs
    this.#question = options.question ?? Uint8Array.of(3, 0, 0, 0, 10)
    this.#polite = options.polite ?? true
  }

  start(): void {
    this.#detach = this.#wire.attach(this)
    this.#stop = this.#wire.clock.every(this.#everyMs, () => {
      if (this.#polite && this.#wire.busy) return
      this.asked++
      this.#wire.talk(this, seal(this.#unit, this.#question))
    })
  }

  stop(): void {
    this.#stop?.()
    this.#detach?.()
  }

  hear(): null {
    this.heard++
    return null
  }
}
