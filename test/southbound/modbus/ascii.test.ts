import { describe, expect, it } from 'vitest'
import { AsciiStation } from '../../../hal/simulated/ascii.ts'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { Station } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import { AsciiDecoder, asciiCharacters, encodeAscii } from '../../../src/southbound/modbus/frames/ascii-frame.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { ascii, groupOf } from './configured.ts'
import { ALWAYS, driverOf, filled, named, readGroup, registers, settled } from './rig.ts'

/** `frame` for a good one, `broken` for one whose LRC does not hold, with its bytes in hex; `garbage` with a count. */
function heard(...chunks: readonly (string | number)[]): string[] {
  const found: string[] = []
  const decoder = new AsciiDecoder({
    frame: (body, sound) => found.push(`${sound ? 'frame' : 'broken'} ${Buffer.from(body).toString('hex')}`),
    garbage: (characters) => found.push(`garbage ${characters}`),
  })
  let now = 0
  for (const chunk of chunks) {
    if (typeof chunk === 'number') now += chunk
    else decoder.hear(Buffer.from(chunk, 'latin1'), now)
  }
  return found
}

describe('frames of Modbus ASCII', () => {
  it('are written as the specification has them', () => {
    // Read three registers from 107 on of unit 17; by hand: 11+03+00+6B+00+03 = 82, LRC 7E.
    const text = Buffer.from(encodeAscii(Uint8Array.of(0x11, 3, 0, 0x6b, 0, 3))).toString('latin1')
    expect(text).toBe(':1103006B00037E\r\n')
    expect(asciiCharacters(6)).toBe(text.length)
  })

  it('are read in either case of letters, in any pieces', () => {
    const text = ':1103006b00037e\r\n'
    expect(heard(text)).toEqual(['frame 1103006b0003'])
    expect(heard(...text)).toEqual(['frame 1103006b0003'])
    expect(heard(text.toUpperCase() + text)).toEqual(['frame 1103006b0003', 'frame 1103006b0003'])
  })

  it('with a wrong LRC are told apart from good ones', () => {
    expect(heard(':1103006B00037F\r\n')).toEqual(['broken 1103006b0003'])
  })

  it('begin anew with every colon', () => {
    expect(heard(':1103:1103006B00037E\r\n')).toEqual(['garbage 5', 'frame 1103006b0003'])
  })

  it('end with a second of silence, with a foreign character and without a line feed', () => {
    expect(heard(':110300', 1001, '6B00037E\r\n')).toEqual(['garbage 7', ...Array(10).fill('garbage 1')])
    expect(heard(':110300', 900, '6B00037E\r\n')).toEqual(['frame 1103006b0003'])
    expect(heard(':11030x')).toEqual(['garbage 6', 'garbage 1'])
    expect(heard(':1103006B00037E\rX')).toEqual(['garbage 15', 'garbage 1'])
  })

  it('of no whole bytes, or of too many, are none', () => {
    expect(heard(':11030\r\n')[0]).toMatch(/garbage/)
    expect(heard(':\r\n')[0]).toMatch(/garbage/)
    expect(heard(`:${'00'.repeat(300)}\r\n`).every((line) => line.startsWith('garbage'))).toBe(true)
  })

  it('may have anything in the eighth bit', () => {
    const text = [...':1103006B00037E\r\n'].map((one) => String.fromCharCode(one.charCodeAt(0) | 0x80)).join('')
    expect(heard(text)).toEqual(['frame 1103006b0003'])
  })
})

class AsciiLine {
  readonly clock = new ManualClock()
  readonly wire: SimulatedWire
  readonly memory = filled(3)
  readonly station = new Station({ unit: 3, memory: this.memory })
  readonly spoken = new AsciiStation(this.station, { lower: true })
  readonly driver

  constructor(options: { keys?: object; echo?: boolean } = {}) {
    this.wire = new SimulatedWire({ clock: this.clock, echo: options.echo ?? false })
    this.wire.attach(this.spoken)
    const board = new SimulatedBoard({ wires: { 'rs485-1': this.wire } })
    this.driver = driverOf(ascii({ ...options.keys }), { clock: this.clock, board })
  }

  async start(): Promise<this> {
    await this.driver.start()
    await this.clock.advance(20)
    return this
  }

  read(group = registers(3, 10, 5)) {
    return settled(this.clock, readGroup(this.driver, group))
  }
}

describe('a line of Modbus ASCII', () => {
  it('asks again at once when an answer was damaged, and never takes it', async () => {
    const line = await new AsciiLine().start()
    let damaged = 0
    line.spoken.alter = (text) => (damaged++ === 0 ? text.replace('0bc2', '0bc3') : text)
    const { values } = await line.read()
    expect(values).toEqual([3010, 3011, 3012, 3013, 3014])
    expect(damaged).toBe(2)
    expect(line.driver.counters()).toMatchObject({ crcErrors: 1, retries: 1, timeouts: 0 })
  })

  it('is bad when its answers stay damaged', async () => {
    const line = await new AsciiLine().start()
    line.spoken.alter = (text) => text.replace('0bc2', '0bc3')
    expect((await line.read()).fault).toMatchObject({ reason: Reason.badFrame })
  })

  it('strips its own echo', async () => {
    const line = await new AsciiLine({ echo: true }).start()
    expect((await line.read()).values).toEqual([3010, 3011, 3012, 3013, 3014])
    expect(line.driver.counters().echoes).toBe(1)
  })

  it('reads the longest answer within its time at 1200 baud', async () => {
    const clock = new ManualClock()
    const wire = new SimulatedWire({ clock, baudRate: 1200 })
    wire.attach(new AsciiStation(new Station({ unit: 3, memory: filled(3), turnaroundMs: 900 })))
    const board = new SimulatedBoard({ wires: { 'rs485-1': wire } })
    const driver = driverOf(ascii({ baudRate: 1200, timeout: '1s' }), { clock, board })
    await driver.start()
    await clock.advance(20)
    const { values } = await settled(clock, readGroup(driver, registers(3, 0, 125)))
    expect(values[124]).toBe(3124)
    expect(driver.counters().timeouts).toBe(0)
  })

  it('writes, and plans with what a byte costs there', async () => {
    const line = await new AsciiLine().start()
    const { device, tags } = named(groupOf([{ address: 'holding:7', type: 'uint16' }], { device: { unitId: 3 } }), 3)
    await settled(line.clock, line.driver.write(device, tags[0]!, 42, ALWAYS))
    expect(line.memory.get('holding', 7)).toBe(42)
    const [request] = line.driver.plan(registers(3, 0, 10))
    // 17 characters of question, 51 of answer, 10 bits each at 9600 baud, and the time to think.
    expect(request!.wireMs).toBeCloseTo((17 + 51) * (10_000 / 9600) + 5, 5)
  })
})
