/** The memory of a simulated device, and its ledger: sequence registers that give each reader the next number. */
import { Reason } from '../../../contracts/batch.ts'
import { Rejected } from '../../../contracts/errors.ts'

export type Area = 'coil' | 'discrete' | 'input' | 'holding'

/** A pair of registers that counts how often it was read: what was handed out once must arrive once. */
export interface Sequence {
  readonly group: string
  /** The last number that was handed out; 0: none yet. */
  readonly handedOut: number
}

interface Counter {
  readonly area: Area
  readonly address: number
  readonly group: string
  handedOut: number
}

export class Registers {
  readonly #areas = new Map<Area, Map<number, number>>()
  readonly #writable = new Map<string, (value: number) => void>()
  readonly #counters: Counter[] = []
  readonly #bytes = new DataView(new ArrayBuffer(4))

  get sequences(): readonly Sequence[] {
    return this.#counters
  }

  /** Registers that exist and hold 0 until they are set; what does not exist is answered with exception 2. */
  define(area: Area, from: number, count: number): void {
    const cells = this.#cells(area)
    for (let address = from; address < from + count; address++) if (!cells.has(address)) cells.set(address, 0)
  }

  /** The register may be written; `accept` may throw Rejected for a value it does not take. */
  writable(area: 'coil' | 'holding', address: number, accept: (value: number) => void): void {
    this.define(area, address, 1)
    this.#writable.set(`${area}:${address}`, accept)
  }

  /** Two registers, high word first, that give the next number at each reading of the first. */
  sequence(area: 'input' | 'holding', address: number, group: string): void {
    this.define(area, address, 2)
    this.#counters.push({ area, address, group, handedOut: 0 })
  }

  set(area: Area, address: number, value: number): void {
    this.#cells(area).set(address, Math.round(value) & 0xffff)
  }

  setUint32(area: Area, address: number, value: number): void {
    this.#bytes.setUint32(0, Math.round(value) >>> 0)
    this.#words(area, address)
  }

  setFloat32(area: Area, address: number, value: number): void {
    this.#bytes.setFloat32(0, value)
    this.#words(area, address)
  }

  /** Throws Rejected with reason illegalAddress when a register of the range does not exist. */
  read(area: Area, from: number, count: number): number[] {
    const cells = this.#cells(area)
    for (let address = from; address < from + count; address++) {
      if (!cells.has(address)) throw new Rejected(`no ${area} ${address}`, { reason: Reason.illegalAddress })
    }
    for (const counter of this.#counters) {
      if (counter.area !== area || counter.address < from || counter.address + 1 >= from + count) continue
      counter.handedOut++
      this.setUint32(area, counter.address, counter.handedOut)
    }
    return Array.from({ length: count }, (_, at) => cells.get(from + at)!)
  }

  /** Throws Rejected: illegalAddress for what cannot be written, illegalValue for what is not taken. */
  write(area: 'coil' | 'holding', address: number, value: number): void {
    const accept = this.#writable.get(`${area}:${address}`)
    if (accept === undefined)
      throw new Rejected(`${area} ${address} cannot be written`, { reason: Reason.illegalAddress })
    accept(value)
    this.set(area, address, value)
  }

  #words(area: Area, address: number): void {
    const cells = this.#cells(area)
    cells.set(address, this.#bytes.getUint16(0))
    cells.set(address + 1, this.#bytes.getUint16(2))
  }

  #cells(area: Area): Map<number, number> {
    let cells = this.#areas.get(area)
    if (cells === undefined) {
      cells = new Map()
      this.#areas.set(area, cells)
    }
    return cells
  }
}

/** A device of the plant: what it is called in the configuration, its memory, and its physics. */
export interface Machine {
  readonly name: string
  readonly unit: number
  readonly registers: Registers
  /** Lives on by so many seconds. */
  step(seconds: number): void
}

/** Noise that is the same in every run: a small linear congruential generator, between -1 and 1. */
export function noise(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 0x8000_0000 - 1
  }
}
