import { expect, it } from 'vitest'
import { type Batch, type BatchBuilder, Reason } from '../../src/contracts/batch.ts'
import type { Request } from '../../src/contracts/driver.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { Poller } from '../../src/schedule/poller.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { groupPlan, SlowDriver } from './slow-driver.ts'

class Refusing extends SlowDriver {
  override async read(request: Request, into: BatchBuilder): Promise<void> {
    for (const tag of request.tags) into.bad(tag, Reason.notPrepared)
  }
}

it('a device that cannot be set up is there, keeps its slots, and its age is that of its last answer', async () => {
  const clock = new ManualClock()
  const driver = new Refusing({ clock, exchangeMs: 5 })
  const lane = new Lane({ clock, inFlight: 1 })
  const batches: Batch[] = []
  const poller = new Poller({ clock, driver, lane, emit: (batch) => batches.push(batch) })
  poller.configure([groupPlan({ device: 'a', everyMs: 1000 })])
  poller.start()
  await clock.advance(10_500)
  expect(batches).toHaveLength(11)
  expect(batches.every(({ quality }) => quality![0] === Reason.notPrepared)).toBe(true)
  expect(poller.attendance('a')).toMatchObject({ answers: true, answeredAt: 0 })
})
