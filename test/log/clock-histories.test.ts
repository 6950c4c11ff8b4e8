/** A thousand random histories of a box's clock: boots, settings right and wrong, steps, losses of the source, restarts and kills
 *  of the process, appends and reads at random moments. The truth is the test's own: it knows what UTC really was. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { Instant } from '../../src/contracts/clock.ts'
import type { Entry } from '../../src/contracts/log.ts'
import { type Log, openLog } from '../../src/log/log.ts'
import { BootsSeen, instantOf } from '../../src/log/reading/boots.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { type ClockNote, watchSteps } from '../../src/time/steps.ts'
import type { Known } from '../../src/time/wall.ts'
import { atHome } from './at-home.ts'
import { batchOf, groupOf, Said } from './batches.ts'

const HISTORIES = Number(process.env.FIELDGATE_HISTORIES ?? 1000)
const BUILT = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000
/** In memory: these histories try the log's reasoning about time, not the disk. */
const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fieldgate-histories-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const press = groupOf('press', 1)

type Move =
  | { readonly do: 'pass' | 'step' | 'sync'; readonly ms: number }
  | { readonly do: 'append' | 'device' | 'note' | 'lose' | 'gone' | 'restart' | 'kill' }
  | { readonly do: 'read'; readonly entries: number }
  | { readonly do: 'boot'; readonly offMs: number; readonly battery: boolean }

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 90_000 }) }) },
  { weight: 10, arbitrary: fc.constant({ do: 'append' as const }) },
  { weight: 2, arbitrary: fc.constantFrom({ do: 'device' as const }, { do: 'note' as const }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), entries: fc.integer({ min: 1, max: 12 }) }) },
  {
    // By hours, days, slews below what counts as a step, and back to 1970.
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('step' as const),
      ms: fc.oneof(
        fc.integer({ min: -50 * HOUR, max: 50 * HOUR }),
        fc.integer({ min: -900, max: 900 }),
        fc.constant(-60 * 365 * 24 * HOUR),
      ),
    }),
  },
  {
    // To what UTC is, give or take; or to 2099, or beyond 2038.
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('sync' as const),
      ms: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        fc.integer({ min: -40_000, max: 40_000 }),
        fc.constantFrom(-5 * HOUR, 73 * 365 * 24 * HOUR, 12 * 365 * 24 * HOUR + 7),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'lose' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'gone' as const }) },
  { weight: 1, arbitrary: fc.constantFrom({ do: 'restart' as const }, { do: 'kill' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('boot' as const),
      offMs: fc.integer({ min: 5000, max: 400 * HOUR }),
      battery: fc.boolean(),
    }),
  },
)

/** What the test knows of an entry. */
interface Told {
  readonly kind: 'batch' | 'event'
  readonly at: Instant
  /** What UTC was. */
  readonly truth: number
}

/** How far off a boot was dated: its offset is right but for so many milliseconds. */
type Datings = Map<string, number[]>

class Box {
  folder: string
  clock!: ManualClock
  log!: Log
  #said!: Said
  #stop: (() => void) | undefined
  #notes: ClockNote[] = []
  #begun!: Instant
  #steps = 0
  monotonic = 10_000.25
  /** UTC. */
  truth = BUILT + 200 * 24 * HOUR
  /** The system's clock is so far ahead of UTC. */
  error: number
  known: Known = 'unsynced'
  /** Whether this process knows the clock to have been set in this boot; undefined: it may have guessed so. */
  wasSet: boolean | undefined = false
  boot = 0
  readonly told: Told[] = []
  /** Everything that was in the log when the last process ended. */
  stored: readonly Entry[] = []
  readonly datings: Datings = new Map()

  constructor(folder: string) {
    this.folder = folder
    this.error = -this.truth
  }

  /** What the system's clock shows. */
  get system(): number {
    return this.truth + this.error
  }

  get bootId(): string {
    return `boot-${this.boot}`
  }

  async open(): Promise<void> {
    this.clock = new ManualClock({
      wall: this.system,
      monotonic: this.monotonic,
      boot: this.bootId,
      known: this.known,
      earliest: BUILT,
    })
    this.#said = new Said()
    this.log = await openLog({
      path: this.folder,
      quotaBytes: 2 ** 30,
      commitEveryMs: 0,
      evict: 'oldest',
      clock: this.clock,
      log: this.#said,
      freeBytes: () => 2 ** 40,
    })
    this.#notes = []
    this.#steps = 0
    this.learn()
    this.#begun = this.clock.now()
    this.#stop = watchSteps({ clock: this.clock, note: (note) => this.#notes.push(note) })
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms)
    this.monotonic += ms
    this.truth += ms
  }

  step(ms: number, known: Known): void {
    this.error += ms
    this.known = known
    this.clock.step(ms, known)
    this.#steps++
    this.learn()
  }

  /** What this process knows of its clock after a look at it. */
  learn(): void {
    this.clock.now()
    if (this.known === 'synced' && this.system >= BUILT) this.wasSet = true
    if (this.known === 'unknown' && this.wasSet !== true) this.wasSet = undefined
  }

  async close(): Promise<void> {
    await this.#settle()
    await this.log.close()
    expect(this.#said.lines).toEqual([])
  }

  /** As after SIGKILL: nothing is written any more; the next process finds what was durable. */
  async kill(): Promise<void> {
    await this.#settle()
    const next = `${this.folder}k`
    cpSync(this.folder, next, { recursive: true })
    writeFileSync(join(next, 'log.json'), atHome(readFileSync(join(next, 'log.json'))))
    for (const role of ['writer', 'reader']) rmSync(join(next, role))
    await this.log.close()
    rmSync(this.folder, { recursive: true })
    this.folder = next
  }

  /** The steps that were noted are all that wall and monotonic time differ by, but for what is too little to be one. */
  async #settle(): Promise<void> {
    await this.pass(1000)
    await this.log.flush()
    this.stored = this.log.reader.read({ epoch: 0, seq: 1 }, { entries: 10_000, bytes: 2 ** 20 })
    this.#stop?.()
    const end = this.clock.now()
    const apart = end.wall - this.#begun.wall - (end.monotonic - this.#begun.monotonic)
    const noted = this.#notes.reduce(
      (sum, { name, facts }) => sum + (name === 'clock.stepped' ? Number(facts.byMs) : 0),
      0,
    )
    expect(Math.abs(apart - noted)).toBeLessThanOrEqual(this.#steps * 1000 + 1)
  }

  async append(kind: 'batch' | 'event' | 'device'): Promise<void> {
    const now = this.clock.now()
    const at: Instant = kind === 'device' ? { ...now, wall: BUILT - HOUR, clock: 'device' } : now
    const count = this.told.length
    this.told.push({ kind: kind === 'event' ? 'event' : 'batch', at, truth: this.truth })
    this.#date(at)
    if (kind === 'event') await this.log.writer.note({ at, name: 'test', text: 't', facts: { count } })
    else await this.log.writer.append({ ...batchOf(press, count), at })
  }

  /** The page on time in plain words: the first set stamp behind an unset one dates the boot, and a set one that is off by more
   *  than a minute dates it anew. */
  #date(at: Instant): void {
    const dated = this.datings.get(at.boot)
    if (at.clock === 'unsynced') {
      if (dated === undefined) this.datings.set(at.boot, [])
    } else if (dated !== undefined && (at.clock === 'synced' || (at.clock === 'holdover' && dated.length === 0))) {
      const before = dated.at(-1)
      if (before === undefined || Math.abs(this.error - before) > 60_000) dated.push(this.error)
    }
  }
}

async function live(
  moves: readonly Move[],
  folder: string,
): Promise<{ readonly corrected: number; readonly entries: number }> {
  const box = new Box(folder)
  let readTo = 0
  let corrected = 0
  await box.open()
  /** UTC at monotonic 0, at the least: by the last set stamp that was stored before this process. */
  const floorOf = (): number => {
    const before = box.stored.map(instantOf).findLast(({ clock }) => clock === 'synced')
    if (before === undefined) return BUILT
    return Math.max(BUILT, before.boot === box.bootId ? before.wall - before.monotonic : before.wall)
  }
  let floor = BUILT

  const check = (entries: readonly Entry[]): void => {
    for (const entry of entries) {
      expect(entry.position.seq).toBe(++readTo)
      if (entry.kind === 'clock') {
        const known = box.datings.get(entry.boot)
        expect(known, 'a clock entry of a boot that needed none').toBeDefined()
        clocks.push([entry.boot, entry.offsetMs])
        continue
      }
      const count =
        entry.kind === 'batch' ? entry.batch.numbers[0]! : entry.kind === 'event' ? Number(entry.facts.count) : -1
      expect(count, 'order').toBe(counted++)
      const { at, truth } = box.told[count]!
      const read = instantOf(entry)
      expect(read).toMatchObject({ monotonic: at.monotonic, boot: at.boot })
      const error = at.clock === 'unsynced' ? box.datings.get(at.boot)?.at(-1) : undefined
      if (error === undefined) expect(read).toEqual(at)
      else {
        expect(read.clock).toBe('corrected')
        expect(read.wall).toBe(truth + error)
        corrected++
      }
    }
  }
  let counted = 0
  const clocks: (readonly [string, number])[] = []
  const readSome = (entries: number): Entry[] => [
    ...box.log.reader.read({ epoch: 0, seq: readTo + 1 }, { entries, bytes: 2 ** 20 }),
  ]

  for (const one of moves) {
    switch (one.do) {
      case 'pass':
        await box.pass(one.ms)
        break
      case 'append':
      case 'device':
      case 'note': {
        await box.append(one.do === 'append' ? 'batch' : one.do === 'note' ? 'event' : 'device')
        const { at } = box.told.at(-1)!
        if (at.clock === 'device') break
        const { system } = box
        expect(at.wall, 'below the floor').toBeGreaterThanOrEqual(
          at.clock === 'unsynced' ? floor + at.monotonic - 1 : BUILT,
        )
        expect(Number.isInteger(at.wall)).toBe(true)
        if (at.clock !== 'unsynced') expect(at.wall).toBe(system)
        else expect(at.wall).toBeGreaterThanOrEqual(system)
        if (box.known === 'synced') expect(at.clock).toBe(system >= BUILT ? 'synced' : 'unsynced')
        if (box.known === 'unsynced' && box.wasSet === false) expect(at.clock).toBe('unsynced')
        if (box.known === 'unsynced' && box.wasSet === true && system >= BUILT) expect(at.clock).toBe('holdover')
        break
      }
      case 'step':
        box.step(one.ms, box.known)
        break
      case 'sync':
        box.step(one.ms - box.error, 'synced')
        break
      case 'lose':
        box.step(0, 'unsynced')
        break
      case 'gone':
        box.step(0, 'unknown')
        break
      case 'read':
        check(readSome(one.entries))
        break
      case 'restart':
      case 'kill':
        await (one.do === 'kill' ? box.kill() : box.close())
        floor = floorOf()
        // A process knows that the clock was set from what it stored, not from what it saw.
        box.wasSet = box.stored.map(instantOf).findLast(({ clock }) => clock === 'synced')?.boot === box.bootId
        await box.open()
        break
      case 'boot':
        await box.close()
        box.boot++
        box.monotonic = 10_000.25
        box.truth += one.offMs
        box.error = one.battery ? box.error : 10_000 - box.truth
        box.known = 'unsynced'
        floor = floorOf()
        box.wasSet = false
        await box.open()
    }
  }
  await box.log.flush()
  check(readSome(10_000))
  expect(counted).toBe(box.told.length)
  // Each dating was told of by an entry of its own, once, or once more after a kill; and nothing else was.
  for (const [boot, errors] of box.datings) {
    const told = [...new Set(clocks.filter(([of]) => of === boot).map(([, offsetMs]) => offsetMs))]
    expect(told).toHaveLength(new Set(errors).size)
  }
  const seen = new BootsSeen(box.folder)
  seen.look()
  for (const [boot, offsetMs] of new Map(clocks)) expect(seen.offsetOf(boot)).toBe(offsetMs)
  expect(box.log.report().fullInMs ?? 0).toBeGreaterThanOrEqual(0)
  await box.close()
  rmSync(box.folder, { recursive: true })
  return { corrected, entries: counted }
}

describe(`${HISTORIES} random histories of a clock`, () => {
  it('keep the order, date what can be dated to the millisecond, stamp nothing below the floor', async () => {
    let run = 0
    let corrected = 0
    let entries = 0
    await fc.assert(
      fc.asyncProperty(fc.array(move, { minLength: 10, maxLength: 60, size: 'max' }), async (moves) => {
        const done = await live(moves, join(root, String(++run)))
        corrected += done.corrected
        entries += done.entries
      }),
      { numRuns: HISTORIES },
    )
    console.log(`${HISTORIES} histories: ${entries} entries, ${corrected} of them dated later`)
    expect(corrected).toBeGreaterThan(HISTORIES)
  }, 300_000)
})
