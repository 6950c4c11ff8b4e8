/** Door, upkeep, lane, poller and driver on one simulated line: what passes over the wire, and in which order. */
import { expect, it } from 'vitest'
import { Door } from '../../src/commands/door.ts'
import { WriteUpkeep } from '../../src/commands/upkeep.ts'
import type { Batch } from '../../src/contracts/batch.ts'
import type { GroupPlan, Tag, Write } from '../../src/contracts/driver.ts'
import { invert } from '../../src/pipeline/invert.ts'
import { Lane } from '../../src/schedule/lane.ts'
import { Poller } from '../../src/schedule/poller.ts'
import { groupOf } from '../southbound/modbus/configured.ts'
import { ALWAYS, Line, named } from '../southbound/modbus/rig.ts'

const UPKEEP = { refreshMs: null, expiresMs: null, onStop: null, with: [] }

/** Unit 3 read every 250 ms in three requests, with tags that are written in several ways. */
async function plant() {
  const rig = new Line()
  const { clock, driver } = rig
  const frames: string[] = []
  const { hear } = rig.stations[3]
  rig.stations[3].hear = (frame) => {
    if (frame[0] === 3) frames.push(`${frame[1]}@${(frame[2]! << 8) | frame[3]!}`)
    return hear.call(rig.stations[3], frame)
  }
  await rig.start()
  const read = [0, 50, 100].map((at) => ({ address: `holding:${at}`, type: 'uint16' }))
  const written = [
    { address: 'holding:20', type: 'uint16' },
    { address: 'holding:21.3', write: { function: 'single' } },
    { address: 'holding:22', type: 'uint16', write: { readBack: true } },
  ]
  const whole = named(groupOf([...read, ...written], { device: { unitId: 3 }, access: 'rw' }), 3)
  const upkeeps = [{ ...UPKEEP, refreshMs: 500 }, { ...UPKEEP, onStop: false }, UPKEEP]
  const tags = whole.tags.map((tag, at): Tag => {
    const only = at - read.length
    const name = only < 0 ? `r${at}` : ['speed', 'run', 'ramp'][only]!
    if (only < 0) return { ...tag, info: { ...tag.info, name } }
    const info = { ...tag.info, name, kind: only === 1 ? ('boolean' as const) : ('integer' as const) }
    return { ...tag, index: -1, access: 'w', info, upkeep: upkeeps[only]! }
  })
  const plan: GroupPlan = { ...whole, everyMs: 250, tags, ref: { ...whole.ref, tags: whole.ref.tags.slice(0, 3) } }
  const lane = new Lane({ clock, inFlight: driver.inFlight })
  const batches: Batch[] = []
  const poller = new Poller({ clock, driver, lane, emit: (batch) => batches.push(batch) })
  poller.configure([plan])
  poller.start()
  const toField = {
    clock,
    invert,
    find: (_: string, __: string, name: string) => {
      const tag = tags.find(({ info }) => info.name === name)
      return tag === undefined ? undefined : { plan, tag }
    },
    answers: () => poller.attendance('unit-3')?.answers ?? undefined,
    audit: () => {},
    write: async ({ device }: GroupPlan, [one]: readonly Write[], signal: AbortSignal) =>
      lane.submit((ending) => driver.write(device, one!.tag, one!.value, AbortSignal.any([signal, ending]))),
  }
  const upkeep = new WriteUpkeep(toField)
  const door = new Door({
    ...toField,
    rules: new Map([['console', ['*']]]),
    write: (of, writes, signal) => upkeep.write(of, writes, signal),
    ratePerSecond: 1000,
  })
  const command = (values: Readonly<Record<string, number | boolean>>) =>
    door.submit(
      {
        id: '1',
        by: 'console',
        device: 'unit-3',
        group: 'g',
        writes: Object.entries(values).map(([tag, value]) => ({ tag, value })),
      },
      ALWAYS,
    )
  return { rig, clock, frames, poller, batches, upkeep, door, lane, command }
}

it('a part of a register is read, changed, written and read again with nothing between, however busy the line is', async () => {
  const { clock, rig, frames, command, batches, upkeep, door } = await plant()
  await clock.advance(1000)
  frames.length = 0
  const outcomes: Promise<{ outcome: string }>[] = [command({ speed: 7 })]
  for (let nth = 0; nth < 40; nth++) {
    outcomes.push(command({ run: nth % 2 === 0 }), command({ ramp: nth }))
    await clock.advance(1000 + ((nth * 37) % 250))
  }
  await clock.advance(2000)
  expect((await Promise.all(outcomes)).every(({ outcome }) => outcome === 'done')).toBe(true)
  const starts = frames.flatMap((frame, at) => (frame === '6@21' ? [at] : []))
  expect(starts).toHaveLength(40)
  for (const at of starts) expect([frames[at - 1], frames[at + 1]]).toEqual(['3@21', '3@21'])
  for (const [at, frame] of frames.entries()) if (frame === '6@22') expect(frames[at + 1]).toBe('3@22')
  expect(rig.memories[3].get('holding', 21)! & 8).toBe(0)
  // Half a minute of refreshing on its beat, and the polls went on.
  const { refreshes, refreshesFailed } = upkeep.counters()
  expect(refreshesFailed).toBe(0)
  expect(refreshes).toBeGreaterThan(80)
  expect(batches.length).toBeGreaterThan(160)
  expect(batches.every(({ quality }) => quality === null || quality.every((one) => one === 0))).toBe(true)

  door.shut()
  frames.length = 0
  const stopped = upkeep.stop(2000)
  await clock.advance(500)
  await stopped
  expect(frames).toContain('6@21')
  expect((await command({ speed: 1 })).outcome).toBe('refused')
})

it('a device that dies under a refreshed value takes no more of the wire than a silent one may', async () => {
  const { clock, rig, frames, command, upkeep } = await plant()
  await clock.advance(1000)
  const done = command({ speed: 7 })
  await clock.advance(1000)
  expect((await done).outcome).toBe('done')
  rig.stations[3].silent = true
  await clock.advance(5000)
  frames.length = 0
  await clock.advance(60_000)
  expect(frames.filter((frame) => frame === '6@20')).toEqual([])
  rig.stations[3].silent = false
  rig.memories[3].set('holding', 20, 0)
  await clock.advance(61_000)
  expect(rig.memories[3].get('holding', 20)).toBe(7)
  expect(upkeep.counters().refreshes).toBeGreaterThan(0)
})
