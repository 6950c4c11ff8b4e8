import { describe, expect, test } from 'vitest'
import type { Noise } from '../../../hal/simulated/disturbances.ts'
import { SecondMaster } from '../../../hal/simulated/second-master.ts'
import { RegisterMap, Station, seal } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'

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

  test.each([
    ['none', 1, 1200, 10],
    ['even', 1, 2400, 11],
    ['odd', 1, 19_200, 11],
    ['none', 2, 115_200, 11],
  ] as const)(
    'with parity %s and %i stop bit(s) at %i baud a byte takes %i bits',
    (parity, stopBits, baudRate, bits) => {
      const { wire } = rig({ parity, stopBits, baudRate })
      expect(wire.byteMs).toBeCloseTo((bits * 1000) / baudRate, 6)
    },
  )

  test('a frame right behind other bytes is one with them, and no station understands it', async () => {
    const { clock, wire, port } = rig()
    const station = new Station({ unit: 1, memory: new RegisterMap().set('holding', 0, 1, 2) })
    wire.attach(station)
    await port.open(LINE)
    wire.inject(Uint8Array.of(0x55))
    await clock.advance(wire.byteMs + 0.1)
    await settledWrite(clock, port.write(question))
    expect(station.heard).toBe(0)
    await clock.advance(50)
    await settledWrite(clock, port.write(question))
    expect(station.heard).toBe(1)
  })

  test('a station answers one after the other', async () => {
    const { clock, wire, port, heard } = rig()
    const slow = new Station({ unit: 1, memory: new RegisterMap().set('holding', 0, 1, 2), turnaroundMs: 100 })
    wire.attach(slow)
    await port.open(LINE)
    await settledWrite(clock, port.write(question))
    await clock.advance(5)
    slow.turnaroundMs = 10
    await settledWrite(clock, port.write(question))
    await clock.advance(300)
    expect(slow.heard).toBe(2)
    const answer = [...seal(1, Uint8Array.of(3, 4, 0, 1, 0, 2))]
    expect(heard).toEqual([...answer, ...answer])
  })

  test('a latency timer hands bytes on at its ticks, and sooner when a packet is full', async () => {
    const { clock, wire, port } = rig({ latencyTimerMs: 16, baudRate: 115_200 })
    await port.open(LINE)
    const lumps: (readonly [number, number])[] = []
    port.onData((chunk, at) => lumps.push([chunk.length, at % 16]))
    await clock.advance(3)
    wire.inject(new Uint8Array(100))
    await clock.advance(50)
    expect(lumps.map(([length]) => length)).toEqual([62, 38])
    expect(lumps[1]![1]).toBe(0)
    wire.inject(new Uint8Array(5))
    await clock.advance(5)
    await port.flushInput()
    await clock.advance(50)
    expect(lumps).toHaveLength(2)
  })

  test('a deaf port hears nothing until it is opened anew', async () => {
    const { clock, wire, port, heard } = rig()
    await port.open(LINE)
    wire.deafen()
    wire.inject(question)
    await clock.advance(50)
    expect(heard).toHaveLength(0)
    await port.close()
    await port.open(LINE)
    wire.inject(question)
    await clock.advance(50)
    expect(heard).toEqual([...question])
  })

  test('an unplugged adapter can be plugged in and opened again', async () => {
    const { clock, wire, port, heard } = rig()
    await port.open(LINE)
    wire.inject(question)
    await clock.advance(4)
    wire.unplug()
    await clock.advance(50)
    expect(heard.length).toBeLessThan(question.length)
    await expect(port.open(LINE)).rejects.toThrow(/plugged in/)
    wire.plug()
    await port.open(LINE)
    wire.inject(question)
    await clock.advance(50)
    expect(heard.slice(-8)).toEqual([...question])
  })

  test('an echo may differ from what was sent, and others still hear it right', async () => {
    const { clock, wire, port, heard } = rig({ echo: true })
    const station = new Station({ unit: 1, memory: new RegisterMap().set('holding', 0, 1, 2) })
    wire.attach(station)
    wire.noise = { flippedBits: 0, lostBytes: 0, strayBytes: 0, differingEchoes: 1 }
    await port.open(LINE)
    await settledWrite(clock, port.write(question))
    expect(heard).toHaveLength(8)
    expect(heard).not.toEqual([...question])
    expect(station.heard).toBe(1)
  })

  test.each([
    ['polite', true, false],
    ['rude', false, true],
  ])('a second master that is %s', async (_, polite, collides) => {
    const { clock, wire, port } = rig()
    wire.attach(new Station({ unit: 1, memory: new RegisterMap().set('holding', 0, 1, 2) }))
    const other = new SecondMaster({ wire, unit: 1, everyMs: 37, polite, question: Uint8Array.of(3, 0, 0, 0, 2) })
    other.start()
    await port.open(LINE)
    const heard: number[] = []
    port.onData((chunk) => heard.push(...chunk))
    for (let at = 0; at < 50; at++) {
      void port.write(question)
      await clock.advance(50)
    }
    other.stop()
    await clock.advance(100)
    expect(other.asked).toBeGreaterThan(20)
    const text = Buffer.from(heard).toString('hex')
    const answers = text.split(Buffer.from(seal(1, Uint8Array.of(3, 4, 0, 1, 0, 2))).toString('hex')).length - 1
    if (collides) expect(answers).toBeLessThan(50)
    expect(answers).toBeGreaterThan(5)
    expect(clock.timers).toBe(0)
  })

  test('a minute of a 9600 baud line with everything that can go wrong takes well under a second, and repeats', async () => {
    const everything: Noise = {
      flippedBits: 0.001,
      lostBytes: 0.001,
      strayBytes: 0.05,
      extraBytes: 0.001,
      differingEchoes: 0.02,
      burstsPerSecond: 0.5,
    }
    const minute = async (seed: number): Promise<string> => {
      const { clock, wire, port } = rig({ seed, echo: true, latencyTimerMs: 16 })
      const log: string[] = []
      port.onData((chunk, at) => log.push(`${at} ${Buffer.from(chunk).toString('hex')}`))
      const memory = new RegisterMap().set('holding', 0, ...Array.from({ length: 100 }, (_, at) => at))
      for (const unit of [1, 2, 3]) wire.attach(new Station({ unit, memory, turnaroundMs: 5 * unit }))
      const master = new SecondMaster({ wire, unit: 3, everyMs: 7001, polite: false })
      master.start()
      wire.noise = everything
      for (let second = 0; second < 60; second++) {
        if (second % 20 === 19) wire.unplug()
        else if (second % 20 === 0) {
          wire.plug()
          await port.open(LINE)
        }
        for (let tenth = 0; tenth < 5; tenth++) {
          port.write(seal(1 + (tenth % 3), Uint8Array.of(3, 0, tenth, 0, 40))).catch(() => {})
          await clock.advance(200)
        }
      }
      return log.join('\n')
    }
    const began = performance.now()
    const first = await minute(7)
    expect(performance.now() - began).toBeLessThan(1000)
    expect(first.length).toBeGreaterThan(20_000)
    expect(await minute(7)).toBe(first)
    expect(await minute(8)).not.toBe(first)
  })
})

async function settledWrite(clock: ManualClock, written: Promise<void>): Promise<void> {
  await clock.advance(20)
  await written
}
