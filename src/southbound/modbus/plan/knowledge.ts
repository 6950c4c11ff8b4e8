/** What was learnt of a device by asking it: registers it refuses, holes it does not let be read along, places where a read must
 *  not go across, and how much it gives at once. Plain facts, kept over a restart. Why: docs/decisions/0021. */
import type { Knowledge } from '../../../contracts/driver.ts'
import { exception } from '../frames/pdu.ts'
import { formatRange } from '../schema/address.ts'
import type { AddressRange, Area } from '../settings.ts'

type Kind = 'refused' | 'hole' | 'seam' | 'limit'

export interface Fact {
  readonly kind: Kind
  readonly area: Area
  /** Both ends included. `refused`: exactly the registers of one value; `seam`: `from` is the first register after it. A
   *  `limit` holds for the device, for registers (`holding`) or for bits (`coil`). */
  readonly from: number
  readonly to: number
  /** `refused`: the exception; `limit`: the most that one request may ask for. */
  readonly value: number
  /** The round of trying again in which it was last found true. */
  round: number
}

/** A file that holds more than this of one device is not worth keeping: the device is another one. */
const MOST_FACTS = 500
const MOST_NAME = 200
const KINDS: readonly Kind[] = ['refused', 'hole', 'seam', 'limit']
const AREAS: readonly Area[] = ['coil', 'discrete', 'input', 'holding']

export class DeviceFacts {
  readonly unit: number
  facts: readonly Fact[]
  /** Who the device said it was when this was learnt; null: it does not say; undefined: it was not asked. */
  identity: string | null | undefined
  /** Monotonic; null: not set yet. */
  introduceAt: number | null = null
  /** It has been away: it may be another device now. */
  doubtful = false
  /** Rises with every change: what was planned by older facts is planned again. */
  revision = 1
  /** Facts of an older round are due to be tried again. */
  round = 0
  /** Monotonic. */
  roundAt: number
  generation: number

  constructor(options: { unit: number; roundAt: number; generation: number }) {
    this.unit = options.unit
    this.facts = []
    this.roundAt = options.roundAt
    this.generation = options.generation
  }

  /** False: it was known, or there is no room. */
  learn(fact: Omit<Fact, 'round'>): boolean {
    if (this.facts.some((known) => same(known, fact)) || this.facts.length >= MOST_FACTS) return false
    const others = fact.kind === 'limit' ? this.facts.filter((known) => !rival(known, fact)) : this.facts
    this.facts = [...others, { ...fact, round: this.round }]
    this.revision++
    return true
  }

  forget(fact: Fact): void {
    this.facts = this.facts.filter((known) => known !== fact)
    this.revision++
  }

  clear(): void {
    this.facts = []
    this.identity = undefined
    this.introduceAt = null
    this.revision++
  }

  limit(bits: boolean): number | null {
    const area = bits ? 'coil' : 'holding'
    return this.facts.find((fact) => fact.kind === 'limit' && fact.area === area)?.value ?? null
  }

  /** What is not to be read along. */
  get avoid(): readonly AddressRange[] {
    return this.facts.filter(({ kind }) => kind === 'hole' || kind === 'refused')
  }

  /** For people, and as the keys of a profile. */
  told(digits: 'one-based' | 'zero-based'): Knowledge {
    const range = ({ area, from, to }: AddressRange): string => formatRange(area, from, to, digits)
    const refused = merged(this.facts.filter(({ kind }) => kind === 'refused'))
    const holes = merged(this.facts.filter(({ kind }) => kind === 'hole'))
    const seams = this.facts.filter(({ kind }) => kind === 'seam')
    const [registers, bits] = [this.limit(false), this.limit(true)]
    const sentences = [
      ...refused.map((each) => `refuses ${range(each)} (${refusalText(each.value)})`),
      ...holes.map((each) => `does not let ${range(each)} be read along`),
      ...seams.map(({ area, from }) => `gives nothing across ${range({ area, from: from - 1, to: from })}`),
      ...(registers === null ? [] : [`gives at most ${registers} register${registers === 1 ? '' : 's'}`]),
      ...(bits === null ? [] : [`gives at most ${bits} bit${bits === 1 ? '' : 's'}`]),
    ]
    return {
      sentences,
      keys: {
        ...(registers === null ? {} : { maxRegisters: registers }),
        ...(bits === null ? {} : { maxBits: bits }),
        ...(holes.length === 0 ? {} : { noTouch: holes.map(range) }),
        ...(refused.length === 0 ? {} : { omit: refused.map(range) }),
      },
    }
  }

  plain(): unknown {
    return { unit: this.unit, identity: this.identity, facts: this.facts.map(({ round, ...fact }) => fact) }
  }

  /** Takes over what `plain` gave, if it is that and of this unit. */
  remember(plain: unknown): this {
    const { unit, identity, facts } = (plain ?? {}) as { unit?: unknown; identity?: unknown; facts?: unknown }
    if (unit !== this.unit || !Array.isArray(facts)) return this
    this.facts = facts
      .slice(0, MOST_FACTS)
      .filter(isFact)
      .map(({ kind, area, from, to, value }) => ({ kind, area, from, to, value, round: 0 }))
    this.identity = typeof identity === 'string' ? identity.slice(0, MOST_NAME) : null
    return this
  }
}

function isFact(given: unknown): given is Omit<Fact, 'round'> {
  const { kind, area, from, to, value } = (given ?? {}) as Partial<Fact>
  const address = (each: unknown): each is number =>
    Number.isInteger(each) && (each as number) >= 0 && (each as number) < 65_536
  if (!KINDS.includes(kind!) || !AREAS.includes(area!) || !address(from) || !address(to) || from > to) return false
  return Number.isInteger(value) && value! >= (kind === 'limit' || kind === 'refused' ? 1 : 0) && value! <= 2000
}

function same(one: Omit<Fact, 'round'>, other: Omit<Fact, 'round'>): boolean {
  const { kind, area, from, to, value } = other
  return one.kind === kind && one.area === area && one.from === from && one.to === to && one.value === value
}

/** Limits of the same device: the newer counts. */
function rival(known: Fact, fact: Omit<Fact, 'round'>): boolean {
  return known.kind === 'limit' && known.area === fact.area
}

/** Neighbours with the same reason as one. */
function merged(facts: readonly Fact[]): readonly Fact[] {
  const sorted = facts.toSorted((one, other) => one.area.localeCompare(other.area) || one.from - other.from)
  const runs: Fact[] = []
  for (const fact of sorted) {
    const last = runs.at(-1)
    if (last !== undefined && last.area === fact.area && last.value === fact.value && fact.from <= last.to + 1) {
      runs[runs.length - 1] = { ...last, to: Math.max(last.to, fact.to) }
    } else runs.push(fact)
  }
  return runs
}

function refusalText(code: number): string {
  return code === 2 ? 'no such address' : `it ${exception(code).text}`
}
