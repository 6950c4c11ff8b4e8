/** The measure of a Modbus client: an answer is never given to another question than its own, however late it comes. */
import { afterEach, describe, expect, test } from 'vitest'
import { seeded } from '../../../hal/simulated/random.ts'
import { BatchBuilder, Reason } from '../../../src/contracts/batch.ts'
import { Retryable } from '../../../src/contracts/errors.ts'
import type { ModbusDriver } from '../../../src/southbound/modbus/driver.ts'
import { SystemClock } from '../../../src/time/system-clock.ts'
import { tcp } from './configured.ts'
import { rtuOverTcp } from './over-tcp.ts'
import { ALWAYS, driverOf, Line, readRequest, registers, settled } from './rig.ts'
import { goodAnswer, type Question, SlaveSocket } from './slave-socket.ts'

const READS = 2000
const TIMEOUT_MS = 40
const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Reads two registers of unit 3 or 4, and whether what came is what stands there. */
interface Score {
  answered: number
  faults: number
  wrong: string[]
}

function judge(score: Score, unit: number, from: number, outcome: Awaited<ReturnType<typeof readRequest>>): void {
  if (outcome.fault !== undefined) {
    expect(outcome.fault).toBeInstanceOf(Retryable)
    score.faults++
    return
  }
  score.answered++
  const [first, second] = outcome.values
  const right = first === 1000 * unit + from && second === 1000 * unit + from + 1
  if (!right) score.wrong.push(`asked unit ${unit} for ${from}: ${first}, ${second}`)
}

describe(`a late answer in ${READS} reads`, () => {
  test.each([1, 2])('on a noisy line of two units (seed %i)', async (seed) => {
    const random = seeded(seed)
    const rig = new Line({ seed, keys: { timeout: `${TIMEOUT_MS}ms` } })
    // Most answers come in time; the rest anywhere up to the end of the late window, or not at all.
    const late = (): number => (random() < 0.7 ? 4 : 4 + random() * 2.4 * TIMEOUT_MS)
    rig.stations[3].turnaroundMs = late
    rig.stations[4].turnaroundMs = late
    rig.stations[3].alter = (frame) => (random() < 0.05 ? null : frame)
    rig.wire.noise = { flippedBits: 0.002, lostBytes: 0.001, strayBytes: 0.02 }
    await rig.start()
    const score: Score = { answered: 0, faults: 0, wrong: [] }
    const keys = { timeout: `${TIMEOUT_MS}ms` }
    const plans = Array.from({ length: 40 }, (_, at) => registers(3 + (at % 2), at * 4, 2, keys))
    const requests = plans.map((plan) => rig.driver.plan(plan)[0]!)
    for (let read = 0; read < READS; read++) {
      const at = Math.floor(random() * requests.length)
      const reading = readRequest(rig.driver, requests[at]!)
      judge(score, 3 + (at % 2), at * 4, await settled(rig.clock, reading))
      if (random() < 0.3) await rig.clock.advance(random() * 30)
    }
    expect(score.wrong).toEqual([])
    expect(score.answered).toBeGreaterThan(READS / 2)
    expect(score.faults).toBeGreaterThan(20)
    expect(rig.counter('lateReplies')).toBeGreaterThan(50)
    expect(rig.counter('crcErrors')).toBeGreaterThan(5)
  })

  test('over TCP, eight under way', async () => {
    const random = seeded(3)
    const clock = new SystemClock()
    const slave = await SlaveSocket.listen((question: Question) => {
      const chance = random()
      const answer = goodAnswer(question)
      if (chance < 0.6) question.socket.write(answer)
      else if (chance < 0.95)
        clock.after(random() * 30, () => question.socket.destroyed || question.socket.write(answer))
    })
    const keys = { timeout: '10ms', retries: 0 }
    const driver: ModbusDriver = driverOf(tcp({ host: '127.0.0.1', port: slave.port, inFlight: 8, ...keys }), { clock })
    closing.push(
      () => slave.close(),
      () => driver.stop(),
    )
    await driver.start()
    await slave.connected(1)
    const requests = Array.from({ length: 40 }, (_, at) => driver.plan(registers(3 + (at % 2), at * 4, 2, keys))[0]!)
    const score: Score = { answered: 0, faults: 0, wrong: [] }
    let left = READS
    const reader = async (): Promise<void> => {
      while (left-- > 0) {
        const at = Math.floor(random() * requests.length)
        judge(score, 3 + (at % 2), at * 4, await readRequest(driver, requests[at]!))
      }
    }
    await Promise.all(Array.from({ length: 8 }, reader))
    expect(score.wrong).toEqual([])
    expect(score.answered).toBeGreaterThan(READS / 2)
    expect(score.faults).toBeGreaterThan(100)
    expect(driver.counters().lateReplies).toBeGreaterThan(50)
  })

  test('through a converter: a timeout closes the connection, and what comes late is not taken', async () => {
    const rig = await rtuOverTcp()
    closing.push(() => rig.close())
    const score: Score = { answered: 0, faults: 0, wrong: [] }
    const random = seeded(4)
    rig.delayMs = () => (random() < 0.8 ? 0 : random() * 25)
    for (let read = 0; read < 200; read++) {
      const at = Math.floor(random() * 40)
      const group = registers(3 + (at % 2), at * 4, 2, { timeout: '10ms', retries: 0 })
      judge(score, 3 + (at % 2), at * 4, await readRequest(rig.driver, rig.driver.plan(group)[0]!))
    }
    expect(score.wrong).toEqual([])
    expect(score.faults).toBeGreaterThan(5)
    expect(rig.driver.counters().disconnects).toBeGreaterThan(5)
    expect(rig.driver.counters().disconnects).toBe(rig.driver.counters().timeouts)
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
