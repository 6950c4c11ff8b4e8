import { describe, expect, it } from 'vitest'
import { SecondMaster } from '../../../hal/simulated/second-master.ts'
import { Reason } from '../../../src/contracts/batch.ts'
import { groupOf } from './configured.ts'
import { ALWAYS, Line, named, registers } from './rig.ts'

async function shared(options: { masters: 'sole' | 'shared'; polite?: boolean; everyMs?: number; seed?: number }) {
  const { masters, everyMs = 400, seed = 1 } = options
  const line = new Line({ keys: { masters, timeout: '300ms' }, seed })
  // It asks the same unit for as many registers: its answers look like ours.
  const master = new SecondMaster({ wire: line.wire, unit: 3, everyMs, polite: options.polite ?? true })
  await line.start()
  return { line, master }
}

/** Reads ten registers from 100 on, again and again, and counts what came. */
async function readings(line: Line, times: number) {
  const group = registers(3, 100, 10)
  let [good, wrong] = [0, 0]
  for (let time = 0; time < times; time++) {
    const { values, quality } = await line.read(group)
    if (quality.every((reason) => reason === Reason.good)) good++
    if (values.some((value, at) => quality[at] === Reason.good && value !== 3100 + at)) wrong++
    await line.clock.advance(137)
  }
  return { good, wrong }
}

describe('a line with another master', () => {
  it('never takes the answer to the other for its own, though it asks the same unit for as much', async () => {
    for (const masters of ['sole', 'shared'] as const) {
      for (let seed = 1; seed <= 10; seed++) {
        const { line, master } = await shared({ masters, seed, polite: false, everyMs: 190 + 13 * seed })
        master.start()
        expect((await readings(line, 20)).wrong).toBe(0)
        master.stop()
      }
    }
  })

  it('that is shared, listens before it talks: all is read, and the other hears no collision', async () => {
    const { line, master } = await shared({ masters: 'shared' })
    master.start()
    const { good } = await readings(line, 50)
    expect(good).toBe(50)
    expect(line.counter('crcErrors') + line.counter('timeouts') + line.counter('collisions')).toBe(0)
    expect(line.counter('foreignAnswers')).toBeGreaterThan(20)
    expect(line.driver.state()).toMatchObject({ condition: 'fine', text: expect.stringContaining('another master') })
  })

  it('that is shared, lets the other finish: it asks only after `quiet`', async () => {
    const { line, master } = await shared({ masters: 'shared', everyMs: 60_000 })
    master.start()
    await line.clock.advance(60_001)
    const startedAt = line.clock.monotonic()
    await line.read(registers(3, 0, 1))
    // 8 bytes of question, 25 of answer, both with their silence, and 50 to 100 ms more.
    const exchangeMs = 33 * line.wire.byteMs
    expect(line.clock.monotonic() - startedAt).toBeGreaterThan(exchangeMs + 50)
  })

  it('that is shared, may be written to', async () => {
    const { line, master } = await shared({ masters: 'shared' })
    master.start()
    await line.clock.advance(5000)
    await line.read(registers(3, 0, 1))
    const { device, tags } = named(groupOf([{ address: 'holding:7', type: 'uint16' }], { device: { unitId: 3 } }), 3)
    const written = line.driver.write(device, tags[0]!, 42, ALWAYS)
    for (let ms = 0; ms < 2000; ms += 5) await line.clock.advance(5)
    await written
    expect(line.memories[3].get('holding', 7)).toBe(42)
  })

  it('that is not expected is an alarm, and nothing is written', async () => {
    const { line, master } = await shared({ masters: 'sole' })
    master.start()
    await line.clock.advance(5000)
    await line.read(registers(3, 0, 1))
    expect(line.driver.state().condition).toBe('degraded')
    const { device, tags } = named(groupOf([{ address: 'holding:7', type: 'uint16' }], { device: { unitId: 3 } }), 3)
    const written = expect(line.driver.write(device, tags[0]!, 42, ALWAYS)).rejects.toThrow(/another master/)
    for (let ms = 0; ms < 1000; ms += 5) await line.clock.advance(5)
    await written
  })
})
