import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seal } from '../../../hal/simulated/station.ts'
import { Mark, type Recorded, Trace, Way } from '../../../src/southbound/modbus/diagnosis/trace.ts'
import { Line, registers } from './rig.ts'

async function line(options: ConstructorParameters<typeof Line>[0] = {}): Promise<Line> {
  const made = new Line(options)
  await made.start()
  return made
}

function shown(rig: Line, from = 0): readonly string[] {
  return rig.driver.trace.since(from, 1000).map(({ way, unit, text, verdict }) => `${way} ${unit} ${text} [${verdict}]`)
}

describe('the ring of a trace', () => {
  test('gives back what was put in, the oldest going first, whatever the lengths', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 260 }), { maxLength: 200 }), (lengths) => {
        const trace = new Trace({ bytes: 2048 })
        const written: Recorded[] = []
        for (const [seq, length] of lengths.entries()) {
          const bytes = Uint8Array.from({ length }, (_, at) => (seq * 7 + at) & 0xff)
          trace.received(Mark.answer, seq & 0xff, seq + 0.125, 0.5, bytes, 0, length)
          written.push({
            seq,
            at: seq + 0.125,
            elapsedMs: 0.5,
            way: Way.received,
            mark: Mark.answer,
            unit: seq & 0xff,
            bytes,
          })
          const kept = trace.since(0, 10_000)
          expect(kept).toEqual(written.slice(written.length - kept.length))
          // Never more is let go than the new one needs.
          const used = kept.reduce((sum, frame) => sum + 16 + ((frame.bytes.length + 7) & ~7), 0)
          if (kept.length < written.length) expect(used).toBeGreaterThan(2048 - 3 * 280)
          expect(kept.length).toBeGreaterThan(0)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('a fault is kept with what went before and what came after', () => {
    const trace = new Trace({ bytes: 1 << 16 })
    const frame = Uint8Array.of(3, 3, 0, 0)
    for (let at = 0; at < 100; at++) trace.received(Mark.answer, 3, at, 1, frame, 0, 4)
    trace.missed(Mark.timeout, 3, 100, 50)
    for (let at = 101; at < 200; at++) trace.received(Mark.answer, 3, at, 1, frame, 0, 4)
    const [incident, ...more] = trace.incidents()
    expect(more).toEqual([])
    expect(incident).toMatchObject({ seq: 100, mark: Mark.timeout, unit: 3 })
    expect(incident!.frames.map(({ seq }) => seq)).toEqual(Array.from({ length: 81 }, (_, at) => 36 + at))
  })

  test('the same fault again and again is kept once a minute, and eight are the most', () => {
    const trace = new Trace()
    const bytes = new Uint8Array(8)
    for (let second = 0; second < 120; second++) {
      trace.received(Mark.badCrc, 5, second * 1000, 0, bytes, 0, 8)
      for (let more = 0; more < 16; more++) trace.sent(5, second * 1000, bytes, 0, 8)
    }
    expect(trace.incidents().map(({ at }) => at)).toEqual([0, 60_000])
    for (let unit = 10; unit < 30; unit++) {
      trace.received(Mark.badCrc, unit, 200_000 + unit * 2000, 0, bytes, 0, 8)
      for (let more = 0; more < 16; more++) trace.sent(5, 200_000, bytes, 0, 8)
    }
    expect(trace.incidents().map(({ unit }) => unit)).toEqual([22, 23, 24, 25, 26, 27, 28, 29])
  })

  test('a unit that never answered is no fault each time it does not', () => {
    const trace = new Trace()
    for (let at = 0; at < 50; at++) trace.missed(Mark.timeout, 9, at * 100_000, 1000)
    expect(trace.incidents()).toEqual([])
  })
})

describe('what passes a serial line', () => {
  test('is there decoded: question, answer, exception, silence', async () => {
    const rig = await line({ keys: { retries: 0, timeout: '1s' } })
    await rig.read(registers(3, 10, 3))
    await rig.read(registers(3, 1000, 1))
    rig.stations[4].silent = true
    await rig.read(registers(4, 0, 2, { retries: 0 }))
    expect(shown(rig)).toEqual([
      'sent 3 FC03 holding:10–12 [request]',
      'received 3 FC03 holding:10–12 = 3010 3011 3012 [answer]',
      'sent 3 FC03 holding:1000 [request]',
      'received 3 FC03 exception 2: has no such address [exception 2]',
      'sent 4 FC03 holding:0–1 [request]',
      'none 4 no answer [timeout]',
    ])
    const [asked, answered, , , , missed] = rig.driver.trace.since(0, 10)
    expect(answered!.at - asked!.at).toBeCloseTo(answered!.elapsedMs!, 3)
    expect(missed!.elapsedMs).toBeGreaterThan(1000)
    expect([...asked!.bytes]).toEqual([...seal(3, Uint8Array.of(3, 0, 10, 0, 3))])
  })

  test('an answer that comes too late, and what surrounded it, is kept', async () => {
    const rig = await line({ keys: { retries: 0 } })
    await rig.read(registers(3, 0, 1))
    rig.stations[3].turnaroundMs = 1500
    await rig.read(registers(3, 0, 2, { retries: 0 }))
    await rig.clock.advance(2000)
    expect(shown(rig, 2)).toEqual([
      'sent 3 FC03 holding:0–1 [request]',
      'none 3 no answer [timeout]',
      'received 3 FC03 holding = 3000 3001 [late]',
    ])
    const [incident] = rig.driver.trace.incidents()
    expect(incident!.text).toBe('unit 3 did not answer, and had until then')
    expect(incident!.frames).toHaveLength(5)
  })

  test('a damaged answer, noise, an answer of somebody else, an echo and a foreign question are told apart', async () => {
    const rig = await line({ keys: { retries: 0 } })
    await rig.read(registers(3, 0, 1))
    rig.stations[3].alter = (frame) => frame.map((byte, at) => (at === 4 ? byte ^ 1 : byte))
    await rig.read(registers(3, 0, 1, { retries: 0 }))
    rig.stations[3].alter = () => Uint8Array.of(0xaa, 0x55)
    await rig.read(registers(3, 0, 1, { retries: 0 }))
    rig.stations[3].alter = (frame) => seal(9, frame.subarray(1, frame.length - 2))
    await rig.clock.advance(5000)
    await rig.read(registers(3, 0, 1, { retries: 0 }))
    rig.wire.inject(seal(7, Uint8Array.of(3, 0, 0, 0, 1)))
    await rig.clock.advance(100)
    const verdicts = rig.driver.trace.since(2, 100).map(({ verdict }) => verdict)
    expect(verdicts).toEqual([
      'request',
      'bad CRC',
      'request',
      'garbage',
      'timeout',
      'request',
      'foreign unit',
      'timeout',
      'other master',
    ])
  })

  test('local echo is seen and named', async () => {
    const rig = await line({ echo: true })
    await rig.read(registers(3, 0, 1))
    expect(shown(rig)).toEqual([
      'sent 3 FC03 holding:0 [request]',
      'received 3 FC03 holding:0 [echo]',
      'received 3 FC03 holding:0 = 3000 [answer]',
    ])
  })
})
