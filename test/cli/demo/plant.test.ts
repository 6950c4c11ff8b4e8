import { describe, expect, it } from 'vitest'
import type { SerialPort } from '../../../hal/contract.ts'
import { conveyor } from '../../../src/cli/demo/plant/conveyor.ts'
import { METER_SEQUENCE, meter } from '../../../src/cli/demo/plant/meter.ts'
import { oven } from '../../../src/cli/demo/plant/oven.ts'
import { press } from '../../../src/cli/demo/plant/press.ts'
import { type Machine, Registers } from '../../../src/cli/demo/plant/registers.ts'
import { Rs485Line } from '../../../src/cli/demo/plant/rs485-line.ts'
import { tank } from '../../../src/cli/demo/plant/tank.ts'
import { Tally } from '../../../src/cli/demo/tally.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'

function live(machine: Machine, seconds: number): void {
  for (let passed = 0; passed < seconds; passed += 0.05) machine.step(0.05)
}

function float(machine: Machine, number: number): number {
  const [high, low] = machine.registers.read('input', number - 30_001, 2)
  const view = new DataView(new ArrayBuffer(4))
  view.setUint16(0, high!)
  view.setUint16(2, low!)
  return view.getFloat32(0)
}

describe('the memory of a device', () => {
  it('gives the next number at each reading of a sequence, and counts what it gave', () => {
    const registers = new Registers()
    registers.define('holding', 0, 4)
    registers.sequence('holding', 4, 'belt')
    expect(registers.read('holding', 0, 6).slice(4)).toEqual([0, 1])
    expect(registers.read('holding', 4, 2)).toEqual([0, 2])
    expect(registers.read('holding', 0, 4)).toHaveLength(4)
    expect(registers.sequences[0]?.handedOut).toBe(2)
  })

  it('refuses what does not exist, cannot be written, or is out of its range, each with its own reason', () => {
    const { registers } = oven('oven', 2)
    expect(() => registers.read('input', 4, 10)).toThrow(expect.objectContaining({ reason: Reason.illegalAddress }))
    expect(() => registers.write('coil', 7, 1)).toThrow(expect.objectContaining({ reason: Reason.illegalAddress }))
    expect(() => registers.write('holding', 0, 9000)).toThrow(expect.objectContaining({ reason: Reason.illegalValue }))
    expect(registers.read('holding', 0, 1)).toEqual([1800])
  })
})

describe('the plant', () => {
  it('has a press that makes strokes and counts them', () => {
    const machine = press('press', 1)
    const cycles = (): number => machine.registers.read('holding', 5, 1)[0]!
    const before = cycles()
    const states = new Set<number>()
    for (let step = 0; step < 200; step++) {
      machine.step(0.05)
      states.add(machine.registers.read('holding', 0, 1)[0]!)
    }
    expect([...states].sort()).toEqual([0, 1, 2, 3])
    expect(cycles() - before).toBe(2)
  })

  it('has a press that finishes its stroke and rests when it is switched off', () => {
    const machine = press('press', 1)
    machine.registers.write('coil', 0, 0)
    live(machine, 20)
    expect(machine.registers.read('holding', 0, 2)).toEqual([0, 0])
  })

  it('has an oven that follows its setpoint, slowly, and loses heat when the setpoint falls', () => {
    const machine = oven('oven', 2)
    const temperature = (): number => machine.registers.read('input', 0, 1)[0]! / 10
    machine.registers.write('holding', 0, 2200)
    live(machine, 5)
    expect(temperature()).toBeLessThan(200)
    live(machine, 600)
    expect(Math.abs(temperature() - 220)).toBeLessThan(15)
    machine.registers.write('holding', 0, 600)
    live(machine, 1200)
    expect(temperature()).toBeLessThan(80)
  })

  it('has an oven whose third thermocouple breaks now and then', () => {
    const machine = oven('oven', 2)
    live(machine, 80)
    expect(machine.registers.read('input', 2, 1)).toEqual([0x7fff])
    live(machine, 15)
    expect(machine.registers.read('input', 2, 1)[0]).toBeLessThan(3000)
  })

  it('has a conveyor whose piece counter rolls over at sixteen bits', () => {
    const machine = conveyor('conveyor', 3)
    live(machine, 60)
    expect(machine.registers.read('holding', 2, 1)[0]).toBeLessThan(1000)
  })

  it('has a meter with the SDM630’s map: powers add up, energy only rises', () => {
    const machine = meter('meter', 1)
    const before = float(machine, 30_073)
    live(machine, 30)
    const powers = [30_013, 30_015, 30_017].map((number) => float(machine, number))
    expect(float(machine, 30_053)).toBeCloseTo(powers[0]! + powers[1]! + powers[2]!, 0)
    expect(float(machine, 30_001)).toBeGreaterThan(225)
    expect(float(machine, 30_071)).toBeCloseTo(50, 0)
    expect(float(machine, 30_073)).toBeGreaterThanOrEqual(before)
    expect(machine.registers.read('input', METER_SEQUENCE, 2)).toEqual([0, 1])
  })

  it('has a tank that is filled and drains', () => {
    const machine = tank('tank', 5)
    const levels: number[] = []
    for (let second = 0; second < 180; second++) {
      live(machine, 1)
      levels.push(machine.registers.read('holding', 0, 1)[0]! / 100)
    }
    expect(Math.min(...levels)).toBeLessThan(45)
    expect(Math.max(...levels)).toBeGreaterThan(80)
  })
})

describe('the plant’s RS-485 line', () => {
  it('answers at the speed of the wire', async () => {
    const { clock, port, heard } = await opened()
    const asked = clock.monotonic()
    await send(clock, port, [1, 4, 0x03, 0xe8, 0, 2])
    await clock.advance(200)
    expect(heard.bytes.slice(0, 7)).toEqual([1, 4, 4, 0, 0, 0, 1])
    // 8 bytes asked, 12 ms to think, 9 bytes answered, 11 bits each at 19,200 baud.
    expect(heard.at - asked).toBeGreaterThanOrEqual(17 * (11_000 / 19_200) + 12 - 0.01)
  })

  it('knows which number was on the wire when the adapter was unplugged', async () => {
    const { clock, port, heard, line } = await opened()
    await send(clock, port, [1, 4, 0x03, 0xe8, 0, 2])
    await clock.advance(14)
    expect(line.unplug()).toEqual([{ device: 'meter', group: 'power', number: 1 }])
    expect(heard.closed).toContain('unplugged')
    line.plug()
    await port.open(SETTINGS)
    await send(clock, port, [1, 4, 0x03, 0xe8, 0, 2])
    await clock.advance(200)
    expect(line.unplug()).toEqual([])
  })

  const SETTINGS = { baudRate: 19_200, dataBits: 8, parity: 'even', stopBits: 1 } as const

  async function opened() {
    const clock = new ManualClock()
    const line = new Rs485Line({ clock, machines: [meter('meter', 1), tank('tank', 5)] })
    const port = line.board.serial('rs485-1')
    const heard = { bytes: [] as number[], at: 0, closed: '' }
    port.onData((chunk, at) => {
      heard.bytes.push(...chunk)
      heard.at = at
    })
    port.onClose((why) => {
      heard.closed = why
    })
    await port.open(SETTINGS)
    return { clock, line, port, heard }
  }

  async function send(clock: ManualClock, port: SerialPort, body: number[]): Promise<void> {
    const sent = port.write(Uint8Array.from([...body, ...crc(body)]))
    await clock.advance(8 * (11_000 / 19_200))
    await sent
  }

  function crc(bytes: number[]): number[] {
    let sum = 0xffff
    for (const byte of bytes) {
      sum ^= byte
      for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >> 1) ^ 0xa001 : sum >> 1
    }
    return [sum & 0xff, sum >> 8]
  }
})

describe('the tally', () => {
  it('knows what is missing and what came twice, in whatever order it came', () => {
    const tally = new Tally()
    for (const number of [1, 2, 5, 4, 4, 2]) tally.take(number)
    expect(tally.missing(5)).toBe(1)
    expect(tally.missing(7)).toBe(3)
    expect(tally.repeated).toBe(2)
    tally.take(3)
    expect(tally.missing(5)).toBe(0)
    expect(tally.arrivals).toBe(7)
  })

  it('does not expect what never reached the gateway', () => {
    const tally = new Tally()
    tally.take(1)
    tally.excuse(2)
    tally.take(3)
    expect([tally.missing(3), tally.repeated, tally.arrivals]).toEqual([0, 0, 2])
  })
})
