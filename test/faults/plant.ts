/** Two devices, units 3 and 4, polled each second by the real poller over one of the three ways Modbus comes, with answers
 *  that a test disturbs. Register n of unit u holds 1000 × u + n. */
import { createServer, type Socket } from 'node:net'
import { SimulatedBoard } from '../../hal/simulated/board.ts'
import { Station, seal } from '../../hal/simulated/station.ts'
import { type Listener, SimulatedWire } from '../../hal/simulated/wire.ts'
import { type Batch, Reason } from '../../src/contracts/batch.ts'
import type { GroupPlan } from '../../src/contracts/driver.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { Poller } from '../../src/schedule/poller.ts'
import type { ModbusDriver } from '../../src/southbound/modbus/driver.ts'
import { modbusRtuOverTcp } from '../../src/southbound/modbus/schema/schema.ts'
import { type ConnectionSettings, connectionSettings } from '../../src/southbound/modbus/settings.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { groupOf, rtu, tcp } from '../southbound/modbus/configured.ts'
import { driverOf, filled, named, registers } from '../southbound/modbus/rig.ts'
import { adu } from '../southbound/modbus/slave-socket.ts'

export type Way = 'RTU' | 'TCP' | 'RTU over TCP'
export const WAYS: readonly Way[] = ['RTU', 'TCP', 'RTU over TCP']
export const SERIAL: readonly Way[] = ['RTU', 'RTU over TCP']

interface Question {
  readonly unit: number
  readonly pdu: Uint8Array
}

export interface Reply {
  readonly unit: number
  readonly pdu: Uint8Array
  readonly afterMs?: number
  /** Bytes right before and behind it. */
  readonly before?: readonly number[]
  readonly behind?: readonly number[]
  /** A bit of it flips on its way. */
  readonly damaged?: boolean
  /** Another transaction id than the question's. */
  readonly foreign?: boolean
  /** In place of the whole frame. */
  readonly raw?: readonly number[]
}

export const REGISTERS = 4
const TURNAROUND_MS = 10
export const TIMEOUT_MS = 200

export class Plant {
  /** What a device's answer becomes. */
  script: (question: Question, good: Reply) => readonly Reply[] = (_, good) => [good]
  readonly questions: Question[] = []
  readonly batches: Batch[] = []
  readonly clock: ManualClock
  readonly stations = [3, 4].map((unit) => new Station({ unit, memory: filled(unit), turnaroundMs: TURNAROUND_MS }))
  driver!: ModbusDriver
  readonly #lane: Lane
  poller!: Poller
  #plans: readonly GroupPlan[] = []

  constructor(clock: ManualClock) {
    this.clock = clock
    this.#lane = new Lane({ clock, inFlight: 1 })
  }

  /** Answers, as they go onto the wire: unit, PDU and what the script made of them. */
  respond(question: Question): readonly Reply[] {
    this.questions.push(question)
    for (const station of this.stations) {
      const answer = station.hear(seal(question.unit, question.pdu))
      if (answer === null) continue
      return this.script(question, { unit: question.unit, pdu: answer.frame.slice(1, -2) })
    }
    return []
  }

  begin(settings: ConnectionSettings, board?: SimulatedBoard): void {
    const { clock } = this
    this.driver = driverOf(settings, board === undefined ? { clock } : { clock, board })
    this.poller = new Poller({
      clock,
      driver: this.driver,
      lane: this.#lane,
      emit: (batch) => this.batches.push(batch),
    })
  }

  /** Starts to poll both devices. */
  async poll(keys: object = {}, everyMs = 1000): Promise<void> {
    this.#plans = [3, 4].map((unit): GroupPlan => {
      const plan = registers(unit, 0, REGISTERS, { timeout: `${TIMEOUT_MS}ms`, retries: 0, ...keys })
      return { ...plan, everyMs, ref: { ...plan.ref, id: unit } }
    })
    await this.driver.start()
    await this.run(50)
    this.poller.configure(this.#plans)
    this.poller.start()
  }

  /** Lets time pass, with a few turns of the event loop for sockets in each millisecond. */
  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) {
      await this.clock.advance(1)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Lets much time pass in few steps: nothing is polled until it is over. */
  async skip(ms: number): Promise<void> {
    const plans = this.#plans
    this.poller.configure([])
    await this.run(1000)
    await this.clock.advance(ms)
    this.poller.configure(plans)
  }

  /** All reasons of a device's batches from the `from`th on. */
  reasons(unit: 3 | 4, from = 0): ReadonlySet<Reason> {
    const batches = this.batches.slice(from).filter(({ group }) => group.device === `unit-${unit}`)
    return new Set(batches.flatMap(({ quality }) => (quality === null ? [Reason.good] : ([...quality] as Reason[]))))
  }

  /** The reasons of a device's last batch; it fails a test when any batch holds a value that is not the register's. */
  quality(unit: 3 | 4): readonly Reason[] {
    let last: readonly Reason[] | undefined
    for (const batch of this.batches) {
      if (batch.group.device !== `unit-${unit}`) continue
      last = Array.from({ length: REGISTERS }, (_, at) => (batch.quality?.[at] ?? Reason.good) as Reason)
      for (const [at, reason] of last.entries()) {
        const value = batch.numbers[at]!
        if (reason === Reason.good && value !== 1000 * unit + at)
          throw new Error(`unit ${unit} register ${at}: ${value}`)
      }
    }
    return last ?? []
  }

  counter(name: string): number {
    return this.driver.counters()[name]!
  }

  of(unit: 3 | 4, name: string): number {
    return this.driver.deviceCounters(`unit-${unit}`)[name] ?? 0
  }

  /** What became of a write to register 50: the fault, or undefined. */
  async write(value: number): Promise<unknown> {
    const written = { address: 'holding:50', type: 'uint16' }
    const { device, tags } = named(groupOf([written], { device: { unitId: 3, timeout: `${TIMEOUT_MS}ms` } }), 3)
    let ended = false
    const writing = this.#lane
      .submit((signal) => this.driver.write(device, tags[0]!, value, signal))
      .catch((thrown) => thrown)
      .finally(() => {
        ended = true
      })
    for (let ms = 0; ms < 10_000 && !ended; ms++) await this.run(1)
    return writing
  }

  /** Questions to a unit with a function. */
  asked(unit: number, code = 3): number {
    return this.questions.filter((question) => question.unit === unit && question.pdu[0] === code).length
  }

  async stop(): Promise<void> {
    await this.#lane.stop()
    await this.driver.stop()
  }
}

function frameOf({ unit, pdu, before = [], behind = [], damaged = false, raw }: Reply): Uint8Array {
  const frame = raw === undefined ? seal(unit, pdu) : Uint8Array.from(raw)
  if (damaged) frame[4]! ^= 0x10
  return Uint8Array.of(...before, ...frame, ...behind)
}

/** Both stations as one listener: what stands on a serial wire. */
class Stations implements Listener {
  readonly #plant: Plant
  readonly #wire: SimulatedWire

  constructor(plant: Plant, wire: SimulatedWire) {
    this.#plant = plant
    this.#wire = wire
  }

  hear(frame: Uint8Array): null {
    const sealed = seal(frame[0]!, frame.slice(1, -2))
    if (Buffer.compare(sealed, frame) !== 0) return null
    let afterMs = 0
    for (const reply of this.#plant.respond({ unit: frame[0]!, pdu: frame.slice(1, -2) })) {
      afterMs += reply.afterMs ?? TURNAROUND_MS
      const bytes = frameOf(reply)
      this.#plant.clock.after(afterMs, () => this.#wire.talk(this, bytes))
      afterMs += bytes.length * this.#wire.byteMs
    }
    return null
  }
}

export class SerialPlant extends Plant {
  readonly wire: SimulatedWire

  constructor(options: { clock?: ManualClock; echo?: boolean; baudRate?: number; keys?: object } = {}) {
    const { clock = new ManualClock(), echo = false, baudRate = 19_200, keys } = options
    super(clock)
    this.wire = new SimulatedWire({ clock, baudRate, echo })
    this.wire.attach(new Stations(this, this.wire))
    const settings = rtu({ baudRate, timeout: `${TIMEOUT_MS}ms`, ...keys })
    this.begin(settings, new SimulatedBoard({ wires: { 'rs485-1': this.wire } }))
  }
}

/** The two ways over sockets. A converter's wire goes on answering to whoever is connected then. */
export class SocketPlant extends Plant {
  accepted = 0
  readonly sockets = new Set<Socket>()
  readonly #way: Way
  #present: Socket | undefined
  readonly #server = createServer((socket) => this.#accept(socket))

  constructor(way: Way) {
    super(new ManualClock())
    this.#way = way
  }

  async listen(keys: object = {}): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const { port } = this.#server.address() as { port: number }
    const written = { host: '127.0.0.1', port, timeout: `${TIMEOUT_MS}ms`, ...keys }
    this.begin(this.#way === 'TCP' ? tcp(written) : connectionSettings(modbusRtuOverTcp.connection.parse(written)))
  }

  #accept(socket: Socket): void {
    this.accepted++
    this.#present = socket
    this.sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('data', (bytes) => (this.#way === 'TCP' ? this.#heardAdus(socket, bytes) : this.#heardFrame(bytes)))
  }

  /** One question is under way at a time, and a loopback delivers a frame whole. */
  #heardFrame(frame: Uint8Array): void {
    for (const reply of this.respond({ unit: frame[0]!, pdu: frame.slice(1, -2) })) {
      this.#send(() => this.#present, frameOf(reply), reply.afterMs)
    }
  }

  #heardAdus(socket: Socket, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 6 + bytes.readUInt16BE(at + 4)) {
      const pdu = Uint8Array.from(bytes.subarray(at + 7, at + 6 + bytes.readUInt16BE(at + 4)))
      for (const reply of this.respond({ unit: bytes[at + 6]!, pdu })) {
        const transaction = bytes.readUInt16BE(at) ^ (reply.foreign ? 0x8000 : 0)
        const answer = reply.raw === undefined ? adu(transaction, reply.unit, reply.pdu) : Uint8Array.from(reply.raw)
        this.#send(() => socket, answer, reply.afterMs)
      }
    }
  }

  #send(to: () => Socket | undefined, bytes: Uint8Array, afterMs = TURNAROUND_MS): void {
    this.clock.after(afterMs, () => {
      const socket = to()
      if (socket !== undefined && !socket.destroyed) socket.write(bytes)
    })
  }

  override async stop(): Promise<void> {
    await super.stop()
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

export async function plantOver(way: Way, keys: object = {}): Promise<Plant> {
  if (way === 'RTU') return new SerialPlant({ keys })
  const plant = new SocketPlant(way)
  await plant.listen(keys)
  return plant
}
