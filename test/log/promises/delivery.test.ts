/** Promises 2, 3, 4 and 6: what a sink is given, when, in which order and beside what else. */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
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

  promised('and a restored copy uses none again', { segmentBytes, tags: 30 }, async (house) => {
    const sink = await house.plug('emqx')
    await house.append(400)
    await house.drained('emqx')
    const { stream } = house
    await house.end('uplink', 'stop')
    if (house.processes === 2) await house.end('field', 'stop')
    execFileSync('cp', ['-a', house.path, `${house.path}.backup`])
    // What comes after the backup is delivered, and then the disk is lost.
    await house.open()
    expect(house.stream).toBe(stream)
    await house.append(100)
    await house.drained('emqx')
    await house.end('uplink', 'stop')
    if (house.processes === 2) await house.end('field', 'stop')
    rmSync(house.path, { recursive: true })
    execFileSync('cp', ['-a', `${house.path}.backup`, house.path])
    await house.open()
    expect(house.stream).not.toBe(stream)
    expect((await house.said()).join()).toContain('is a copy')
    const [first] = await house.append(100)
    await house.drained('emqx')
    expect(sink.clashes).toEqual([])
    expect(sink.numbers.filter((number) => number >= first!)).toHaveLength(100)
    // What it had stored before is read on, and the stream stays.
    expect(countsOf(await house.entries())[0]).toBe(1)
    const copy = house.stream
    await house.restart('both', 'stop')
    expect(house.stream).toBe(copy)
    await house.append(10)
    await house.drained('emqx')
    expect(sink.repeats).toBe(0)
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
      const since = house.elapsedMs
      await house.until('the near sink has it', () => near.numbers.at(-1) === numbers.at(-1), 1)
      // No back-off of another's was waited for.
      expect(house.elapsedMs - since).toBeLessThan(700)
    }
    expect(near.numbers).toEqual([...house.source.stored.keys()])
    expect(dead[0]!.taken.size + dead[1]!.taken.size + dead[2]!.taken.size).toBe(0)
    // They lost nothing by it.
    for (const receiver of dead) receiver.answer = () => []
    await house.restart('uplink', 'stop')
    await house.retry('refusing')
    await house.drained('failing', 'hanging', 'refusing')
    await house.until(
      'what was refused is taken, too',
      async () => (await house.account('refusing')).receipt.quarantined === 0,
    )
    for (const { numbers } of dead) expect([...numbers].sort((a, b) => a - b)).toEqual([...house.source.stored.keys()])
  })
})

describe('promise 6: live goes first and the backlog beside it', () => {
  promised('at its rate, marked historical', { segmentBytes, tags: 20 }, async (house) => {
    const sink = await house.plug('emqx', { replay: 0.3, maxEntries: 10, ready: true })
    const link = Promise.withResolvers<void>()
    sink.link = link.promise
    sink.answer = away
    await house.fill(300)
    await house.advance(60_000)
    // Each call takes 10 ms from now on; one batch comes in each 100 ms.
    const waiting: { readonly at: number; readonly take: () => void }[] = []
    sink.answer = () => new Promise((resolve) => waiting.push({ at: house.elapsedMs + 10, take: () => resolve([]) }))
    link.resolve()
    const began = house.elapsedMs
    let appended = 0
    let latest = 0
    await house.until(
      'the backlog is gone',
      async () => {
        if ((waiting[0]?.at ?? Number.POSITIVE_INFINITY) <= house.elapsedMs) waiting.shift()!.take()
        if ((house.elapsedMs - began) % 100 === 0) {
          await house.append(1)
          appended++
        }
        const { live, history } = streams(sink)
        if (live.length > 0 && history.length < 300) latest = Math.max(latest, appended - live.length)
        return history.length >= 300
      },
      10,
    )
    const { live, history } = streams(sink)
    expect(history.slice(0, 300)).toEqual(Array.from({ length: 300 }, (_, at) => at + 1))
    expect(live[0]).toBeGreaterThan(300)
    // Live entries were never more than a few calls late.
    expect(latest).toBeLessThan(5)
    // 30 calls of 10 ms have 30 % of the time: the whole takes at least a second.
    expect(house.elapsedMs - began).toBeGreaterThan(800)
    sink.answer = () => []
    for (const { take } of waiting) take()
    await house.drained('emqx')
  })

  promised('and what is older than what was sent live stays history over a restart', {}, async (house) => {
    const sink = await house.plug('emqx', { replay: 0.5, maxEntries: 5 })
    sink.answer = away
    await house.append(20)
    await house.until('it was tried', () => sink.calls.length > 0)
    const going = Promise.withResolvers<never[]>()
    let calls = 0
    sink.answer = ({ historical }) => {
      if (!historical) return []
      calls++
      if (calls === 1) return going.promise
      return streams(sink).history.length < 15 ? [] : new Promise(() => undefined)
    }
    await house.until('the backlog is under way', () => calls === 1)
    await house.append(2)
    await house.seen()
    going.resolve([])
    await house.until('so few are left that one call carries them', async () => {
      const { live, history } = streams(sink)
      return live.length === 2 && history.length >= 15 && (await house.account('emqx')).receipt.pending <= 5
    })
    sink.answer = () => []
    await house.restart('uplink', 'stop')
    await house.drained('emqx')
    expect(streams(sink)).toEqual({ live: [21, 22], history: Array.from({ length: 20 }, (_, at) => at + 1) })
  })

  promised('in at most 64 ranges: beyond that neighbours merge, which repeats and loses nothing', {}, async (house) => {
    await house.append(400)
    const sink = house.receiver('emqx')
    // The far side has every fourth one already, and says so.
    await house.seen()
    const had = (await house.entries()).filter(({ position }) => position.seq % 4 === 0)
    sink.has(house.stream, had)
    sink.answer = () => new Promise(() => undefined)
    await house.plug('emqx', { resume: had.map(({ position }) => ({ from: position, to: position })) })
    await house.until('it was told', async () => (await house.account('emqx')).pending.length > 1)
    expect((await house.account('emqx')).pending).toHaveLength(64)
    await house.restart('uplink', 'kill')
    expect((await house.account('emqx')).pending).toHaveLength(64)
    await house.unplug('emqx')
    sink.answer = () => []
    await house.plug('emqx')
    await house.drained('emqx')
    expect(sink.repeats).toBe(100 - 64)
    expect([...sink.numbers].sort((a, b) => a - b)).toEqual([...house.source.stored.keys()])
  })

  promised('or in order, where a format cannot say historical', { segmentBytes }, async (house) => {
    const sink = await house.plug('emqx', { maxEntries: 7 })
    sink.answer = away
    await house.fill(100)
    await house.advance(60_000)
    sink.answer = () => []
    await house.append(3)
    await house.drained('emqx')
    expect(streams(sink)).toEqual({ live: [...house.source.stored.keys()], history: [] })
  })
})
