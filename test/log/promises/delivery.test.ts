/** Promises 2, 3, 4 and 6: what a sink is given, when, in which order and beside what else. */
import { describe, expect } from 'vitest'
import { Reason } from '../../../src/contracts/batch.ts'
import { Retryable } from '../../../src/contracts/errors.ts'
import { countsOf } from '../batches.ts'
import type { House } from './house.ts'
import { promised } from './house.ts'
import type { Receiver } from './ledger.ts'

const away = () => {
  throw new Retryable('the broker does not answer', { reason: Reason.noConnection })
}
const segmentBytes = 100_000

/** That each device's numbers came in the order in which they were appended. */
function expectOrder(house: House, numbers: readonly number[]): void {
  const last = new Map<string, number>()
  for (const number of numbers) {
    const device = house.source.devices.get(number)!
    expect(number, `number ${number} of ${device}`).toBeGreaterThan(last.get(device) ?? 0)
    last.set(device, number)
  }
}

/** What a live sink took as it came, and what it took as history, apart. */
function streams(receiver: Receiver): { live: number[]; history: number[] } {
  const taken = receiver.calls.filter((call) => call.taken)
  return {
    live: taken.flatMap((call) => (call.historical ? [] : call.numbers)),
    history: taken.flatMap((call) => (call.historical ? call.numbers : [])),
  }
}

describe('promise 2: each sink gets every batch at least once, under a key that is never reused', () => {
  promised('over failing links, restarts and kills of either half', { segmentBytes }, async (house) => {
    const [emqx, slow] = [await house.plug('emqx'), await house.plug('slow', { maxEntries: 7 })]
    await house.configure('emqx', 'slow')
    let calls = 0
    slow.answer = () => (++calls % 3 === 0 ? away() : [])
    const under = new Map<string, number>()
    for (let life = 0; life < 6; life++) {
      await house.fill(60, { each: 7 })
      await house.fill(60, { each: 7, device: 'oven' })
      await house.restart(life % 2 === 0 ? 'field' : 'uplink', life % 3 === 0 ? 'stop' : 'kill')
    }
    await house.drained('emqx', 'slow')
    for (const receiver of [emqx, slow]) {
      expect([...receiver.numbers].sort((a, b) => a - b)).toEqual([...house.source.stored.keys()])
      // One key, one number: for this receiver, and for all of them.
      for (const [key, entry] of receiver.taken) {
        const [number] = countsOf([entry])
        expect(under.get(key) ?? number).toBe(number)
        under.set(key, number!)
      }
    }
    expect(under.size).toBe(house.source.stored.size)
  })

  promised('and repeats what was under way when the uplink was killed, under the same keys', {}, async (house) => {
    const sink = await house.plug('emqx')
    await house.append(10)
    await house.drained('emqx')
    // Taken by the far side, but the answer never arrives.
    const answer = Promise.withResolvers<never[]>()
    sink.answer = () => answer.promise
    await house.append(5)
    await house.until('the call is under way', () => sink.calls.at(-1)!.numbers.includes(11))
    await house.end('uplink', 'kill')
    answer.resolve([])
    sink.answer = () => []
    await house.open()
    await house.drained('emqx')
    expect(sink.repeats).toBeGreaterThanOrEqual(1)
    expect(sink.numbers).toHaveLength(15)
  })
})

describe('promise 3: order holds per device within each stream', () => {
  promised('live and backlog, over refused calls and restarts', { segmentBytes }, async (house) => {
    const sink = await house.plug('emqx', { replay: 0.5, maxEntries: 5 })
    for (let round = 0; round < 8; round++) {
      let fails = round % 3
      sink.answer = () => (fails-- > 0 ? away() : [])
      for (const device of ['press', 'oven', 'pump']) await house.append(1 + ((round * 7) % 11), { device })
      await house.advance(300)
      if (round === 3) await house.restart('uplink', 'kill')
    }
    await house.drained('emqx')
    const { live, history } = streams(sink)
    expect(live.length + history.length).toBeGreaterThanOrEqual(house.source.stored.size)
    // What is repeated after the kill begins an order of its own; before and behind it there is one.
    expectOrder(house, [...new Set(live)])
    expectOrder(house, [...new Set(history)])
  })
})

describe('promise 4: a dead sink never delays another', () => {
  promised('whether it fails, hangs or refuses everything', { segmentBytes, tags: 50 }, async (house) => {
    const near = await house.plug('near')
    const dead = await Promise.all(['failing', 'hanging', 'refusing'].map((name) => house.plug(name)))
    await house.configure('near', 'failing', 'hanging', 'refusing')
    dead[0]!.answer = away
    dead[1]!.answer = () => new Promise(() => undefined)
    dead[2]!.answer = ({ entries }) => entries.map(({ position }) => ({ position, why: 'no' }))
    for (let round = 0; round < 20; round++) {
      const numbers = await house.append(50)
      // No time passes: it waits for nobody.
      await house.until('the near sink has it', () => near.numbers.at(-1) === numbers.at(-1), 0)
    }
    expect(near.numbers).toEqual([...house.source.stored.keys()])
    expect(dead[0]!.taken.size + dead[1]!.taken.size + dead[2]!.taken.size).toBe(0)
    // They lost nothing by it.
    for (const receiver of dead) receiver.answer = () => []
    await house.restart('uplink', 'stop')
    await house.retry('refusing')
    await house.drained('failing', 'hanging', 'refusing')
    for (const { numbers } of dead) expect([...numbers].sort((a, b) => a - b)).toEqual([...house.source.stored.keys()])
  })
})
