/** An adapter that is pulled and plugged in again a thousand times while it is read: nothing is left behind by any of them. */
import { expect, test } from 'vitest'
import { seeded } from '../../hal/simulated/random.ts'
import { Reason } from '../../src/contracts/batch.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { SerialPlant } from './plant.ts'

const TIMES = 1000

test(`an adapter replugged ${TIMES} times at any moment of an exchange is read again each time, and costs nothing`, async () => {
  const clock = new ManualClock()
  const random = seeded(7)
  const [plant, other] = [new SerialPlant({ clock }), new SerialPlant({ clock })]
  for (const one of [plant, other]) await one.poll({}, 100)
  await clock.advance(500)
  const timers = clock.timers
  let most = 0
  for (let time = 0; time < TIMES; time++) {
    await clock.advance(200 * random())
    plant.wire.unplug()
    await clock.advance(1000 * random() ** 3)
    plant.wire.plug()
    const before = plant.batches.length
    await clock.advance(2500)
    const since = plant.batches.slice(before)
    expect(since.some(({ quality }) => quality === null)).toBe(true)
    expect(plant.driver.state().condition).toBe('fine')
    most = Math.max(most, clock.timers)
    plant.batches.splice(0)
  }
  expect(plant.counter('disconnects')).toBe(TIMES)
  expect(plant.counter('connects')).toBe(TIMES + 1)
  expect(most).toBeLessThanOrEqual(timers + 3)
  expect(new Set(other.batches.flatMap(({ quality }) => (quality === null ? [Reason.good] : [...quality])))).toEqual(
    new Set([Reason.good]),
  )
  expect(other.driver.counters()).toMatchObject({ disconnects: 0, timeouts: 0, connects: 1 })
  for (const one of [plant, other]) await one.stop()
  await clock.advance(10_000)
  expect(clock.timers).toBe(0)
})
