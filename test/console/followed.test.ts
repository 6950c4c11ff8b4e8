import { afterEach, describe, expect, it } from 'vitest'
import { FollowedLive } from '../../src/console/followed.ts'
import { type Batch, type GroupRef, Reason } from '../../src/contracts/batch.ts'
import type { LogReader } from '../../src/contracts/log.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { MemoryLog } from '../contracts/memory-log.ts'
import { groupOf, Said } from '../log/batches.ts'

const clock = new ManualClock()
const opened: FollowedLive[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.stop()
})

function follow(reader: LogReader): FollowedLive {
  const live = new FollowedLive({ reader, clock, log: new Said() })
  opened.push(live)
  return live
}

function batch(group: GroupRef, value: number, reason: number = Reason.good, monotonic = 0, boot = 'b'): Batch {
  const count = group.tags.length
  return {
    group,
    at: { wall: monotonic, monotonic, boot, clock: 'synced' },
    tags: null,
    numbers: new Float64Array(count).fill(value),
    others: null,
    quality: reason === Reason.good ? null : new Uint8Array(count).fill(reason),
    carry: null,
  }
}

/** Lets what was appended be taken. */
function taken(): Promise<void> {
  return clock.advance(1)
}

describe('live values of a process that only has the log', () => {
  it('begin with what the log had, and go on with what is appended', async () => {
    const log = new MemoryLog()
    const [oven, press] = [groupOf('oven'), groupOf('press')]
    await log.writer.append(batch(oven, 1))
    const live = follow(log.reader)
    expect(live.get('oven', oven.group)?.numbers[0]).toBe(1)
    expect(live.get('press', press.group)).toBeUndefined()
    await log.writer.append(batch(press, 2))
    await log.writer.append(batch(oven, 3))
    await taken()
    expect(live.get('oven', oven.group)?.numbers[0]).toBe(3)
    expect([...live.all()].map(({ group }) => group.device)).toEqual(['oven', 'press'])
  })

  it('say that a device answers by the reasons of its last batch', async () => {
    const log = new MemoryLog()
    const oven = groupOf('oven')
    const live = follow(log.reader)
    expect(live.answers('oven')).toBeUndefined()
    const expected = [
      [Reason.good, true],
      [Reason.timeout, false],
      [Reason.illegalAddress, true],
      [Reason.noConnection, false],
      [Reason.deviceBusy, true],
      [Reason.badFrame, false],
      [Reason.noScale, true],
      [Reason.deviceSilent, false],
      // Not asked: what was known of it stays.
      [Reason.notYet, false],
    ] as const
    let at = 0
    for (const [reason, answers] of expected) {
      await log.writer.append(batch(oven, 1, reason, ++at))
      await taken()
      expect(live.answers('oven'), `reason ${reason}`).toBe(answers)
    }
  })

  it('take the newest of a device’s groups, in whatever order the snapshot has them', async () => {
    const log = new MemoryLog()
    const [slow, fast] = [groupOf('oven', 2), { ...groupOf('oven', 3), group: 'fast' }]
    await log.writer.append(batch(fast, 1, Reason.timeout, 9))
    await log.writer.append(batch(slow, 1, Reason.good, 4))
    expect(follow(log.reader).answers('oven')).toBe(false)
  })

  it('take what is of this boot for the newest, whatever its clock shows', async () => {
    const log = new MemoryLog()
    const [slow, fast] = [groupOf('oven', 2), { ...groupOf('oven', 3), group: 'fast' }]
    await log.writer.append(batch(fast, 1, Reason.good, 9, clock.boot))
    await log.writer.append(batch(slow, 1, Reason.timeout, 1_000_000, 'before'))
    expect(follow(log.reader).answers('oven')).toBe(true)
  })

  it('begin anew at the snapshot where the log cannot be read on', async () => {
    const log = new MemoryLog()
    const oven = groupOf('oven')
    await log.writer.append(batch(oven, 1))
    let broken = false
    const reader: LogReader = {
      stream: log.stream,
      get head() {
        return log.head
      },
      read: (from, max) => (broken ? [] : log.reader.read(from, max)),
      next: (after, signal) => log.reader.next(after, signal),
      snapshot: () => log.reader.snapshot(),
    }
    const live = follow(reader)
    live.all()
    broken = true
    await log.writer.append(batch(oven, 2))
    await taken()
    expect(live.get('oven', oven.group)?.numbers[0]).toBe(1)
    await clock.advance(1000)
    expect(live.get('oven', oven.group)?.numbers[0]).toBe(2)
  })

  it('forget what is no longer configured', async () => {
    const log = new MemoryLog()
    const [oven, press] = [groupOf('oven'), groupOf('press')]
    await log.writer.append(batch(oven, 1))
    await log.writer.append(batch(press, 1))
    const live = follow(log.reader)
    live.all()
    live.configure([press])
    expect([...live.all()].map(({ group }) => group.device)).toEqual(['press'])
    expect(live.answers('oven')).toBeUndefined()
  })
})
