import { describe, expect, it } from 'vitest'
import type { Ports } from '../../../hal/contract.ts'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import type { GroupPlan } from '../../../src/contracts/driver.ts'
import { encodeFrame } from '../../../src/southbound/modbus/frames/rtu-frame.ts'
import { Conversation, type Exchanged } from '../../../src/southbound/modbus/line/conversation.ts'
import { groupOf, rtu } from './configured.ts'
import { ALWAYS, driverOf, Line, named, readGroup, registers } from './rig.ts'

/** A line whose master is one driver, and a second driver that listens to it. */
class Overhearing extends Line {
  sent = 0
  readonly listener = driverOf(rtu({ mode: 'listen' }), { clock: this.clock, board: this.#board() })

  #board(): Ports {
    const board = new SimulatedBoard({ wires: { 'rs485-1': this.wire } })
    return {
      name: board.name,
      serial: (name) => {
        const port = board.serial(name)
        const write = port.write.bind(port)
        port.write = (frame) => {
          this.sent++
          return write(frame)
        }
        return port
      },
    }
  }

  override async start(): Promise<void> {
    await this.listener.start()
    await super.start()
  }

  async heard(group: GroupPlan) {
    return readGroup(this.listener, group)
  }
}

async function overhearing(): Promise<Overhearing> {
  const line = new Overhearing()
  await line.start()
  return line
}

describe('a connection that listens', () => {
  it('has the values that another master read, and never sends a byte', async () => {
    const line = await overhearing()
    await line.read(registers(3, 10, 5))
    const { values, quality } = await line.heard(registers(3, 12, 2))
    expect(values).toEqual([3012, 3013])
    expect(quality).toEqual([Reason.good, Reason.good])
    expect(line.sent).toBe(0)
  })

  it('says bad what was not heard, and keeps what was', async () => {
    const line = await overhearing()
    await line.read(registers(3, 10, 5))
    const { values, quality, fault } = await line.heard(registers(3, 13, 4))
    expect(values.slice(0, 2)).toEqual([3013, 3014])
    expect(quality).toEqual([Reason.good, Reason.good, Reason.timeout, Reason.timeout])
    expect(fault).toBeUndefined()
  })

  it('faults a unit that nobody asks', async () => {
    const line = await overhearing()
    await line.read(registers(3, 10, 5))
    const { fault } = await line.heard(registers(4, 10, 1))
    expect(fault).toMatchObject({ reason: Reason.timeout, message: expect.stringMatching(/nothing heard of unit 4/) })
  })

  it('lets a value go three intervals after it was heard', async () => {
    const line = await overhearing()
    const own = { ...registers(3, 10, 1), everyMs: 1000 }
    await line.read(registers(3, 10, 1))
    await line.clock.advance(2900)
    expect((await line.heard(own)).quality).toEqual([Reason.good])
    await line.clock.advance(200)
    expect((await line.heard(own)).fault).toMatchObject({ reason: Reason.timeout })
  })

  it('never joins a value of two frames', async () => {
    const line = await overhearing()
    const wide = named(groupOf([{ address: 'holding:10', type: 'uint32' }], { device: { unitId: 3 } }), 3)
    await line.read(registers(3, 10, 1))
    await line.read(registers(3, 11, 1))
    expect((await line.heard(wide)).quality).toEqual([Reason.timeout])
    await line.read(registers(3, 10, 2))
    expect((await line.heard(wide)).values).toEqual([3010 * 65536 + 3011])
  })

  it('hears coils, and writes with what they wrote', async () => {
    const line = await overhearing()
    const coils = Array.from({ length: 4 }, (_, at) => ({ address: `coil:${at}` }))
    const group = named(groupOf(coils, { device: { unitId: 3 } }), 3)
    await line.read(group)
    expect((await line.heard(group)).values).toEqual([1, 0, 0, 1])
    const [, tag] = groupOf([{ address: 'coil:0' }, { address: 'holding:20', type: 'uint16' }]).tags
    const plan = group.device
    const write = line.driver.write(plan, tag!, 77, ALWAYS)
    for (let ms = 0; ms < 200; ms++) await line.clock.advance(1)
    await write
    expect((await line.heard(registers(3, 20, 1))).values).toEqual([77])
  })

  it('refuses to ask, to write and to be asked by hand', async () => {
    const line = await overhearing()
    await expect(line.listener.peek(['3', '40001'], ALWAYS)).rejects.toThrow(/only listens/)
    await expect(line.listener.poke(['3', '40001', 'uint16', '1'], ALWAYS)).rejects.toThrow(/only listens/)
    expect(line.sent).toBe(0)
  })

  it('says in its state whether the line is quiet or only not understood', async () => {
    const line = await overhearing()
    await line.read(registers(3, 10, 1))
    expect(line.listener.state()).toMatchObject({ condition: 'fine', text: expect.stringMatching(/1 units? heard/) })
    await line.clock.advance(11_000)
    expect(line.listener.state()).toMatchObject({
      condition: 'degraded',
      text: expect.stringMatching(/nothing is heard/),
    })
  })
})

describe('a conversation', () => {
  const ask = (address: number, quantity = 2, code: 1 | 3 = 3) =>
    encodeFrame({ device: 'd', unit: 9, function: code, address, quantity, timeoutMs: 1 }, null)
  const reply = (...registersGiven: number[]) => {
    const pdu = Uint8Array.of(
      9,
      3,
      registersGiven.length * 2,
      ...registersGiven.flatMap((one) => [one >> 8, one & 255]),
    )
    return withCrc(pdu)
  }
  const heardIn = (...chunks: readonly (Uint8Array | number)[]) => {
    const found: string[] = []
    let [doubtful, now] = [0, 0]
    const conversation = new Conversation({
      windowMs: 1000,
      hearing: {
        exchanged: ({ question, answer }: Exchanged) =>
          found.push(`${(question[1]! << 8) | question[2]!}: ${[...answer.slice(2)].join(' ')}`),
        answered() {},
        questions() {},
        garbage() {},
        doubtful: () => doubtful++,
        frame() {},
      },
    })
    for (const chunk of chunks) {
      if (typeof chunk === 'number') now += chunk
      else conversation.hear(chunk, now)
    }
    return { found, doubtful }
  }

  it('is understood byte by byte', () => {
    const bytes = [...ask(5), ...reply(1, 2)].map((byte) => Uint8Array.of(byte))
    expect(heardIn(...bytes).found).toEqual(['5: 0 1 0 2'])
  })

  it('with a question that is shaped like an answer', () => {
    // Address 0x0305: its high byte reads as three bytes of content.
    expect(heardIn(ask(0x0305), reply(1, 2)).found).toEqual([`${0x0305}: 0 1 0 2`])
    expect(heardIn(ask(0x0305), 300, ask(0x0305), 3000, ask(0x0305), reply(1, 2)).found).toEqual([`${0x0305}: 0 1 0 2`])
  })

  it('takes no answer after a question that was lost to noise', () => {
    const damaged = ask(200)
    damaged[7]! ^= 1
    expect(heardIn(ask(5), damaged, reply(1, 2)).found).toEqual([])
  })

  it('takes no answer that may be a late one to the question before', () => {
    const { found, doubtful } = heardIn(ask(5), 500, ask(200), 10, reply(1, 2), 10, ask(300), 10, reply(3, 4))
    expect(found).toEqual([])
    expect(doubtful).toBe(2)
    expect(heardIn(ask(5), 500, ask(200), 10, reply(1, 2), 2000, ask(300), 10, reply(3, 4)).found).toEqual([
      '300: 0 3 0 4',
    ])
  })

  it('goes on after noise between two exchanges', () => {
    expect(heardIn(ask(5), reply(1, 2), Uint8Array.of(7, 1, 3, 255), ask(6), reply(3, 4)).found).toEqual([
      '5: 0 1 0 2',
      '6: 0 3 0 4',
    ])
  })
})

function withCrc(pdu: Uint8Array): Uint8Array {
  let crc = 0xffff
  for (const byte of pdu) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1
  }
  return Uint8Array.of(...pdu, crc & 255, crc >> 8)
}
