import { afterEach, describe, expect, test } from 'vitest'
import { SimulatedBoard } from '../../../hal/simulated/board.ts'
import { RegisterMap, Station } from '../../../hal/simulated/station.ts'
import { SimulatedWire } from '../../../hal/simulated/wire.ts'
import type { Errand, Scan } from '../../../src/contracts/errand.ts'
import { Rejected } from '../../../src/contracts/errors.ts'
import { Lane } from '../../../src/schedule/lane.ts'
import { Poller } from '../../../src/schedule/poller.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { rtu, tcp } from './configured.ts'
import { ALWAYS, driverOf, filled, Line, readGroup, registers, settled } from './rig.ts'
import { adu, goodAnswer, registersOf, SlaveSocket } from './slave-socket.ts'

interface Told {
  readonly report: Scan
  readonly lines: readonly string[]
}

async function scanned(rig: Line, options: Record<string, string> = {}, lane?: Lane): Promise<Told> {
  const lines: string[] = []
  const own = lane ?? new Lane({ clock: rig.clock, inFlight: 1 })
  const report = await settled(rig.clock, rig.driver.scan(options, errand(own, lines)))
  return { report, lines }
}

function errand(lane: Lane, lines: string[]): Errand {
  return { turn: (work) => lane.errand(work), say: (line) => lines.push(line), signal: ALWAYS }
}

async function line(options: ConstructorParameters<typeof Line>[0] = {}): Promise<Line> {
  const made = new Line(options)
  await made.start()
  return made
}

describe('a scan of a serial line', () => {
  test('finds all units and nobody else, says who they are and what they answer, and how long it may take', async () => {
    const rig = await line()
    const { report, lines } = await scanned(rig)
    expect(report.found.map(({ unit }) => unit)).toEqual([3, 4])
    expect(report.asked).toBe(247)
    expect(report.found[0]).toMatchObject({
      line: '9600 8N1',
      trouble: null,
      areas: { holding: 'answers', coil: 'answers' },
    })
    expect(report.text).toBe('2 units answer: 3, 4, at 9600 8N1')
    expect(lines[0]).toBe('asking 247 units from 1 to 247 at 9600 8N1, at most 81 s; polling goes on in between')
    expect(lines).toContainEqual(expect.stringMatching(/^… \d+ of 247 asked, \d found$/))
    expect(report.elapsedMs).toBeLessThan(83_000)
  })

  test('an exception is an answer, too: somebody is there', async () => {
    const rig = await line()
    rig.wire.attach(new Station({ unit: 9, memory: new RegisterMap().set('input', 5, 1) }))
    const { report } = await scanned(rig, { units: '5-10' })
    expect(report.found).toEqual([
      expect.objectContaining({ unit: 9, areas: expect.objectContaining({ holding: 'has some, but not address 0' }) }),
    ])
  })

  test('two devices on one id are somebody in trouble', async () => {
    const rig = await line()
    rig.wire.attach(new Station({ unit: 9, memory: filled(9) }))
    rig.wire.attach(new Station({ unit: 9, memory: filled(10) }))
    const { report } = await scanned(rig, { units: '3,9' })
    expect(report.found.map(({ unit, trouble }) => [unit, trouble])).toEqual([
      [3, null],
      [9, 'all its answers are damaged: do two devices share this id?'],
    ])
  })

  test('nobody is an answer of its own, with what to do about it', async () => {
    const rig = await line()
    rig.stations[3].silent = true
    rig.stations[4].silent = true
    const { report } = await scanned(rig, { units: '1-8' })
    expect(report.found).toEqual([])
    expect(report.text).toMatch(/^nobody answered: check power and wiring .*--baud all/)
  })

  test('polling goes on between the questions', async () => {
    const rig = await line()
    const lane = new Lane({ clock: rig.clock, inFlight: 1 })
    const batches: number[] = []
    const emit = (): void => void batches.push(rig.clock.monotonic())
    const poller = new Poller({ clock: rig.clock, driver: rig.driver, lane, emit })
    poller.configure([registers(3, 0, 4)])
    poller.start()
    const before = rig.clock.monotonic()
    await scanned(rig, { units: '100-139' }, lane)
    const seconds = (rig.clock.monotonic() - before) / 1000
    expect(seconds).toBeGreaterThan(12)
    expect(batches.length).toBeGreaterThanOrEqual(Math.floor(seconds) - 1)
    poller.stop()
    await lane.stop()
  })

  test('finds the settings of the line, and puts it back as it was', async () => {
    const rig = await line()
    const wire = new SimulatedWire({ clock: rig.clock, baudRate: 19_200, parity: 'even' })
    wire.attach(new Station({ unit: 7, memory: filled(7) }))
    const board = new SimulatedBoard({ wires: { 'rs485-1': wire } })
    const driver = driverOf(rtu(), { clock: rig.clock, board })
    await driver.start()
    await rig.clock.advance(20)
    const lines: string[] = []
    const own = errand(new Lane({ clock: rig.clock, inFlight: 1 }), lines)
    const wish = { units: '5-8', baud: '9600,19200', parity: 'none,even' }
    const report = await settled(rig.clock, driver.scan(wish, own))
    expect(report.found.map(({ unit, line }) => [unit, line])).toEqual([[7, '19200 8E1']])
    expect(report.asked).toBe(16)
    expect(lines[1]).toBe('the port is opened with these settings by turns: polling is paused for up to 5 s at a time')
    expect(lines).toContainEqual(expect.stringMatching(/^9600 8N1: nobody/))
    await rig.clock.advance(20)
    expect(driver.state()).toEqual({ condition: 'fine', text: 'rs485-1 open, 9600 8N1' })
    await settled(rig.clock, driver.stop())
  })

  test('the line is put back when whoever asked leaves in the middle', async () => {
    const rig = await line()
    const leaving = new AbortController()
    const lane = new Lane({ clock: rig.clock, inFlight: 1 })
    const own: Errand = {
      turn: (work) => lane.errand((ending) => work(AbortSignal.any([ending, leaving.signal]))),
      say: () => {},
      signal: leaving.signal,
    }
    const going = rig.driver.scan({ baud: '19200' }, own).catch((thrown) => thrown)
    await rig.clock.advance(2000)
    expect(rig.driver.state().text).toMatch(/^polling is paused/)
    leaving.abort(new Rejected('the caller has left'))
    expect(await settled(rig.clock, going)).toMatchObject({ message: 'the caller has left' })
    await rig.clock.advance(100)
    expect((await rig.read(registers(3, 0, 2))).values).toEqual([3000, 3001])
    expect(rig.driver.state().text).toBe('rs485-1 open, 9600 8N1')
  })

  test.each([
    [{ units: '0-300' }, /--units takes numbers and ranges from 1 to 247/],
    [{ baud: 'fast' }, /--baud takes rates/],
    [{ parity: 'mark' }, /--parity takes/],
    [{ timeout: 'soon' }, /--timeout takes a duration/],
    [{ deep: 'yes' }, /no option "deep"/],
  ])('%j is refused with what would be right', async (options, text) => {
    const rig = await line()
    await expect(scanned(rig, options as unknown as Record<string, string>)).rejects.toThrow(text)
  })
})

test('a line’s settings cannot be scanned over TCP', async () => {
  const clock = new SystemClock()
  const driver = driverOf(tcp(), { clock, board: new SimulatedBoard({ wires: {} }) })
  const lane = new Lane({ clock, inFlight: 1 })
  await expect(driver.scan({ baud: 'all' }, errand(lane, []))).rejects.toThrow(/for a serial line of this box/)
})

test('reading by hand goes on working after a scan', async () => {
  const rig = await line()
  await scanned(rig, { units: '1-5', baud: '9600' })
  expect((await settled(rig.clock, readGroup(rig.driver, registers(4, 1, 1)))).values).toEqual([4001])
})

describe('a scan over TCP', () => {
  const doors: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const shut of doors.splice(0).reverse()) await shut()
  })

  async function scannedOver(slave: SlaveSocket, options: Record<string, string>) {
    const clock = new SystemClock()
    const settings = tcp({ host: '127.0.0.1', port: slave.port })
    const driver = driverOf(settings, { clock, board: new SimulatedBoard({ wires: {} }) })
    doors.push(
      () => slave.close(),
      () => driver.stop(),
    )
    await driver.start()
    const report = await driver.scan(options, errand(new Lane({ clock, inFlight: 1 }), []))
    return { report, driver }
  }

  test('of a gateway that says who does not answer finds those behind it', async () => {
    const slave = await SlaveSocket.listen((question) => {
      const { transaction, unit, pdu, socket } = question
      const here = unit === 2 || unit === 200
      if (here && pdu[0] === 3) socket.write(goodAnswer(question))
      else socket.write(adu(transaction, unit, Uint8Array.of(pdu[0]! | 0x80, here ? 1 : 11)))
    })
    const { report } = await scannedOver(slave, {})
    expect(report.asked).toBe(256)
    expect(report.found.map(({ unit }) => unit)).toEqual([2, 200])
    expect(report.found[0]!.text).toContain(
      'does not say who it is; answers holding registers; input registers: does not',
    )
  })

  test('of many silent units leaves the connection alone', async () => {
    const slave = await SlaveSocket.listen((question) => {
      if (question.unit === 9 && question.pdu[0] === 3) question.socket.write(goodAnswer(question))
    })
    const { report, driver } = await scannedOver(slave, { units: '1-10', timeout: '20ms' })
    expect(report.found.map(({ unit }) => unit)).toEqual([9])
    expect(driver.counters().disconnects).toBe(0)
  })

  test('of a device that does not look at the id ends with that', async () => {
    const slave = await SlaveSocket.listen(({ transaction, unit, pdu, socket }) =>
      socket.write(adu(transaction, unit, registersOf(1, 0, 1, pdu[0]))),
    )
    const { report } = await scannedOver(slave, {})
    expect(report.text).toBe('16 ids in a row are answered alike: this is one device that does not look at the unit id')
    expect(report.asked).toBe(16)
  })
})
