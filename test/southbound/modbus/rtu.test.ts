import { describe, expect, test } from 'vitest'
import { seal } from '../../../hal/simulated/station.ts'
import { BatchBuilder, Reason } from '../../../src/contracts/batch.ts'
import { Rejected, Retryable } from '../../../src/contracts/errors.ts'
import { crc16 } from '../../../src/southbound/modbus/frames/crc.ts'
import { groupOf } from './configured.ts'
import { ALWAYS, Line, named, readGroup, readRequest, registers, settled } from './rig.ts'

const good = Reason.good

async function line(options: ConstructorParameters<typeof Line>[0] = {}): Promise<Line> {
  const made = new Line(options)
  await made.start()
  return made
}

describe('on a serial line', () => {
  test('the CRC is the one of the specification', () => {
    expect(crc16(Uint8Array.of(0x02, 0x07), 0, 2)).toBe(0x1241)
  })

  test('registers of two units are read, one question at a time', async () => {
    const { driver, clock } = await line()
    const both = Promise.all([3, 4].map((unit) => readGroup(driver, registers(unit, 10, 3))))
    const [three, four] = await settled(clock, both)
    expect(three!.values).toEqual([3010, 3011, 3012])
    expect(four!.values).toEqual([4010, 4011, 4012])
  })

  test('an exchange takes the time its bytes take', async () => {
    const rig = await line()
    const before = rig.clock.monotonic()
    await rig.read(registers(3, 0, 100))
    const byteMs = 10_000 / 9600
    const due = 8 * byteMs + 5 + 205 * byteMs
    expect(rig.clock.monotonic() - before).toBeGreaterThanOrEqual(Math.floor(due))
    expect(rig.clock.monotonic() - before).toBeLessThan(due + 8)
  })

  test('3.5 characters of silence are kept before a frame', async () => {
    const rig = await line()
    await rig.read(registers(3, 0, 1))
    const answered = rig.clock.monotonic()
    const sent: number[] = []
    spy(rig, sent)
    await rig.read(registers(4, 0, 1))
    expect(sent[0]! - answered).toBeGreaterThanOrEqual(3)
  })

  test('a silent unit is a timeout, and the next unit is asked without delay', async () => {
    const rig = await line({ keys: { retries: 0 } })
    rig.stations[3].silent = true
    const before = rig.clock.monotonic()
    const silent = await rig.read(registers(3, 0, 2, { retries: 0 }))
    expect((silent.fault as Retryable).reason).toBe(Reason.timeout)
    expect((silent.fault as Retryable).message).toMatch(/no answer within 1 s to FC03 unit 3/)
    expect(rig.clock.monotonic() - before).toBeLessThan(1050)
    const asked = rig.clock.monotonic()
    expect((await rig.read(registers(4, 0, 2))).values).toEqual([4000, 4001])
    expect(rig.clock.monotonic() - asked).toBeLessThan(60)
    expect(rig.counter('timeouts')).toBe(1)
    expect(rig.driver.deviceCounters('unit-3')).toMatchObject({ timeouts: 1, replies: 0 })
  })

  test('a reply after its timeout is not the answer to the next request of the same unit', async () => {
    const rig = await line()
    rig.stations[3].turnaroundMs = 1500
    const late = await rig.read(registers(3, 0, 2, { retries: 0 }))
    expect((late.fault as Retryable).reason).toBe(Reason.timeout)
    rig.stations[3].turnaroundMs = 5
    const next = await rig.read(registers(3, 50, 2, { retries: 0 }))
    expect(next.values).toEqual([3050, 3051])
    expect(rig.counter('lateReplies')).toBe(1)
    expect(rig.counter('quarantined')).toBe(1)
  })

  test('a late reply ends the quarantine at once: nothing stands out any more', async () => {
    const rig = await line()
    rig.stations[3].turnaroundMs = 1200
    await rig.read(registers(3, 0, 2, { retries: 0 }))
    rig.stations[3].turnaroundMs = 5
    const before = rig.clock.monotonic()
    expect((await rig.read(registers(3, 50, 2, { retries: 0 }))).values).toEqual([3050, 3051])
    expect(rig.clock.monotonic() - before).toBeLessThan(400)
  })

  test('while a unit is in quarantine, another is read', async () => {
    const rig = await line()
    rig.stations[3].silent = true
    await rig.read(registers(3, 0, 2, { retries: 0 }))
    rig.stations[3].silent = false
    const waiting = readLater(rig, 3)
    expect((await rig.read(registers(4, 0, 2))).values).toEqual([4000, 4001])
    expect(waiting.done).toBe(false)
    expect((await settled(rig.clock, waiting.outcome)).values).toEqual([3000, 3001])
  })

  test('a reply from another unit is dropped and the wait goes on', async () => {
    const rig = await line()
    rig.stations[3].turnaroundMs = 300
    const reading = readLater(rig, 3)
    await rig.clock.advance(100)
    rig.wire.inject(seal(9, Uint8Array.of(3, 4, 0xde, 0xad, 0xbe, 0xef)))
    expect((await settled(rig.clock, reading.outcome)).values).toEqual([3000, 3001])
    expect(rig.counter('foreignUnits')).toBe(1)
  })

  test('garbage before the answer that looks like a longer frame does not hide it', async () => {
    const rig = await line()
    rig.stations[3].alter = (frame) => Uint8Array.of(0xff, 3, 3, 0xfa, 1, ...frame)
    expect((await rig.read(registers(3, 7, 2))).values).toEqual([3007, 3008])
    expect(rig.counter('garbageBytes')).toBe(5)
  })

  test('bytes after the answer are dropped and counted as contention', async () => {
    const rig = await line()
    rig.stations[3].alter = (frame) => Uint8Array.of(...frame, 3, 3, 4, 9)
    expect((await rig.read(registers(3, 7, 2))).values).toEqual([3007, 3008])
    expect(rig.counter('contention')).toBe(1)
    rig.stations[3].alter = null
    expect((await rig.read(registers(3, 9, 2))).values).toEqual([3009, 3010])
  })

  test('a damaged answer is asked for again at once', async () => {
    const rig = await line()
    let damaged = 1
    rig.stations[3].alter = (frame) => (damaged-- > 0 ? frame.map((byte, at) => (at === 4 ? byte ^ 4 : byte)) : frame)
    const before = rig.clock.monotonic()
    expect((await rig.read(registers(3, 7, 2))).values).toEqual([3007, 3008])
    expect(rig.clock.monotonic() - before).toBeLessThan(200)
    expect(rig.driver.deviceCounters('unit-3')).toMatchObject({ crcErrors: 1, retries: 1 })
  })

  test('an answer that stays damaged is a fault of the line, with its reason', async () => {
    const rig = await line()
    rig.stations[3].alter = (frame) => frame.map((byte, at) => (at === 4 ? byte ^ 4 : byte))
    const outcome = await rig.read(registers(3, 7, 2))
    expect((outcome.fault as Retryable).reason).toBe(Reason.badFrame)
    expect((outcome.fault as Retryable).message).toMatch(/damaged on the line/)
  })

  test('an answer behind what only looks like the beginning of one is taken when the line falls silent', async () => {
    const rig = await line()
    rig.stations[3].alter = (frame) => Uint8Array.of(3, 3, 20, ...frame)
    const before = rig.clock.monotonic()
    expect((await rig.read(registers(3, 7, 10))).values[0]).toBe(3007)
    expect(rig.clock.monotonic() - before).toBeLessThan(100)
  })

  test('noise whose CRC holds by chance with the first byte of the answer does not cost the answer', async () => {
    const rig = await line()
    const noise = frameEndingIn(3)
    rig.stations[3].alter = (frame) => Uint8Array.of(...noise.subarray(0, -1), ...frame)
    const before = rig.clock.monotonic()
    expect((await rig.read(registers(3, 7, 2))).values).toEqual([3007, 3008])
    expect(rig.clock.monotonic() - before).toBeLessThan(100)
  })

  test('a byte count other than asked is never decoded', async () => {
    const rig = await line()
    rig.stations[3].alter = () => seal(3, Uint8Array.of(3, 2, 0, 1))
    const outcome = await rig.read(registers(3, 0, 2, { retries: 0 }))
    expect((outcome.fault as Retryable).reason).toBe(Reason.badFrame)
    expect((outcome.fault as Retryable).message).toMatch(/answered with 4 bytes where 6 were due/)
    expect(outcome.quality).toEqual([Reason.notYet, Reason.notYet])
    expect(rig.counter('wrongLengths')).toBe(1)
  })

  test('an adapter that hears itself is found out, and its echo taken away', async () => {
    const rig = await line({ echo: true })
    for (let at = 0; at < 3; at++) expect((await rig.read(registers(3, at, 2))).values).toEqual([3000 + at, 3001 + at])
    expect(rig.counter('echoes')).toBe(3)
    expect(rig.counter('garbageBytes')).toBe(0)
  })

  test('the echo of a single write behind any glitch is not its confirmation', async () => {
    const rig = await line({ echo: true })
    const { write } = writing(rig)
    await settled(rig.clock, write(77))
    rig.stations[3].silent = true
    const { wire } = rig
    const original = wire.send.bind(wire)
    wire.send = (from, frame, settings) => original(from, Uint8Array.of(0, 0xff, 0, 0xff, 0, ...frame), settings)
    const fault = await settled(
      rig.clock,
      write(78).catch((thrown) => thrown),
    )
    expect(fault.ambiguous).toBe(true)
    expect(rig.memories[3].get('holding', 20)).toBe(77)
  })

  test('the echo of a single write is not its confirmation', async () => {
    const rig = await line({ echo: true })
    const { group, write } = writing(rig)
    await settled(rig.clock, write(77))
    expect(rig.memories[3].get('holding', 20)).toBe(77)
    rig.stations[3].silent = true
    const fault = await settled(
      rig.clock,
      write(78).catch((thrown) => thrown),
    )
    expect(group.tags).toHaveLength(1)
    expect(fault).toBeInstanceOf(Retryable)
    expect(fault.ambiguous).toBe(true)
    expect(fault.message).toMatch(/^unknown: sent but not answered/)
    expect(rig.counter('unknownWrites')).toBe(1)
  })

  test('a write without an answer goes out once', async () => {
    const rig = await line()
    await rig.read(registers(3, 0, 1))
    const { write } = writing(rig)
    rig.stations[3].alter = () => null
    const heard = rig.stations[3].heard
    const fault = await settled(
      rig.clock,
      write(5).catch((thrown) => thrown),
    )
    expect(fault.ambiguous).toBe(true)
    expect(rig.stations[3].heard - heard).toBe(1)
    expect(rig.memories[3].get('holding', 20)).toBe(5)
  })

  test('a refused write says who refuses and why', async () => {
    const rig = await line()
    await rig.read(registers(3, 0, 1))
    const group = named(groupOf([{ address: 'holding:999', type: 'uint16' }], { device: { unitId: 3 } }), 3)
    const fault = await settled(
      rig.clock,
      rig.driver.write(group.device, group.tags[0]!, 1, ALWAYS).catch((thrown) => thrown),
    )
    expect(fault).toBeInstanceOf(Rejected)
    expect(fault.message).toBe('unit-3 has no such address (exception 2)')
  })

  test('an adapter that is pulled closes its port, and comes back by itself', async () => {
    const rig = await line()
    rig.wire.unplug()
    expect(rig.driver.state()).toEqual({ condition: 'fault', text: 'rs485-1 was unplugged', cause: 'port' })
    const away = await rig.read(registers(3, 0, 2))
    expect((away.fault as Retryable).reason).toBe(Reason.noConnection)
    await rig.clock.advance(30_000)
    expect(rig.driver.state().text).toMatch(/is the adapter plugged in/)
    rig.wire.plug()
    await rig.clock.advance(10_000)
    expect((await rig.read(registers(3, 0, 2))).quality).toEqual([good, good])
    expect(rig.counter('disconnects')).toBe(1)
  })

  test('pulled in the middle of an exchange: the request fails at once', async () => {
    const rig = await line()
    rig.stations[3].turnaroundMs = 500
    const reading = readLater(rig, 3)
    await rig.clock.advance(100)
    rig.wire.unplug()
    await rig.clock.advance(1)
    expect(reading.done).toBe(true)
    expect(((await reading.outcome).fault as Retryable).reason).toBe(Reason.noConnection)
  })

  test('an open port through which nothing comes three times is opened anew', async () => {
    const rig = await line()
    rig.stations[3].silent = true
    for (let at = 0; at < 3; at++) await rig.read(registers(3, 0, 1, { retries: 0 }))
    await rig.clock.advance(50)
    expect(rig.counter('deaf')).toBe(1)
    expect(rig.counter('connects')).toBe(2)
    for (let at = 0; at < 6; at++) await rig.read(registers(3, 0, 1, { retries: 0 }))
    expect(rig.counter('deaf')).toBe(1)
  })

  test('another master on the wire stops writes until it is quiet', async () => {
    const rig = await line()
    await rig.read(registers(3, 0, 1))
    for (let at = 0; at < 3; at++) {
      rig.wire.inject(seal(9, Uint8Array.of(3, 0, at, 0, 2)))
      await rig.clock.advance(500)
    }
    expect(rig.driver.state().condition).toBe('degraded')
    const { write } = writing(rig)
    const fault = await settled(
      rig.clock,
      write(1).catch((thrown) => thrown),
    )
    expect(fault.message).toMatch(/another master/)
    expect(fault.ambiguous).toBe(false)
    await rig.clock.advance(11_000)
    await settled(rig.clock, write(1))
    expect(rig.memories[3].get('holding', 20)).toBe(1)
  })

  test('a dead unit beside a living one costs one timeout, not its retries', async () => {
    const rig = await line()
    await rig.read(registers(4, 0, 1))
    rig.stations[3].silent = true
    await rig.read(registers(3, 0, 1))
    const before = rig.clock.monotonic()
    await rig.clock.advance(5000)
    await rig.read(registers(3, 0, 1))
    expect(rig.clock.monotonic() - before).toBeLessThan(6100)
  })

  test('an aborted read ends at once, and its answer is not taken for the next', async () => {
    const rig = await line()
    rig.stations[3].turnaroundMs = 400
    const [request] = rig.driver.plan(registers(3, 0, 2))
    const abort = new AbortController()
    const reading = rig.driver.read(request!, new BatchBuilder(request!.group), abort.signal).catch((thrown) => thrown)
    await rig.clock.advance(100)
    abort.abort(new Retryable('stopping', { reason: Reason.noConnection }))
    expect((await reading).message).toBe('stopping')
    rig.stations[3].turnaroundMs = 5
    expect((await rig.read(registers(3, 90, 2))).values).toEqual([3090, 3091])
    expect(rig.counter('lateReplies')).toBe(1)
  })

  test('a broadcast write waits for no answer', async () => {
    const rig = await line()
    const said = await settled(rig.clock, rig.driver.poke(['0', 'holding:5', 'uint32', '65537'], ALWAYS))
    expect(said).toMatch(/a broadcast is never answered/)
    for (const unit of [3, 4] as const) expect(rig.memories[unit].get('holding', 6)).toBe(1)
  })

  test('per-cycle: the port is open only while it is needed', async () => {
    const rig = await line({ keys: { connect: 'per-cycle' } })
    const opened = (): boolean => rig.driver.state().text.includes('open,')
    expect(opened()).toBe(false)
    const reading = readLater(rig, 3)
    await rig.clock.advance(20)
    expect(opened()).toBe(true)
    expect((await settled(rig.clock, reading.outcome)).values).toEqual([3000, 3001])
    await rig.clock.advance(30)
    expect(rig.driver.state().text).toBe('rs485-1 is opened for each cycle')
    expect((await rig.read(registers(4, 0, 1))).values).toEqual([4000])
    expect(rig.counter('connects')).toBe(2)
  })

  test('a port that takes no byte is given up', async () => {
    const rig = await line()
    rig.wire.send = () => new Promise(() => {})
    const outcome = await rig.read(registers(3, 0, 1, { retries: 0 }))
    expect((outcome.fault as Retryable).message).toBe('rs485-1 does not take what is sent')
    expect(rig.driver.state().condition).toBe('fault')
  })

  test('a pause is kept between an answer and the next question', async () => {
    const rig = await line({ keys: { pause: '100ms' } })
    await rig.read(registers(3, 0, 1))
    const before = rig.clock.monotonic()
    await rig.read(registers(4, 0, 1))
    expect(rig.clock.monotonic() - before).toBeGreaterThanOrEqual(99)
  })

  test('a glitch before the echo, and an echo that is gone, are survived', async () => {
    const rig = await line({ echo: true })
    await rig.read(registers(3, 0, 1))
    const { wire } = rig
    const original = wire.send.bind(wire)
    wire.send = (from, frame, settings) => {
      wire.send = original
      wire.echo = false
      return original(from, frame, settings)
    }
    expect((await rig.read(registers(3, 1, 1))).values).toEqual([3001])
    expect(rig.counter('collisions')).toBe(1)
  })

  test('nothing is left when it has stopped', async () => {
    const rig = await line()
    rig.stations[3].silent = true
    const reading = readLater(rig, 3)
    await rig.clock.advance(100)
    await rig.driver.stop()
    await rig.driver.stop()
    expect(((await reading.outcome).fault as Retryable).reason).toBe(Reason.noConnection)
    expect(rig.clock.timers).toBe(0)
  })
})

function readLater(rig: Line, unit: 3 | 4) {
  const [request] = rig.driver.plan(registers(unit, 0, 2))
  const later = { done: false, outcome: readRequest(rig.driver, request!) }
  later.outcome.then(() => {
    later.done = true
  })
  return later
}

function writing(rig: Line) {
  const group = named(groupOf([{ address: 'holding:20', type: 'uint16' }], { device: { unitId: 3, timeout: '1s' } }), 3)
  return { group, write: (value: number) => rig.driver.write(group.device, group.tags[0]!, value, ALWAYS) }
}

/** Notes when frames of the gateway begin. */
function spy(rig: Line, sent: number[]): void {
  const { wire } = rig
  const original = wire.send.bind(wire)
  wire.send = (from, frame, settings) => {
    sent.push(rig.clock.monotonic())
    return original(from, frame, settings)
  }
}

/** An exception of unit 9 whose CRC ends in this byte. */
function frameEndingIn(byte: number): Uint8Array {
  for (let code = 1; code < 256; code++) {
    const frame = seal(9, Uint8Array.of(0x83, code))
    if (frame.at(-1) === byte) return frame
  }
  throw new Error('there is none')
}
