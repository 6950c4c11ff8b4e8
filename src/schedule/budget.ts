/** The budget of a connection: its load, and which groups cannot keep their interval, found by playing the lane's clockwork
 *  on paper (due times, priorities, deadlines, one exchange at a time). Pure. */
import type { Budget, Cost, DeadLoad, GroupLoad, Overdue } from '../contracts/budget.ts'
import type { Driver, GroupPlan, Request } from '../contracts/driver.ts'
import { Heap } from './heap.ts'
import { LONGEST_MS, SHARE } from './silence.ts'

/** One group and what its requests cost. */
export interface Item {
  readonly plan: Pick<GroupPlan, 'everyMs' | 'phaseMs' | 'priority'> & {
    readonly ref: Pick<GroupPlan['ref'], 'device' | 'group'>
  }
  readonly cost: Cost
}

/** A plan is played for so many exchanges, and not beyond so many rounds of its slowest group. */
const EXCHANGES = 6000
const ROUNDS = 40
/** A slot in a hundred may be missed before it is said. */
const KEPT = 0.99
/** What a plan is made to fit into: the rest is for repetitions, writes and requests by hand. */
const ROOM = 0.97

interface Played {
  readonly item: Item
  due: number
  issued: number
  made: number
}

/** As the driver knows it; of one that does not, what its plan says. */
export function costOf(driver: Driver, requests: readonly Request[]): Cost {
  return (
    driver.cost?.(requests) ?? { exchangesMs: requests.map(({ wireMs }) => wireMs), fallMs: 0, tryMs: 0, basis: '' }
  )
}

export function budgetOf(items: readonly Item[], options: { readonly inFlight: number }): Budget {
  const { inFlight } = options
  const loadOf = (item: Item, everyMs = item.plan.everyMs): number => roundMs(item) / everyMs / inFlight
  const load = items.reduce((sum, item) => sum + loadOf(item), 0)
  const kept = play(items, inFlight, 1)
  const groups = items.map(
    (item, at): GroupLoad => ({
      ...nameOf(item),
      everyMs: item.plan.everyMs,
      roundMs: roundMs(item),
      load: loadOf(item),
      kept: kept[at]!,
    }),
  )
  const late = groups.filter((group) => group.kept < KEPT)
  const slower = late.length === 0 ? null : slowdown(items, inFlight, load)
  const cannotKeep = late.map(
    ({ device, group, everyMs, kept }): Overdue => ({
      device,
      group,
      everyMs,
      kept,
      fitsMs: roundInterval(everyMs * slower!),
    }),
  )
  return {
    load,
    basis: [...new Set(items.map(({ cost }) => cost.basis))].filter((text) => text !== '').join('; '),
    groups,
    dead: deadLoads(items, load, loadOf),
    cannotKeep,
    slower,
    alone: slower === null ? null : heaviestAlone(items, inFlight, load, loadOf),
  }
}

function nameOf({ plan }: Item): { readonly device: string; readonly group: string } {
  return { device: plan.ref.device, group: plan.ref.group }
}

function roundMs({ cost }: Item): number {
  return cost.exchangesMs.reduce((sum, ms) => sum + ms, 0)
}

/** With each device dead: the others, and of the rest what silent devices may take. */
function deadLoads(items: readonly Item[], load: number, loadOf: (item: Item) => number): readonly DeadLoad[] {
  const devices = Map.groupBy(items, ({ plan }) => plan.ref.device)
  return [...devices].map(([device, own]) => {
    const left = load - own.reduce((sum, item) => sum + loadOf(item), 0)
    const { tryMs, fallMs } = own[0]!.cost
    const everyMs = Math.min(...own.map(({ plan }) => plan.everyMs))
    // Alone, it is asked at its own pace; else as often as its share allows, and once a minute.
    const tries = devices.size === 1 ? 1 / everyMs : Math.min(1 / everyMs, Math.max(SHARE / tryMs, 1 / LONGEST_MS))
    return { device, load: left + Math.min(1, tries * tryMs), fallMs }
  })
}

/** How much slower all groups must be read: just so much that the load fits, more when that is too tight for one of them. */
function slowdown(items: readonly Item[], inFlight: number, load: number): number {
  let factor = Math.max(1.05, load / ROOM)
  for (let tries = 0; tries < 24; tries++) {
    if (play(items, inFlight, factor).every((kept) => kept >= KEPT)) return factor
    factor *= 1.15
  }
  return factor
}

function heaviestAlone(
  items: readonly Item[],
  inFlight: number,
  load: number,
  loadOf: (item: Item, everyMs?: number) => number,
): Budget['alone'] {
  const heaviest = items.reduce((most, item) => (loadOf(item) > loadOf(most) ? item : most), items[0]!)
  const room = ROOM - (load - loadOf(heaviest))
  if (items.length < 2 || room <= 0) return null
  const everyMs = roundInterval(roundMs(heaviest) / inFlight / room)
  const changed = items.map((item) => (item === heaviest ? { ...item, plan: { ...item.plan, everyMs } } : item))
  if (everyMs <= heaviest.plan.everyMs || !play(changed, inFlight, 1).every((kept) => kept >= KEPT)) return null
  return { ...nameOf(heaviest), everyMs }
}

/** The share of its slots that each group is read in. `slower`: all intervals times that. */
function play(items: readonly Item[], inFlight: number, slower: number): readonly number[] {
  const played = items.map((item): Played => ({ item, due: item.plan.phaseMs * slower, issued: 0, made: 0 }))
  const everyMs = ({ item }: Played): number => item.plan.everyMs * slower
  const waiting = new Heap<Played>((one, other) => one.due < other.due)
  const ready = new Heap<Played>((one, other) => {
    const [first, second] = [one.item.plan.priority, other.item.plan.priority]
    return first > second || (first === second && one.due + everyMs(one) < other.due + everyMs(other))
  })
  const busy = new Heap<{ readonly until: number; readonly ends: Played | null }>((a, b) => a.until < b.until)
  for (const each of played) if (each.item.cost.exchangesMs.length > 0) waiting.push(each)
  const end = ROUNDS * Math.max(0, ...played.map(everyMs))
  let now = 0
  for (let exchanges = 0; exchanges < EXCHANGES && now < end; ) {
    while (waiting.first !== undefined && waiting.first.due <= now) ready.push(waiting.pop()!)
    const next = busy.size < inFlight ? ready.first : undefined
    if (next !== undefined) {
      if (next.issued === 0) skip(next, Math.floor((now - next.due) / everyMs(next)))
      const { exchangesMs } = next.item.cost
      const until = now + exchangesMs[next.issued++]!
      const last = next.issued === exchangesMs.length
      if (last) ready.pop()
      busy.push({ until, ends: last ? next : null })
      exchanges++
      continue
    }
    const done = busy.first
    if (done !== undefined && done.until <= (busy.size < inFlight ? (waiting.first?.due ?? done.until) : done.until)) {
      now = done.until
      busy.pop()
      if (done.ends !== null) finish(done.ends)
    } else if (waiting.first === undefined) break
    else now = Math.max(now, waiting.first.due)
  }
  return played.map((each) => {
    const slots = Math.floor((now - each.item.plan.phaseMs * slower) / everyMs(each))
    // The last slot may be under way.
    return slots < 1 || each.item.cost.exchangesMs.length === 0 ? 1 : Math.min(1, (each.made + 1) / slots)
  })

  function skip(each: Played, slots: number): void {
    if (slots > 0) each.due += slots * everyMs(each)
  }

  function finish(each: Played): void {
    each.issued = 0
    each.made++
    const past = Math.floor((now - each.due) / everyMs(each))
    each.due += Math.max(1, past) * everyMs(each)
    waiting.push(each)
  }
}

const STEPS = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8, 10]

/** Up to an interval somebody would write: 143 ms is 150, 1.7 s is 2. */
function roundInterval(ms: number): number {
  const unit = ms > 60_000 ? 60_000 : 1
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(1, ms / unit)))
  const step = STEPS.find((each) => each * magnitude >= ms / unit - 1e-9)!
  return Math.ceil(step * magnitude) * unit
}
