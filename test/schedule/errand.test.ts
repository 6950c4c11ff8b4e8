import { expect, test } from 'vitest'
import { Lane } from '../../src/schedule/lane.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'

test('on a lane that is never without a poll, errands get half of its time and commands still go first', async () => {
  const clock = new ManualClock()
  const lane = new Lane({ clock, inFlight: 1 })
  const never = new AbortController().signal
  const spent = { polls: 0, errands: 0 }
  const order: string[] = []
  lane.feed((signal) =>
    clock.sleep(10, signal).then(() => {
      spent.polls += 10
    }),
  )
  const scan = (async () => {
    for (let probe = 0; probe < 20; probe++) {
      await lane.errand(async () => {
        await clock.sleep(300, never)
        spent.errands += 300
        order.push('errand')
      })
    }
  })()
  await clock.advance(3000)
  const written = lane.submit(async () => void order.push('command'))
  await clock.advance(320)
  await written
  expect(order.indexOf('command')).toBeLessThanOrEqual(7)
  for (let waited = 0; waited < 10_000; waited += 100) await clock.advance(100)
  await scan
  expect(spent.errands).toBe(6000)
  expect(spent.polls).toBeGreaterThan(6000)
})
