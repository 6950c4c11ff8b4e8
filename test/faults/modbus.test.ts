/** The fault table of Modbus: each row is a test with the row's words, on each way where it applies. After each, the other
 *  device of the connection must have been read as if nothing had happened, and no batch may hold a wrong value. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { SimulatedPort } from '../../hal/simulated/port.ts'
import { seal } from '../../hal/simulated/station.ts'
import { Reason } from '../../src/contracts/batch.ts'
import { Rejected, Retryable } from '../../src/contracts/errors.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { readGroup, registers } from '../southbound/modbus/rig.ts'
import {
  type Plant,
  plantOver,
  REGISTERS,
  type Reply,
  SERIAL,
  SerialPlant,
  type SocketPlant,
  TIMEOUT_MS,
  WAYS,
} from './plant.ts'

const open: Plant[] = []
afterEach(async () => {
  for (const plant of open.splice(0)) await plant.stop()
})

async function polled(way: (typeof WAYS)[number], keys: { connection?: object; device?: object } = {}): Promise<Plant> {
  const plant = await plantOver(way, keys.connection)
  open.push(plant)
  await plant.poll(keys.device)
  await plant.run(100)
  expect(plant.quality(3)).toEqual(all(Reason.good))
  return plant
}

const all = (reason: Reason): readonly Reason[] => Array.from({ length: REGISTERS }, () => reason)

/** The script touches unit 3 alone. */
function disturb(plant: Plant, change: (good: Reply, count: number) => readonly Reply[]): void {
  let count = 0
  plant.script = (question, good) => (question.unit === 3 ? change(good, count++) : [good])
}

/** Some batches of unit 3 had the reason, and the slots that were saved on a silent device say so; nothing else was amiss. */
function onlyFor(plant: Plant, reason: Reason): void {
  const reasons = plant.reasons(3)
  expect(reasons).toContain(reason)
  for (const seen of reasons) expect([Reason.good, reason, Reason.deviceSilent]).toContain(seen)
  expect(plant.quality(3)).not.toEqual(all(Reason.good))
}

function neighbourUntouched(plant: Plant, counter: string): void {
  expect(plant.quality(4)).toEqual(all(Reason.good))
  expect(plant.of(4, counter)).toBe(0)
}

async function recovered(plant: Plant): Promise<void> {
  plant.script = (_, good) => [good]
  await plant.run(3000)
  plant.poller.askAgain('unit-3')
  await plant.run(1500)
  expect(plant.quality(3)).toEqual(all(Reason.good))
  expect(plant.quality(4)).toEqual(all(Reason.good))
}

const exception = (good: Reply, code: number): Reply => ({ ...good, pdu: Uint8Array.of(good.pdu[0]! | 0x80, code) })

describe.each(WAYS)('over %s', (way) => {
  test('a reply after its timeout is never given to another request', async () => {
    const plant = await polled(way)
    disturb(plant, (good) => [{ ...good, afterMs: TIMEOUT_MS + 60 }])
    await plant.run(3000)
    onlyFor(plant, Reason.timeout)
    expect(plant.counter('timeouts')).toBeGreaterThan(0)
    expect(plant.of(3, 'timeouts')).toBe(plant.counter('timeouts'))
    // What comes over a connection that was closed for the timeout reaches nobody.
    if (way !== 'RTU over TCP') expect(plant.counter('lateReplies')).toBeGreaterThan(0)
    neighbourUntouched(plant, 'timeouts')
    await recovered(plant)
  })

  test('a reply from another unit is dropped, the wait goes on', async () => {
    const plant = await polled(way)
    disturb(plant, (good) => [
      { ...good, unit: 9, pdu: Uint8Array.of(3, 8, 1, 1, 2, 2, 3, 3, 4, 4) },
      { ...good, afterMs: 60 },
    ])
    await plant.run(3000)
    expect(plant.quality(3)).toEqual(all(Reason.good))
    expect(plant.counter('foreignUnits')).toBe(3)
    expect(plant.of(3, 'foreignUnits')).toBe(3)
    neighbourUntouched(plant, 'foreignUnits')
  })

  test('exceptions 1, 2, 3: bisected, then bad with the reason; not asked every cycle, tried again', async () => {
    const reasons = { 1: Reason.illegalFunction, 2: Reason.illegalAddress, 3: Reason.illegalValue }
    for (const code of [1, 2, 3] as const) {
      const plant = await polled(way)
      let refuses = true
      const last = REGISTERS - 1
      plant.script = ({ unit, pdu }, good) => {
        const touched = unit === 3 && pdu[2]! <= last && pdu[2]! + pdu[4]! > last
        return [refuses && touched ? exception(good, code) : good]
      }
      await plant.run(6000)
      expect(plant.quality(3)).toEqual([0, 0, 0, reasons[code]])
      const counter = ['illegalFunctions', 'illegalAddresses', 'illegalValues'][code - 1]!
      const refused = plant.of(3, counter)
      expect(refused).toBeGreaterThan(0)
      expect(plant.of(3, 'learntHoles')).toBe(1)
      await plant.run(3000)
      expect(plant.of(3, counter)).toBe(refused)
      neighbourUntouched(plant, counter)
      refuses = false
      await plant.run(1000)
      expect(plant.quality(3)).toEqual([0, 0, 0, reasons[code]])
      // Ten minutes after it was learnt.
      await plant.skip(600_000)
      await plant.run(1500)
      expect(plant.quality(3)).toEqual(all(Reason.good))
      await plant.stop()
      open.pop()
    }
  })

  test.each([4, 8])('exception %i is retried twice, then bad', async (code) => {
    const plant = await polled(way)
    const asked = plant.asked(3)
    disturb(plant, (good) => [exception(good, code)])
    await plant.run(1000)
    expect(plant.asked(3) - asked).toBe(3)
    expect(plant.quality(3)).toEqual(all(Reason.deviceFailure))
    expect(plant.of(3, 'deviceFailures')).toBe(3)
    expect(plant.counter('deviceFailures')).toBe(3)
    expect(plant.of(3, 'retries')).toBe(2)
    neighbourUntouched(plant, 'deviceFailures')
    disturb(plant, (good, count) => [count < 2 ? exception(good, code) : good])
    await plant.run(1000)
    expect(plant.quality(3)).toEqual(all(Reason.good))
  })

  test('exception 6 is retried up to three times with delay', async () => {
    const plant = await polled(way)
    const asked = plant.asked(3)
    disturb(plant, (good) => [exception(good, 6)])
    await plant.run(1000)
    expect(plant.asked(3) - asked).toBeLessThan(4)
    await plant.run(900)
    expect(plant.asked(3) - asked).toBe(4)
    expect(plant.quality(3)).toEqual(all(Reason.deviceBusy))
    expect(plant.of(3, 'deviceBusies')).toBe(4)
    neighbourUntouched(plant, 'deviceBusies')
    await recovered(plant)
  })

  test('exception 5: a read is polled again, a write is never sent again', async () => {
    const plant = await polled(way)
    disturb(plant, (good, count) => [count < 1 ? exception(good, 5) : good])
    await plant.run(1500)
    expect(plant.quality(3)).toEqual(all(Reason.good))
    expect(plant.of(3, 'deviceBusies')).toBe(1)
    disturb(plant, (good) => [good.pdu[0] === 6 ? exception(good, 5) : good])
    const fault = await plant.write(7)
    expect(fault).toBeInstanceOf(Retryable)
    expect((fault as Retryable).ambiguous).toBe(true)
    expect(plant.asked(3, 6)).toBe(1)
    expect(plant.counter('unknownWrites')).toBe(1)
    neighbourUntouched(plant, 'deviceBusies')
  })

  test.each([
    [10, Reason.gatewayPath, 'gatewayPaths'],
    [11, Reason.gatewayTarget, 'gatewayTargets'],
  ])('exception %i is reported as gateway or target fault; the connection stays', async (code, reason, counter) => {
    const plant = await polled(way)
    disturb(plant, (good) => [exception(good, code)])
    await plant.run(4000)
    onlyFor(plant, reason)
    expect(plant.of(3, counter)).toBeGreaterThan(0)
    expect(plant.counter('disconnects')).toBe(0)
    expect(plant.counter('connects')).toBe(1)
    neighbourUntouched(plant, counter)
    await recovered(plant)
  })

  test('a byte count other than asked is rejected', async () => {
    const plant = await polled(way)
    disturb(plant, (good) => [{ ...good, pdu: Uint8Array.of(3, 6, 11, 184, 11, 185, 11, 186) }])
    await plant.run(1500)
    expect(plant.quality(3)).toEqual(all(Reason.badFrame))
    expect(plant.of(3, 'wrongLengths')).toBeGreaterThan(0)
    expect(plant.counter('wrongLengths')).toBe(plant.of(3, 'wrongLengths'))
    neighbourUntouched(plant, 'wrongLengths')
    await recovered(plant)
  })

  test('an ambiguous write is never retried by itself; the caller is told it is unknown', async () => {
    const plant = await polled(way, { connection: { retries: 3 } })
    disturb(plant, (good) => (good.pdu[0] === 6 ? [] : [good]))
    const fault = (await plant.write(7)) as Retryable
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.ambiguous).toBe(true)
    expect(fault.message).toMatch(/unknown: sent but not answered/)
    await plant.run(3000)
    expect(plant.asked(3, 6)).toBe(1)
    expect(plant.of(3, 'unknownWrites')).toBe(1)
    expect(plant.counter('unknownWrites')).toBe(1)
    neighbourUntouched(plant, 'unknownWrites')
    await recovered(plant)
    expect(await plant.write(8)).toBeUndefined()
    expect(plant.asked(3, 6)).toBe(2)
  })

  test('a write that is refused says why, and is not unknown', async () => {
    const plant = await polled(way)
    disturb(plant, (good) => [good.pdu[0] === 6 ? exception(good, 3) : good])
    const fault = await plant.write(7)
    expect(fault).toBeInstanceOf(Rejected)
    expect(plant.counter('unknownWrites')).toBe(0)
  })
})

describe.each(SERIAL)('over %s', (way) => {
  test('garbage before a frame: every offset is tried for unit, function, length and CRC', async () => {
    const plant = await polled(way)
    disturb(plant, (good) => [{ ...good, before: [0xff, 3, 3, 8, 3, 3, 0xfa, 0] }])
    await plant.run(2000)
    expect(plant.quality(3)).toEqual(all(Reason.good))
    expect(plant.counter('garbageBytes')).toBe(16)
    neighbourUntouched(plant, 'crcErrors')
  })

  test('a bad CRC is asked for again, and bad when it stays', async () => {
    const plant = await polled(way, { device: { retries: 1 } })
    disturb(plant, (good, count) => [{ ...good, damaged: count === 0 }])
    await plant.run(1000)
    expect(plant.quality(3)).toEqual(all(Reason.good))
    expect(plant.of(3, 'crcErrors')).toBe(1)
    disturb(plant, (good) => [{ ...good, damaged: true }])
    await plant.run(1500)
    expect(plant.quality(3)).toEqual(all(Reason.badFrame))
    expect(plant.counter('crcErrors')).toBe(plant.of(3, 'crcErrors'))
    neighbourUntouched(plant, 'crcErrors')
    await recovered(plant)
  })

  test('garbage without end is waited for under a deadline', async () => {
    const plant = await polled(way)
    // A frame that is damaged, and then bytes each few milliseconds for seconds.
    disturb(plant, (good) => [
      { ...good, damaged: true },
      ...Array.from({ length: 300 }, (_, at) => ({
        ...good,
        raw: [at & 0xff, 0x55],
        afterMs: way === 'RTU' ? 5 : 15 + 5 * at,
      })),
    ])
    const began = plant.clock.monotonic()
    let ended = 0
    const reading = readGroup(plant.driver, registers(3, 0, 4, { timeout: `${TIMEOUT_MS}ms`, retries: 0 })).then(
      (outcome) => {
        ended = plant.clock.monotonic() - began
        return outcome
      },
    )
    await plant.run(1000)
    expect(ended).toBeGreaterThan(0)
    expect(ended).toBeLessThan(TIMEOUT_MS + 60)
    expect(((await reading).fault as Retryable).reason).toBe(Reason.badFrame)
  })

  test('bytes after a frame are dropped and counted as contention', async () => {
    const plant = await polled(way)
    disturb(plant, (good) => [{ ...good, behind: [3, 3, 8, 1] }])
    await plant.run(3000)
    expect(plant.quality(3)).toEqual(all(Reason.good))
    expect(plant.counter('contention')).toBe(3)
    expect(plant.quality(4)).toEqual(all(Reason.good))
  })
})

describe('over RTU', () => {
  test('after a timeout the buffers are flushed and 3.5 characters of silence kept before the next frame', async () => {
    const flushed = vi.spyOn(SimulatedPort.prototype, 'flushInput')
    const plant = new SerialPlant({ baudRate: 1200 })
    open.push(plant)
    const times: { sent: number[]; heard: number[] } = { sent: [], heard: [] }
    const { send, talk } = plant.wire
    plant.wire.send = (from, frame, settings) => {
      times.sent.push(plant.clock.monotonic())
      return send.call(plant.wire, from, frame, settings)
    }
    plant.wire.talk = (from, frame) => {
      talk.call(plant.wire, from, frame)
      times.heard.push(plant.clock.monotonic() + frame.length * plant.wire.byteMs)
    }
    await plant.poll()
    await plant.run(900)
    // The timeout comes in the middle of it: the next question must wait for its end and the silence behind it.
    disturb(plant, (good) => [{ ...good, afterMs: TIMEOUT_MS + 10 }])
    await plant.run(9000)
    expect(times.heard.length).toBeGreaterThan(8)
    expect(flushed.mock.calls.length).toBeGreaterThanOrEqual(plant.counter('timeouts') - 1)
    flushed.mockRestore()
    for (const end of times.heard) {
      const next = times.sent.find((at) => at > end)
      if (next !== undefined) expect(next - end).toBeGreaterThanOrEqual((3.5 * 11 * 1000) / 1200 - 0.02)
    }
    expect(plant.counter('lateReplies')).toBeGreaterThan(1)
    neighbourUntouched(plant, 'timeouts')
  })

  test('local echo is detected and stripped; an echo that differs is a collision', async () => {
    const plant = new SerialPlant({ echo: true })
    open.push(plant)
    await plant.poll()
    await plant.run(3000)
    expect(plant.quality(3)).toEqual(all(Reason.good))
    expect(plant.counter('echoes')).toBe(plant.counter('replies'))
    expect(plant.counter('garbageBytes')).toBe(0)
    expect(plant.counter('collisions')).toBe(0)
    plant.wire.noise = { flippedBits: 0, lostBytes: 0, strayBytes: 0, differingEchoes: 1 }
    await plant.run(3000)
    expect(plant.counter('collisions')).toBeGreaterThan(0)
    plant.quality(3)
    plant.quality(4)
    plant.wire.noise = { flippedBits: 0, lostBytes: 0, strayBytes: 0 }
    await recovered(plant)
    expect(await plant.write(7)).toBeUndefined()
  })

  test('an adapter that is unplugged is opened again by its name, with back-off; other lanes are untouched', async () => {
    const clock = new ManualClock()
    const [plant, other] = [new SerialPlant({ clock }), new SerialPlant({ clock })]
    open.push(plant, other)
    await plant.poll()
    await other.poll()
    await plant.run(100)
    const polls = other.batches.length
    plant.wire.unplug()
    await plant.run(3000)
    expect(plant.quality(3)).toEqual(all(Reason.noConnection))
    const plugged = expect.stringMatching(/plugged in/)
    expect(plant.driver.state()).toEqual({ condition: 'fault', cause: 'port', text: plugged })
    expect(plant.counter('connectFailures')).toBeGreaterThan(1)
    expect(plant.counter('connectFailures')).toBeLessThan(20)
    expect(other.batches.length - polls).toBe(6)
    expect(other.driver.counters()).toMatchObject({ disconnects: 0, timeouts: 0 })
    plant.wire.plug()
    await plant.run(4000)
    expect(plant.driver.state().condition).toBe('fine')
    expect(plant.counter('disconnects')).toBe(1)
    await recovered(plant)
  })

  test('a port whose writes fail (EIO) is destroyed and opened anew', async () => {
    const plant = new SerialPlant()
    open.push(plant)
    await plant.poll()
    await plant.run(100)
    const { send } = plant.wire
    plant.wire.send = () =>
      Promise.reject(new Retryable('rs485-1 was unplugged or failed', { reason: Reason.noConnection }))
    await plant.run(1500)
    expect(plant.quality(3)).toEqual(all(Reason.noConnection))
    plant.wire.send = send
    await recovered(plant)
    expect(plant.counter('disconnects')).toBeGreaterThan(0)
    expect(plant.counter('connects')).toBeGreaterThan(1)
  })

  test('a port that is open but deaf for three cycles is reopened', async () => {
    const plant = new SerialPlant()
    open.push(plant)
    await plant.poll()
    await plant.run(100)
    plant.wire.deafen()
    await plant.run(5000)
    expect(plant.counter('deaf')).toBe(1)
    expect(plant.counter('connects')).toBe(2)
    await recovered(plant)
  })

  test('another master on the wire: after three of its questions in ten seconds writes stop, and it is said', async () => {
    const plant = new SerialPlant()
    open.push(plant)
    await plant.poll()
    await plant.run(100)
    const question = seal(9, Uint8Array.of(3, 0, 0, 0, 2))
    for (const count of [1, 2, 3]) {
      expect(plant.driver.state().condition).toBe('fine')
      await plant.run(400)
      plant.wire.inject(question)
      await plant.run(50)
      expect(plant.counter('foreignQuestions')).toBe(count)
    }
    expect(plant.driver.state()).toEqual({ condition: 'degraded', text: expect.stringMatching(/another master talks/) })
    const fault = (await plant.write(7)) as Retryable
    expect(fault.message).toMatch(/not sent: another master/)
    expect(fault.ambiguous).toBe(false)
    expect(plant.asked(3, 6)).toBe(0)
    await plant.run(11_000)
    expect(await plant.write(7)).toBeUndefined()
    expect(plant.quality(3)).toEqual(all(Reason.good))
    expect(plant.quality(4)).toEqual(all(Reason.good))
  })
})

describe('over TCP', () => {
  async function plc(): Promise<SocketPlant> {
    return (await polled('TCP')) as SocketPlant
  }

  test('a transaction id that is not ours is dropped, the wait goes on', async () => {
    const plant = await plc()
    disturb(plant, (good) => [
      { ...good, pdu: Uint8Array.of(3, 8, 0, 1, 0, 2, 0, 3, 0, 4), foreign: true },
      { ...good, afterMs: 50 },
    ])
    await plant.run(3000)
    expect(plant.quality(3)).toEqual(all(Reason.good))
    expect(plant.counter('foreignTransactions')).toBe(3)
    expect(plant.quality(4)).toEqual(all(Reason.good))
  })

  test.each([
    ['protocol ≠ 0', [0, 0, 1, 0, 0, 5, 3, 3, 2, 0, 7]],
    ['length < 2', [0, 0, 0, 0, 0, 1, 3]],
    ['length > 254', [0, 0, 0, 0, 0, 255, 3]],
  ])('MBAP %s: reconnect', async (_, raw) => {
    const plant = await plc()
    disturb(plant, (good, count) => [count === 0 ? { ...good, raw } : good])
    await plant.run(1000)
    expect(plant.quality(3)).toEqual(all(Reason.noConnection))
    expect(plant.counter('badHeaders')).toBe(1)
    expect(plant.counter('disconnects')).toBe(1)
    await recovered(plant)
    expect(plant.accepted).toBe(2)
  })

  test('half open: three timeouts with no byte from any unit reconnect, with jittered back-off', async () => {
    const plant = await plc()
    plant.script = () => []
    await plant.run(8000)
    expect(plant.counter('deaf')).toBeGreaterThan(0)
    expect(plant.accepted).toBeGreaterThanOrEqual(plant.counter('deaf'))
    expect(plant.counter('disconnects')).toBe(plant.counter('deaf'))
    expect(plant.quality(3)).not.toEqual(all(Reason.good))
    plant.script = (_, good) => [good]
    await plant.run(5000)
    await recovered(plant)
    expect(plant.accepted).toBe(1 + plant.counter('deaf'))
  })

  test('one dead slave behind a gateway does not drop its neighbours', async () => {
    const plant = await plc()
    plant.script = ({ unit }, good) => (unit === 3 ? [] : [good])
    await plant.run(15_000)
    expect(plant.of(3, 'timeouts')).toBeGreaterThan(3)
    expect(plant.accepted).toBe(1)
    expect(plant.counter('disconnects')).toBe(0)
    neighbourUntouched(plant, 'timeouts')
    await recovered(plant)
  })
})

describe('over RTU over TCP', () => {
  test('any timeout closes the connection', async () => {
    const plant = (await polled('RTU over TCP')) as SocketPlant
    disturb(plant, (good, count) => (count === 0 ? [] : [good]))
    await plant.run(2000)
    expect(plant.counter('timeouts')).toBe(1)
    expect(plant.counter('disconnects')).toBe(1)
    expect(plant.accepted).toBe(2)
    await recovered(plant)
  })
})
