/** Which cuts are tried: after which steps, and what of the undecided is then there. Both follow from a seed. */
import { seeded } from '../../../hal/simulated/random.ts'
import { type Choice, type Disk, untouched } from './disk.ts'
import type { Recording, Step } from './recording.ts'

/** The steps after which the power is cut, in order: where names change, where something was promised or read while a write
 *  was under way, and anywhere. What was promised by then is all that was promised before the next change. */
export function pointsOf({ steps }: Recording, count: number, seed: number): number[] {
  const random = seeded(seed)
  const [naming, amid, all]: [number[], number[], number[]] = [[], [], []]
  const underWay = new Set<string>()
  let near = 0
  for (const [index, step] of steps.entries()) {
    if (step.kind === 'mark') continue
    const write = `${step.process} ${step.id}`
    if (step.kind === 'write' && step.eachSynced) underWay.add(write)
    if (step.kind === 'written') underWay.delete(write)
    if (changesNames(step)) near = 8
    const point = behindMarks(steps, index + 1)
    if (near-- > 0) naming.push(point)
    if (underWay.size > 0 && point > index + 1) amid.push(point)
    all.push(point)
  }
  const chosen = new Set<number>([steps.length])
  const take = (from: number[], share: number): void => {
    const most = Math.min(Math.ceil(share * count), from.length)
    for (let tries = 0; tries < 20 * count && chosen.size < most; tries++)
      chosen.add(from[Math.floor(random() * from.length)]!)
  }
  take(naming, 0.4)
  take(amid, 0.6)
  take(all, 1)
  return [...chosen].sort((a, b) => a - b)
}

/** What is left at a point: the extremes first, then by chance. Each by itself: it comes out the same whatever was tried
 *  before it. */
export function choicesAt(disk: Disk, point: number, count: number, seed: number): Choice[] {
  const { writes, names } = disk.undecided(point)
  const choices: Choice[] = []
  for (let number = 0; number < (writes + names === 0 ? 1 : count); number++) {
    const random = seeded(seed ^ Math.imul(point, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b))
    choices.push(EXTREMES[number]?.({ ...untouched(), random }, Math.floor(random() * writes)) ?? byChance(random))
  }
  return choices
}

const EXTREMES: readonly ((all: Choice, one: number) => Choice)[] = [
  (all) => all,
  (all) => ({ ...all, names: 'none', write: () => 'lost', size: 'short', locks: 'noise' }),
  (all) => ({ ...all, write: (index, of) => (index === of - 1 ? 'kept' : 'lost'), size: 'long' }),
  (all, one) => ({ ...all, write: (index) => (index === one ? 'lost' : 'kept') }),
  (all) => ({ ...all, names: 'none' }),
  (all) => ({ ...all, write: () => 'lost', size: 'long' }),
]

function byChance(random: () => number): Choice {
  const kept = random()
  const torn = random() * (1 - kept)
  return {
    names: random() < 0.5 ? 'journal' : 'folders',
    write: () => {
      const fate = random()
      return fate < kept ? 'kept' : fate < kept + torn ? 'torn' : 'lost'
    },
    size: (['data', 'long', 'short'] as const)[Math.floor(random() * 3)]!,
    locks: 'noise',
    random,
  }
}

function changesNames({ kind, created }: Step): boolean {
  return created || ['rename', 'link', 'unlink', 'mkdir', 'rmdir'].includes(kind)
}

function behindMarks(steps: readonly Step[], from: number): number {
  let point = from
  while (steps[point]?.kind === 'mark') point++
  return point
}
