/** A board whose ports lead to simulated wires. */
import { Retryable } from '../../src/contracts/errors.ts'
import type { Ports, SerialPort } from '../contract.ts'
import type { SimulatedWire } from './wire.ts'

/** `Reason.noConnection`: this folder knows the fault classes, not the batch. */
const NO_CONNECTION = 11

export class SimulatedBoard implements Ports {
  readonly name = 'simulated'
  readonly #wires: Readonly<Record<string, SimulatedWire>>

  constructor(options: { wires: Readonly<Record<string, SimulatedWire>> }) {
    this.#wires = options.wires
  }

  serial(name: string): SerialPort {
    return this.#wires[name]?.port(name) ?? missing(name)
  }
}

/** A port that can never be opened: there is no such wire. */
function missing(name: string): SerialPort {
  const refuse = (): Promise<never> =>
    Promise.reject(new Retryable(`the simulated board has no port ${name}`, { reason: NO_CONNECTION }))
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
