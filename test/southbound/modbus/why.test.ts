/** Every branch of "why doesn't it answer?", on the simulated wire and on loopback sockets. */
import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { RegisterMap, Station, seal } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import type { GroupPlan } from '../../../src/contracts/driver.ts'
import type { Diagnosis, Errand, Inquiry } from '../../../src/contracts/errand.ts'
import { Lane } from '../../../src/schedule/lane.ts'
import type { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { groupOf, rtu, tcp } from './configured.ts'
import { ALWAYS, driverOf, filled, Line, named, registers, settled } from './rig.ts'
import { adu, goodAnswer, SlaveSocket } from './slave-socket.ts'

function inquiry(group: GroupPlan, more: Partial<Inquiry> = {}): Inquiry {
  return {
    device: group.device,
    groups: [group],
    neighbours: [],
    mayAsk: true,
    attendance: { answers: null, text: 'not asked yet' },
    ...more,
  }
}

function errand(driver: ModbusDriver, clock: SystemClock | Line['clock'], lines: string[]): Errand {
  const lane = new Lane({ clock, inFlight: driver.inFlight })
  return { turn: (work) => lane.errand(work), say: (line) => lines.push(line), signal: ALWAYS }
}

async function line(options: ConstructorParameters<typeof Line>[0] = {}): Promise<Line> {
  const made = new Line(options)
  await made.start()
  return made
}

/** Whatever it comes to, each step was told, and it ends with one sentence and one action. */
async function why(rig: Line, asked: Inquiry, driver = rig.driver): Promise<Diagnosis> {
  const lines: string[] = []
  const found = await settled(rig.clock, driver.why(asked, errand(driver, rig.clock, lines)))
  expect(lines).toEqual(found.steps.map(({ question, finding }) => `${question} ${finding}`))
  expect(found.sentence.length).toBeGreaterThan(20)
  expect(found.action).toMatch(/\.$/)
  return found
}

const three = (keys: Record<string, unknown> = {}): GroupPlan => registers(3, 10, 3, { timeout: '500ms', ...keys })
const four = registers(4, 0, 1, { timeout: '500ms' }).device

/** A driver on a wire of its own. */
async function onWire(rig: Line, wire: SimulatedWire, keys: Record<string, unknown> = {}): Promise<ModbusDriver> {
  const board = new SimulatedBoard({ wires: { 'rs485-1': wire } })
  const driver = driverOf(rtu(keys), { clock: rig.clock, board })
  await driver.start()
  await rig.clock.advance(20)
  return driver
}

describe('why, on a serial line', () => {
  test('answers: nothing is wrong', async () => {
    const rig = await line()
    const found = await why(rig, inquiry(three()))
    expect(found.branch).toBe('answers')
    expect(found.steps.map(({ question }) => question)).toEqual([
      'is the port there and free?',
      'did our question leave?',
      'did anything come back?',
      'does it know all that is asked of it?',
      'do its values make sense?',
    ])
  })

  test('switched off', async () => {
    const rig = await line()
    const group = three()
    const found = await why(rig, inquiry({ ...group, device: { ...group.device, enabled: false } }))
    expect(found).toMatchObject({ branch: 'switched off', action: expect.stringContaining('enabled: false') })
  })

  test('door shut: nothing is sent, and what polling has shown is told', async () => {
    const rig = await line()
    const next = rig.driver.trace.next
    const attendance = { answers: false, text: 'no answer within 1 s' }
    const found = await why(rig, inquiry(three(), { mayAsk: false, attendance }))
    expect(found.branch).toBe('door shut')
    expect(found.sentence).toContain('no answer within 1 s')
    expect(rig.driver.trace.next).toBe(next)
  })

  test('port missing', async () => {
    const rig = await line()
    rig.wire.unplug()
    await rig.clock.advance(20)
    const found = await why(rig, inquiry(three()))
    expect(found).toMatchObject({ branch: 'port missing', action: expect.stringMatching(/Plug the adapter in/) })
  })

  test('device dead: its neighbours answer', async () => {
    const rig = await line()
    rig.stations[3].silent = true
    const found = await why(rig, inquiry(three(), { neighbours: [four] }))
    expect(found).toMatchObject({
      branch: 'device dead',
      sentence: 'nothing comes from unit-3 (unit 3), while unit-4 on the same line answers',
      action: 'Check the power of unit-3, its unit id, and its own branch of the wiring.',
    })
    expect(found.steps).toContainEqual({ question: 'did anything come back?', finding: 'not one byte' })
  })

  test('unit id: another one answers that nobody configured', async () => {
    const rig = await line()
    rig.stations[3].silent = true
    const found = await why(rig, inquiry(three()))
    expect(found).toMatchObject({ branch: 'unit id', action: expect.stringContaining('unitId: 4') })
  })

  test('line dead: A and B swapped, or no power', async () => {
    const rig = await line()
    rig.stations[3].silent = true
    rig.stations[4].silent = true
    const found = await why(rig, inquiry(three(), { neighbours: [four] }))
    expect(found).toMatchObject({ branch: 'line dead', action: expect.stringMatching(/^Swap A and B/) })
  })

  test('baud or parity: it answers at other settings, which are tried', async () => {
    const rig = await line()
    const wire = new SimulatedWire({ clock: rig.clock, baudRate: 19_200, parity: 'even' })
    wire.attach(new Station({ unit: 3, memory: filled(3) }))
    const driver = await onWire(rig, wire)
    const found = await why(rig, inquiry(three()), driver)
    expect(found).toMatchObject({
      branch: 'baud or parity',
      action: 'Set rs485-1 to 19200 8E1, or the device to 9600 8N1.',
    })
    await rig.clock.advance(20)
    expect(driver.state().text).toBe('rs485-1 open, 9600 8N1')
  })

  test('noise: bytes come, and nobody’s are whole', async () => {
    const rig = await line()
    await rig.read(three())
    for (const station of Object.values(rig.stations)) {
      station.alter = (frame) => frame.map((byte, at) => (at === 4 ? byte ^ 0x10 : byte))
    }
    const found = await why(rig, inquiry(three(), { neighbours: [four] }))
    expect(found).toMatchObject({ branch: 'noise', action: expect.stringContaining('120 Ω') })
  })

  test('two devices share it: only one id comes damaged', async () => {
    const rig = await line()
    await rig.read(three())
    rig.wire.attach(new Station({ unit: 3, memory: filled(9) }))
    const found = await why(rig, inquiry(three(), { neighbours: [four] }))
    expect(found).toMatchObject({
      branch: 'two devices share it',
      action: expect.stringMatching(/another device has its id/),
    })
  })

  test('two masters: questions of somebody else are heard, and answers come damaged', async () => {
    const rig = await line({ keys: { retries: 0 } })
    await rig.read(three())
    rig.stations[3].alter = (frame) => {
      // Somebody else's question to unit 9 stands before what is left of the answer.
      const question = seal(9, Uint8Array.of(3, 0, 1, 0, 1))
      return Uint8Array.from([...question, ...frame.map((byte, at) => (at === 4 ? byte ^ 0x10 : byte))])
    }
    const found = await why(rig, inquiry(three()))
    expect(found).toMatchObject({ branch: 'two masters', action: expect.stringContaining('masters: shared') })
  })

  test('impostor: another unit answers in its place', async () => {
    const rig = await line()
    await rig.read(three())
    rig.stations[3].alter = (frame) => seal(8, frame.subarray(1, frame.length - 2))
    const found = await why(rig, inquiry(three()))
    expect(found).toMatchObject({ branch: 'impostor', action: expect.stringContaining('unitId: 8') })
  })

  test('off by one: the address before is answered', async () => {
    const rig = await line()
    rig.wire.attach(new Station({ unit: 5, memory: new RegisterMap().set('holding', 99, 230) }))
    const found = await why(rig, inquiry(registers(5, 100, 1)))
    expect(found).toMatchObject({ branch: 'off by one', action: expect.stringContaining('40100') })
    expect(found.sentence).toContain('has no such address for t0 (exception 2), but answers 40100')
  })

  test('other area: 3x instead of 4x', async () => {
    const rig = await line()
    rig.wire.attach(new Station({ unit: 5, memory: new RegisterMap().set('input', 100, 230) }))
    const found = await why(rig, inquiry(registers(5, 100, 1)))
    expect(found).toMatchObject({ branch: 'other area', action: expect.stringContaining('30101') })
  })

  test('no such address: which tags it is, and nothing near is answered', async () => {
    const rig = await line()
    rig.wire.attach(new Station({ unit: 5, memory: new RegisterMap().set('holding', 100, 230) }))
    const tags = ['holding:100', 'holding:103'].map((address) => ({ address, type: 'uint16' }))
    const found = await why(rig, inquiry(named(groupOf(tags, { device: { unitId: 5, timeout: '1s' } }), 5)))
    expect(found).toMatchObject({ branch: 'no such address', sentence: expect.stringContaining('t1') })
  })

  test('too much at once: each tag alone is answered', async () => {
    const rig = await line()
    const map = filled(5)
    const memory = {
      read: (...[area, address, quantity]: Parameters<RegisterMap['read']>) =>
        quantity > 4 ? 3 : map.read(area, address, quantity),
      write: () => 1,
    }
    rig.wire.attach(new Station({ unit: 5, memory }))
    const found = await why(rig, inquiry(registers(5, 0, 8)))
    expect(found).toMatchObject({ branch: 'too much at once', action: expect.stringContaining('maxRegisters') })
  })

  test('device fault: it fails by itself', async () => {
    const rig = await line()
    rig.wire.attach(new Station({ unit: 5, memory: { read: () => 4, write: () => 4 } }))
    expect((await why(rig, inquiry(registers(5, 0, 1)))).branch).toBe('device fault')
  })

  test('gateway path and gateway target: the serial side of a remote gateway', async () => {
    const rig = await line()
    rig.wire.attach(new Station({ unit: 5, memory: { read: () => 10, write: () => 10 } }))
    rig.wire.attach(new Station({ unit: 6, memory: { read: () => 11, write: () => 11 } }))
    expect((await why(rig, inquiry(registers(5, 0, 1)))).branch).toBe('gateway path')
    const found = await why(rig, inquiry(registers(6, 0, 1)))
    expect(found).toMatchObject({ branch: 'gateway target', action: expect.stringContaining('serial side') })
  })

  test('odd value: another order of its bytes makes sense', async () => {
    const rig = await line()
    const view = new DataView(new ArrayBuffer(4))
    view.setFloat32(0, 230.1)
    const words = [view.getUint16(2), view.getUint16(0)]
    rig.wire.attach(new Station({ unit: 5, memory: new RegisterMap().set('holding', 0, ...words) }))
    const group = groupOf([{ address: 'holding:0', type: 'float32' }], { device: { unitId: 5, timeout: '1s' } })
    const found = await why(rig, inquiry(named(group, 5)))
    expect(found).toMatchObject({ branch: 'odd value', action: expect.stringContaining('order: CDAB') })
    expect(found.sentence).toContain('230.1')
  })
})

describe('why, over TCP', () => {
  const doors: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const shut of doors.splice(0).reverse()) await shut()
  })

  async function over(keys: Record<string, unknown>, more: Partial<Inquiry> = {}): Promise<Diagnosis> {
    const clock = new SystemClock()
    const driver = driverOf(tcp(keys), { clock, board: new SimulatedBoard({ wires: {} }) })
    doors.push(() => driver.stop())
    await driver.start()
    return driver.why(inquiry(registers(3, 0, 1, { timeout: '60ms' }), more), errand(driver, clock, []))
  }

  test('refused: nothing listens there', async () => {
    const server = createServer()
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    )
    await new Promise((resolve) => server.close(resolve))
    const found = await over({ host: '127.0.0.1', port })
    expect(found).toMatchObject({ branch: 'refused', action: expect.stringContaining('Modbus TCP is switched on') })
  })

  test('name unknown', async () => {
    expect((await over({ host: 'plc.invalid' })).branch).toBe('name unknown')
  })

  test('unit silent: it connects, and nobody answers', async () => {
    const slave = await SlaveSocket.listen()
    doors.push(() => slave.close())
    const found = await over({ host: '127.0.0.1', port: slave.port })
    expect(found).toMatchObject({ branch: 'unit silent', action: expect.stringContaining('1, 0 or 255') })
  })

  test('unit id: another unit answers there', async () => {
    const slave = await SlaveSocket.listen((question) => {
      if (question.unit === 1) question.socket.write(goodAnswer(question))
    })
    doors.push(() => slave.close())
    const found = await over({ host: '127.0.0.1', port: slave.port })
    expect(found).toMatchObject({ branch: 'unit id', action: expect.stringContaining('unitId: 1') })
  })

  test('device dead: its neighbours behind the gateway answer', async () => {
    const slave = await SlaveSocket.listen((question) => {
      if (question.unit === 4) question.socket.write(goodAnswer(question))
    })
    doors.push(() => slave.close())
    const found = await over({ host: '127.0.0.1', port: slave.port }, { neighbours: [four] })
    expect(found.branch).toBe('device dead')
    expect(found.sentence).toContain('unit-4 on the same connection answers')
  })

  test('gateway target: the far gateway says that nobody answers it', async () => {
    const slave = await SlaveSocket.listen(({ transaction, unit, socket }) => {
      socket.write(adu(transaction, unit, Uint8Array.of(0x83, 11)))
    })
    doors.push(() => slave.close())
    expect((await over({ host: '127.0.0.1', port: slave.port })).branch).toBe('gateway target')
  })
})
