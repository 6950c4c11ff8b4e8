/** The measure of a Modbus client: an answer is never given to another question than its own, however late it comes. Each
 *  answer carries its unit, its address, and how many questions the device had heard: an older answer is told from a newer
 *  one even where both answer the same question. */
import { afterEach, describe, expect, test } from 'vitest'
import { seeded } from '../../../hal/simulated/random.ts'
import { type Memory, Station } from '../../../hal/simulated/station.ts'
import { BatchBuilder, Reason } from '../../../src/contracts/batch.ts'
import { Retryable } from '../../../src/contracts/errors.ts'
import type { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { ManualClock } from '../../../src/time/manual-clock.ts'
import { tcp } from './configured.ts'
import { rtuOverTcp } from './over-tcp.ts'
import { ALWAYS, driverOf, Line, readRequest, registers, settled } from './rig.ts'
import { adu, type Question, SlaveSocket } from './slave-socket.ts'

const READS = 10_000
const TIMEOUT_MS = 40
const UNITS = [3, 4] as const
const KEYS = { timeout: `${TIMEOUT_MS}ms`, retries: 0 }
const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Register n of unit u holds 1000 × u + n, and the one behind it how many questions the unit has heard. */
class Numbered implements Memory {
  heard = 0
  readonly #unit: number

  constructor(unit: number) {
    this.#unit = unit
  }

  read(_: unknown, address: number, quantity: number): number[] {
    this.heard++
    return [1000 * this.#unit + address, this.heard & 0xffff, 0, 0].slice(0, quantity)
  }

  write(): number {
    return 4
  }
}

/** Around the timeout: before it, a bit before, at it, a bit after, after the next request, beyond every window; or never. */
function turnaround(random: () => number, timeoutMs = TIMEOUT_MS): number {
  const chance = random()
  if (chance < 0.6) return 4
  if (chance < 0.68) return timeoutMs - 3 * random()
  if (chance < 0.76) return timeoutMs + random() - 0.5
  if (chance < 0.84) return timeoutMs + 5 * random()
  if (chance < 0.94) return timeoutMs * (1 + 2.5 * random())
  return timeoutMs * (3 + 6 * random())
}

class Score {
  answered = 0
  faults = 0
  readonly wrong: string[] = []
  readonly memories: Readonly<Record<number, Numbered>>

  constructor(memories: Readonly<Record<number, Numbered>>) {
    this.memories = memories
  }

  /** One read of a register of a unit; what it finds was heard of after it began. */
  async read(driver: ModbusDriver, random: () => number, wait: typeof direct = direct): Promise<void> {
    const unit = UNITS[random() < 0.5 ? 0 : 1]
    // Few enough that the same is often asked again.
    const address = 5 * Math.floor(random() * 6)
    const before = this.memories[unit]!.heard
    const [request] = driver.plan(registers(unit, address, 4, KEYS))
    const { fault, values } = await wait(readRequest(driver, request!))
    if (fault !== undefined) {
      expect(fault).toBeInstanceOf(Retryable)
      this.faults++
      return
    }
    this.answered++
    const [first, heard] = values as [number, number]
    if (first !== 1000 * unit + address) this.wrong.push(`asked unit ${unit} for ${address}: ${first}`)
    else if (((heard - before) & 0xffff) > 0x7fff || heard === (before & 0xffff)) {
      this.wrong.push(`asked unit ${unit} for ${address} after ${before}: an answer to question ${heard}`)
    }
  }
}

function direct<T>(outcome: Promise<T>): Promise<T> {
  return outcome
}

function numbered(): Readonly<Record<3 | 4, Numbered>> {
  return { 3: new Numbered(3), 4: new Numbered(4) }
}

describe(`an answer is never another question's, in ${READS} reads`, () => {
  test.each([
    ['a quiet line', 1, false],
    ['a noisy line', 2, true],
  ])('on %s of two units (seed %i)', async (_, seed, noisy) => {
    const random = seeded(seed)
    const rig = new Line({ seed, keys: KEYS })
    const memories = numbered()
    for (const unit of UNITS) {
      const station = rig.stations[unit]
      Object.assign(station, { memory: memories[unit], turnaroundMs: () => turnaround(random) })
      station.alter = (frame) => (random() < 0.05 ? null : frame)
    }
    if (noisy) {
      rig.wire.noise = {
        flippedBits: 0.002,
        lostBytes: 0.001,
        strayBytes: 0.02,
        extraBytes: 0.001,
        burstsPerSecond: 0.2,
      }
    }
    await rig.start()
    const score = new Score(memories)
    for (let read = 0; read < READS; read++) {
      await score.read(rig.driver, random, (outcome) => settled(rig.clock, outcome))
      if (random() < 0.3) await rig.clock.advance(random() * 30)
    }
    expect(score.wrong).toEqual([])
    expect(score.answered).toBeGreaterThan(READS / 3)
    expect(score.faults).toBeGreaterThan(READS / 10)
    expect(rig.counter('lateReplies')).toBeGreaterThan(READS / 20)
    expect(rig.counter('clearingReads')).toBeGreaterThan(READS / 20)
    if (noisy) expect(rig.counter('crcErrors')).toBeGreaterThan(50)
  })

  test('over TCP, eight under way', async () => {
    const random = seeded(3)
    const clock = new ManualClock()
    const memories = numbered()
    const slave = await SlaveSocket.listen((question: Question) => {
      const { unit, pdu, transaction, socket } = question
      const values = memories[unit as 3 | 4].read(null, pdu.readUInt16BE(1), 4)
      const bytes = values.flatMap((value) => [value >> 8, value & 0xff])
      const answer = adu(transaction, unit, Uint8Array.of(3, bytes.length, ...bytes))
      if (random() < 0.05) return
      clock.after(turnaround(random), () => socket.destroyed || socket.write(answer))
    })
    const driver = driverOf(tcp({ host: '127.0.0.1', port: slave.port, inFlight: 8, ...KEYS }), { clock })
    closing.push(
      () => slave.close(),
      () => driver.stop(),
    )
    await driver.start()
    await slave.connected(1)
    const score = new Score(memories)
    await finished(clock, async () => {
      let left = READS
      const reader = async (): Promise<void> => {
        while (left-- > 0) await score.read(driver, random)
      }
      await Promise.all(Array.from({ length: 8 }, reader))
    })
    expect(score.wrong).toEqual([])
    expect(score.answered).toBeGreaterThan(READS / 3)
    expect(score.faults).toBeGreaterThan(READS / 10)
    expect(driver.counters().lateReplies).toBeGreaterThan(READS / 20)
    expect(driver.counters()).toMatchObject({ disconnects: 0, foreignTransactions: 0 })
  })

  test('through a converter: a timeout closes the connection, and what comes late to the next one is not taken', async () => {
    const random = seeded(4)
    const clock = new ManualClock()
    const memories = numbered()
    const stations = UNITS.map((unit) => new Station({ unit, memory: memories[unit] }))
    const rig = await rtuOverTcp({ clock, stations, delayMs: () => turnaround(random) })
    closing.push(() => rig.close())
    const score = new Score(memories)
    await finished(clock, async () => {
      for (let read = 0; read < READS; read++) await score.read(rig.driver, random)
    })
    expect(score.wrong).toEqual([])
    expect(score.answered).toBeGreaterThan(READS / 3)
    expect(score.faults).toBeGreaterThan(READS / 10)
    const { disconnects, timeouts, lateReplies, clearingReads } = rig.driver.counters()
    expect(disconnects).toBe(timeouts)
    expect(lateReplies).toBeGreaterThan(READS / 20)
    expect(clearingReads).toBeGreaterThan(READS / 20)
  })
})

/** Moves time a millisecond a turn of the event loop, so that sockets get theirs between. */
async function finished(clock: ManualClock, act: () => Promise<void>): Promise<void> {
  let done = false
  const acting = act().finally(() => {
    done = true
  })
  while (!done) await clock.advance(1)
  await acting
}

describe('beyond the window', () => {
  test('a device that always answers later than three timeouts is never believed', async () => {
    const rig = new Line({ keys: KEYS })
    rig.stations[3].turnaroundMs = 3.6 * TIMEOUT_MS
    await rig.start()
    for (let read = 0; read < 50; read++) {
      const { fault } = await rig.read(registers(3, 5 * (read % 10), 4, KEYS))
      expect((fault as Retryable).reason).toBe(Reason.timeout)
    }
    expect(rig.counter('lateReplies') + rig.counter('doubtfulReplies')).toBeGreaterThan(20)
    rig.stations[3].turnaroundMs = 5
    await rig.clock.advance(3000)
    expect((await rig.read(registers(3, 20, 4, KEYS))).values).toEqual([3020, 3021, 3022, 3023])
  })

  test('one register cannot be asked for in parts: it is asked twice, and the second answer counts', async () => {
    const rig = new Line({ keys: KEYS })
    rig.stations[3].turnaroundMs = 3.6 * TIMEOUT_MS
    await rig.start()
    await rig.read(registers(3, 7, 1, KEYS))
    rig.stations[3].turnaroundMs = 5
    expect((await rig.read(registers(3, 9, 1, KEYS))).values).toEqual([3009])
    expect((await rig.read(registers(3, 11, 1, KEYS))).values).toEqual([3011])
    expect(rig.counter('doubtfulReplies')).toBe(1)
  })

  test('a unit that had only fallen silent is read again at the first try', async () => {
    const rig = new Line({ keys: KEYS })
    await rig.start()
    rig.stations[3].silent = true
    await rig.read(registers(3, 0, 4, KEYS))
    rig.stations[3].silent = false
    expect((await rig.read(registers(3, 0, 4, KEYS))).values).toEqual([3000, 3001, 3002, 3003])
    expect(rig.counter('clearingReads')).toBe(1)
    expect((await rig.read(registers(3, 0, 4, KEYS))).values).toEqual([3000, 3001, 3002, 3003])
    expect(rig.counter('clearingReads')).toBe(1)
  })

  test('a write is not confirmed by what confirms an older one', async () => {
    const rig = new Line({ keys: KEYS })
    await rig.start()
    await rig.read(registers(3, 0, 1, KEYS))
    const confirmed: number[] = []
    const poke = (value: number) => rig.driver.poke(['3', 'holding:5', 'uint16', String(value)], ALWAYS)
    rig.stations[3].turnaroundMs = 3.6 * TIMEOUT_MS
    await expect(settled(rig.clock, poke(1))).rejects.toThrow(/unknown/)
    rig.stations[3].turnaroundMs = 5
    rig.stations[3].alter = (frame) => {
      if (frame[1] === 6) confirmed.push(frame[5]!)
      return frame
    }
    await settled(rig.clock, poke(2))
    expect(confirmed).toEqual([2])
    expect(rig.memories[3].get('holding', 5)).toBe(2)
  })
})

test('the window has an end: a unit that stays silent is asked again after it', async () => {
  const rig = new Line({ keys: { retries: 0 } })
  await rig.start()
  rig.stations[3].silent = true
  const group = registers(3, 0, 2, { retries: 0 })
  const first = await rig.read(group)
  expect((first.fault as Retryable).reason).toBe(Reason.timeout)
  rig.stations[3].silent = false
  const before = rig.clock.monotonic()
  const into = new BatchBuilder(group.ref)
  await settled(rig.clock, rig.driver.read(rig.driver.plan(group)[0]!, into, ALWAYS))
  expect(rig.clock.monotonic() - before).toBeGreaterThan(1990)
  expect(rig.clock.monotonic() - before).toBeLessThan(2100)
  expect([...into.numbers]).toEqual([3000, 3001])
})
