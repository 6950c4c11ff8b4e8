import { describe, expect, test } from 'vitest'
import { RegisterMap, Station, seal } from '../../hal/simulated/station.ts'
import { SimulatedWire } from '../../hal/simulated/wire.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

const LINE = { baudRate: 9600, dataBits: 8, parity: 'even', stopBits: 1 } as const

function rig(options: Partial<ConstructorParameters<typeof SimulatedWire>[0]> = {}) {
  const clock = new ManualClock()
  const wire = new SimulatedWire({ clock, baudRate: 9600, parity: 'even', ...options })
  const port = wire.port()
  const heard: number[] = []
  port.onData((chunk) => heard.push(...chunk))
  return { clock, wire, port, heard }
}

const question = seal(1, Uint8Array.of(3, 0, 0, 0, 2))

describe('the simulated wire', () => {
  test('a byte takes 11 bits at 9600 baud with parity', () => {
    expect(rig().wire.byteMs).toBeCloseTo(1.1458, 3)
    expect(new SimulatedWire({ clock: new ManualClock(), baudRate: 19_200 }).byteMs).toBeCloseTo(0.5208, 3)
  })

  test('a write ends when its last byte has left', async () => {
    const { clock, port } = rig()
    await port.open(LINE)
    let left = false
    void port.write(new Uint8Array(100)).then(() => {
      left = true
    })
    await clock.advance(114)
    expect(left).toBe(false)
    await clock.advance(1)
    expect(left).toBe(true)
  })

  test('an answer comes after question, turnaround and its own bytes', async () => {
    const { clock, wire, port, heard } = rig()
    const memory = new RegisterMap().set('holding', 0, 0x1234, 0x5678)
    wire.attach(new Station({ unit: 1, memory, turnaroundMs: 20 }))
    await port.open(LINE)
    void port.write(question)
    await clock.advance((8 + 9) * wire.byteMs + 20 - 0.5)
    expect(heard).toHaveLength(0)
    await clock.advance(1)
    expect(heard).toEqual([...seal(1, Uint8Array.of(3, 4, 0x12, 0x34, 0x56, 0x78))])
  })

  test('a long frame comes in lumps, not in one piece and not byte by byte', async () => {
    const { clock, wire, port } = rig()
    await port.open(LINE)
    const lumps: number[] = []
    port.onData((chunk) => lumps.push(chunk.length))
    wire.inject(new Uint8Array(100))
    await clock.advance(200)
    expect(lumps.length).toBeGreaterThan(2)
    expect(lumps.length).toBeLessThan(12)
    expect(lumps.reduce((sum, length) => sum + length)).toBe(100)
  })

  test('two that talk at once are both not understood', async () => {
    const { clock, wire, port, heard } = rig()
    await port.open(LINE)
    wire.inject(question)
    await clock.advance(3)
    wire.inject(question)
    await clock.advance(50)
    expect(heard).toHaveLength(16)
    expect(heard.slice(0, 8)).not.toEqual([...question])
    expect(heard.slice(8)).not.toEqual([...question])
  })

  test('other line settings make nothing but noise', async () => {
    const { clock, wire, port, heard } = rig()
    const station = new Station({ unit: 1, memory: new RegisterMap().set('holding', 0, 1, 2) })
    wire.attach(station)
    await port.open({ ...LINE, baudRate: 19_200 })
    void port.write(question)
    await clock.advance(100)
    expect(station.heard).toBe(0)
    wire.inject(question)
    await clock.advance(100)
    expect(heard).not.toEqual([...question])
  })

  test('noise is the same again with the same seed, and another with another', async () => {
    const noisy = async (seed: number): Promise<number[]> => {
      const { clock, wire, port, heard } = rig({ seed })
      wire.noise = { flippedBits: 0.05, lostBytes: 0.05, strayBytes: 0.5 }
      await port.open(LINE)
      for (let frame = 0; frame < 20; frame++) {
        wire.inject(question)
        await clock.advance(50)
      }
      return heard
    }
    expect(await noisy(1)).toEqual(await noisy(1))
    expect(await noisy(1)).not.toEqual(await noisy(2))
    expect((await noisy(1)).length).not.toBe(160)
  })

  test('a port with echo hears itself, others hear it anyway', async () => {
    const { clock, port, heard } = rig({ echo: true })
    await port.open(LINE)
    void port.write(question)
    await clock.advance(20)
    expect(heard).toEqual([...question])
  })

  test.each([
    ['an unknown function', [0x2b, 0, 0, 0, 1], [0xab, 1]],
    ['registers that are not there', [3, 0, 9, 0, 1], [0x83, 2]],
    ['too many registers', [3, 0, 0, 0, 126], [0x83, 3]],
    ['a coil that is neither on nor off', [5, 0, 0, 0, 1], [0x85, 3]],
    ['addresses beyond the last', [3, 0xff, 0xff, 0, 2], [0x83, 2]],
  ])('a station answers %s with an exception', async (_, pdu, answer) => {
    const { clock, wire, port, heard } = rig()
    wire.attach(new Station({ unit: 1, memory: new RegisterMap().set('holding', 0, 1).set('coil', 0, 0) }))
    await port.open(LINE)
    void port.write(seal(1, Uint8Array.from(pdu)))
    await clock.advance(100)
    expect(heard).toEqual([...seal(1, Uint8Array.from(answer))])
  })
})
