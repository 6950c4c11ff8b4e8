/** A machine on Modbus TCP: modbus-serial's server over its memory. Switched off it refuses connections, as a dead device's
 *  network card does. */
import { createServer } from 'node:net'
import { type FCallback, type IServiceVector, ServerTCP } from 'modbus-serial'
import { Reason } from '../../../contracts/batch.ts'
import { Fatal, Rejected } from '../../../contracts/errors.ts'
import type { Area, Machine } from './registers.ts'

/** Modbus exception codes of what the memory refuses (Application Protocol 1.1b3, clause 7). */
const EXCEPTIONS: ReadonlyMap<Reason | undefined, number> = new Map([
  [Reason.illegalAddress, 2],
  [Reason.illegalValue, 3],
])

export class TcpDevice {
  readonly machine: Machine
  readonly port: number
  #server: ServerTCP | undefined

  constructor(machine: Machine, port: number) {
    this.machine = machine
    this.port = port
  }

  get powered(): boolean {
    return this.#server !== undefined
  }

  on(): Promise<void> {
    if (this.#server !== undefined) return Promise.resolve()
    const server = new ServerTCP(this.#vector(), { host: '127.0.0.1', port: this.port, unitID: this.machine.unit })
    this.#server = server
    return new Promise((resolve, reject) => {
      server.on('initialized', () => resolve())
      // A client that went away in the middle of an answer is no fault of the device.
      server.on('socketError', () => {})
      server.on('serverError', (error) =>
        reject(new Fatal(`device ${this.machine.name} cannot listen on port ${this.port}: ${error?.message}`)),
      )
    })
  }

  off(): Promise<void> {
    const server = this.#server
    if (server === undefined) return Promise.resolve()
    this.#server = undefined
    return new Promise((resolve) => server.close((() => resolve()) as FCallback))
  }

  #vector(): IServiceVector {
    const { registers } = this.machine
    const read = (area: Area, address: number, count: number): number[] =>
      this.#answer(() => registers.read(area, address, count))
    const write = (area: 'coil' | 'holding', address: number, value: number): void =>
      this.#answer(() => registers.write(area, address, value))
    return {
      getCoil: (address: number) => read('coil', address, 1)[0] === 1,
      getDiscreteInput: (address: number) => read('discrete', address, 1)[0] === 1,
      getInputRegister: (address: number) => read('input', address, 1)[0]!,
      getHoldingRegister: (address: number) => read('holding', address, 1)[0]!,
      getMultipleInputRegisters: (address: number, count: number) => read('input', address, count),
      getMultipleHoldingRegisters: (address: number, count: number) => read('holding', address, count),
      setCoil: (address: number, value: boolean) => write('coil', address, value ? 1 : 0),
      setRegister: (address: number, value: number) => write('holding', address, value),
    }
  }

  /** A request that was under way when the power went is not counted in the ledger: nobody gets its answer. */
  #answer<T>(act: () => T): T {
    if (!this.powered) throw new Rejected('switched off')
    try {
      return act()
    } catch (thrown) {
      const reason = thrown instanceof Rejected ? thrown.reason : undefined
      throw Object.assign(new Rejected('refused', { cause: thrown }), { modbusErrorCode: EXCEPTIONS.get(reason) ?? 4 })
    }
  }
}

/** Loopback ports that are free now; asked for together, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(0, '127.0.0.1', resolve)
      })
      return server
    }),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Fatal('loopback gives no TCP port')
    return address.port
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
