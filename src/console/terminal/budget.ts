/** A connection's budget in sentences: who cannot keep an interval, what would fit, and what a dead device would cost. */
import type { Budget, Overdue } from '../../contracts/budget.ts'
import { harmless } from './text.ts'
import { percent } from './words.ts'

const MOST_NAMED = 4
/** With less to spare than this, one lost frame costs somebody a slot. */
const FULL = 0.9

/** Nothing of a connection that is not planned at all. */
export function budgetLines(name: string, budget: Budget): string[] {
  if (budget.groups.length === 0) return []
  const lines = budget.cannotKeep.length > 0 ? [overdue(name, budget)] : budget.load > FULL ? [full(name, budget)] : []
  // Whoever is alone on a connection costs nobody anything.
  if (budget.dead.length > 1) lines.push(dead(budget))
  if (budget.basis !== '') lines.push(`(${budget.basis})`)
  return lines
}

function full(name: string, { load }: Budget): string {
  return `${harmless(name)}: ${percent(load)} of the wire: next to nothing is left for repetitions, writes and requests by hand`
}

/** As the configuration writes it: `150ms`, `1.5s`, `2m`. */
function written(ms: number): string {
  const exact = Math.round(ms * 1000) / 1000
  if (exact < 1000) return `${exact}ms`
  if (exact % 3_600_000 === 0) return `${exact / 3_600_000}h`
  return exact % 60_000 === 0 ? `${exact / 60_000}m` : `${exact / 1000}s`
}

function overdue(name: string, { load, cannotKeep, alone }: Budget): string {
  const noun = cannotKeep.length === 1 ? 'group' : 'groups'
  const its = cannotKeep.length === 1 ? 'its' : 'their'
  const fits = new Map(cannotKeep.map(({ everyMs, fitsMs }) => [everyMs, fitsMs]))
  const would =
    fits.size === 1
      ? `${written(cannotKeep[0]!.fitsMs)} would fit`
      : `${listed([...fits].map(([everyMs, fitsMs]) => `${written(fitsMs)} in place of ${written(everyMs)}`))} would fit`
  const all =
    alone === null
      ? ''
      : `, or ${harmless(alone.group)} of ${harmless(alone.device)} alone every ${written(alone.everyMs)}`
  const time = load > 1 ? ' The wire does not have this time: slots will be skipped.' : ''
  return `${harmless(name)}: ${percent(load)} of the wire: ${noun} ${listed(cannotKeep.map(title))} cannot keep ${its} interval; ${would}${all}.${time}`
}

function title({ group, everyMs, device }: Overdue): string {
  return `${harmless(group)} (${written(everyMs)}) of ${harmless(device)}`
}

function dead({ dead }: Budget): string {
  const most = dead.reduce((worst, each) => (each.load > worst.load ? each : worst), dead[0]!)
  const falls = Math.max(...dead.map(({ fallMs }) => fallMs))
  const first = falls > 0 ? `; one that dies costs up to ${written(Math.round(falls))} once` : ''
  if (dead.length <= MOST_NAMED) {
    return `load with a device dead: ${dead.map((each) => `${percent(each.load)} without ${harmless(each.device)}`).join(', ')}${first}`
  }
  const least = Math.min(...dead.map(({ load }) => load))
  return `load with a device dead: ${percent(least)} to ${percent(most.load)} (most without ${harmless(most.device)})${first}`
}

function listed(words: readonly string[]): string {
  const named =
    words.length > MOST_NAMED + 1 ? [...words.slice(0, MOST_NAMED), `${words.length - MOST_NAMED} more`] : words
  return named.length < 2 ? (named[0] ?? '') : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`
}
