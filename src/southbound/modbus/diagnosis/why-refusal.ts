/** Which registers a device refuses, and what near them it answers. */

import type { ModbusRequest } from '../plan/plan.ts'
import { type Digits, formatAddress, formatRange } from '../schema/address.ts'
import type { Area, TagSettings } from '../settings.ts'
import type { Refusal } from './diagnosis.ts'
import type { Probed, Question } from './probe.ts'

type Asked = Omit<Question, 'unit' | 'timeoutMs'>
type Ask = (question: Asked) => Promise<Probed | null>

export interface Answered {
  readonly request: ModbusRequest
  readonly content: Uint8Array
}

const MOST_REQUESTS = 20
const MOST_TAGS = 24
const AREAS: Readonly<Record<number, Area>> = { 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' }
const FUNCTIONS: Readonly<Record<Area, 1 | 2 | 3 | 4>> = { coil: 1, discrete: 2, holding: 3, input: 4 }
const TWIN: Readonly<Record<Area, Area>> = { coil: 'discrete', discrete: 'coil', holding: 'input', input: 'holding' }

/** Asks for each request of the device, and takes the first that is refused apart. */
export async function findRefusal(
  requests: readonly ModbusRequest[],
  ask: Ask,
  digits: Digits,
): Promise<{ refusal: Refusal | null; finding: string; answers: readonly Answered[] }> {
  const answers: Answered[] = []
  // A queue loses what is read of it, and a file has no neighbours to try.
  const simple = requests.filter(({ function: code }) => code <= 4).slice(0, MOST_REQUESTS)
  for (const request of simple) {
    const { function: code, address, quantity } = request
    const probed = await ask({ function: code, address, quantity })
    if (probed === null) break
    if (probed.outcome === 'answer') answers.push({ request, content: probed.content })
    if (probed.outcome !== 'exception') continue
    const refusal = await takenApart(request, probed.code, ask, digits)
    const tags = refusal.tags.length === 0 ? 'but each tag alone is answered' : refusal.tags.join(', ')
    const offers = refusal.offers.map((offer) => offer.address).join(', ')
    const nearby = offers === '' ? '' : `; answered nearby: ${offers}`
    return { refusal, finding: `no: ${refusal.request} draws exception ${probed.code}, ${tags}${nearby}`, answers }
  }
  return {
    refusal: null,
    finding: simple.length === 0 ? 'nothing is asked of it' : `yes, ${answers.length} requests`,
    answers,
  }
}

async function takenApart(request: ModbusRequest, exception: number, ask: Ask, digits: Digits): Promise<Refusal> {
  const area = AREAS[request.function]!
  const text = formatRange(area, request.address, request.address + request.quantity - 1, digits)
  const tags: string[] = []
  let first: TagSettings | null = null
  if (exception <= 3) {
    for (const { info, settings } of request.members.slice(0, MOST_TAGS)) {
      const own = settings as TagSettings
      if (own.area === 'fifo' || own.area === 'file') continue
      const probed = await ask({ function: FUNCTIONS[own.area], address: own.address, quantity: own.span })
      if (probed?.outcome !== 'exception') continue
      tags.push(info.name)
      first ??= own
    }
  }
  return { exception, request: text, tags, offers: first === null ? [] : await nearby(first, ask, digits) }
}

async function nearby(tag: TagSettings, ask: Ask, digits: Digits): Promise<Refusal['offers']> {
  const { address, span } = tag
  const area = tag.area as Area
  const candidates = [
    { area, address: address - 1, how: 'lower' },
    { area: TWIN[area], address, how: 'other area' },
    { area, address: address + 1, how: 'higher' },
  ] as const
  const offers: Refusal['offers'][number][] = []
  for (const candidate of candidates) {
    if (candidate.address < 0 || candidate.address + span > 0x10000) continue
    const question = { function: FUNCTIONS[candidate.area], address: candidate.address, quantity: span }
    const probed = await ask(question)
    if (probed?.outcome !== 'answer') continue
    offers.push({ address: formatAddress(candidate.area, candidate.address, digits), how: candidate.how })
  }
  return offers
}
