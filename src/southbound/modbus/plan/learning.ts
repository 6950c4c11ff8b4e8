/** Reading a device by what it refuses: a refused request is halved until it is known why, what is known is read around, and
 *  after a while each fact is tried again by one request. One bad register costs its neighbours nothing. */
import { Reason } from '../../../contracts/batch.ts'
import type { Clock } from '../../../contracts/clock.ts'
import { Retryable } from '../../../contracts/errors.ts'
import { isRefusal } from '../frames/exceptions.ts'
import { isBits } from '../schema/address.ts'
import type { Area, TagSettings } from '../settings.ts'
import { DeviceFacts, type Fact } from './knowledge.ts'
import { isWhole, type ModbusRequest, partOf, replanRequest, splitRequest } from './plan.ts'

/** A refusal may pass: a controller that starts up refuses, too. */
const TRY_AGAIN_MS = 600_000
/** After a restart the first polls are made by what is known. */
const FIRST_TRY_MS = 5000
/** Extra questions one read may spend on finding out; the rest waits for the next cycle. */
const PROBES = 32
/** After so many silences a request that was never answered is tried smaller: some devices are silent to what is too long. */
const SILENCES = 3

/** How one request is read by what is known. */
interface Detour {
  readonly revision: number
  readonly parts: readonly ModbusRequest[]
  readonly refused: readonly { readonly request: ModbusRequest; readonly fact: Fact }[]
  /** Those that bear on the request. */
  readonly facts: readonly Fact[]
}

/** One read under way. */
interface Reading {
  readonly device: DeviceFacts
  /** Puts one request on the wire; 0 or the exception. */
  readonly ask: (request: ModbusRequest) => Promise<number>
  /** Told of every part that gave no values in this cycle. */
  readonly mark: (request: ModbusRequest, code: number) => void
  /** Who the device says it is; null: it does not say; undefined: it could not be asked now. */
  readonly identify: () => Promise<string | null | undefined>
  probes: number
}

interface LearningOptions {
  readonly clock: Clock
  readonly generation: () => number
  /** What is remembered of a device from before; undefined: nothing. */
  readonly remembered: (device: string) => unknown
  /** A fact was learnt, or is true no more. */
  readonly changed: (device: string, facts: DeviceFacts) => void
}

export class Learning {
  readonly #options: LearningOptions
  readonly #devices = new Map<string, DeviceFacts>()
  readonly #detours = new WeakMap<ModbusRequest, Detour>()
  /** Requests that cannot be halved and are refused whole. */
  readonly #whole = new WeakMap<
    ModbusRequest,
    { readonly code: number; readonly until: number; readonly generation: number }
  >()
  readonly #silences = new WeakMap<ModbusRequest, number>()
  readonly #answered = new WeakSet<ModbusRequest>()

  constructor(options: LearningOptions) {
    this.#options = options
  }

  facts(device: string, unit: number): DeviceFacts {
    let facts = this.#devices.get(device)
    if (facts === undefined || facts.unit !== unit) {
      const roundAt = this.#options.clock.monotonic() + FIRST_TRY_MS
      facts = new DeviceFacts({ unit, roundAt, generation: this.#options.generation() })
      facts.remember(this.#options.remembered(device))
      this.#devices.set(device, facts)
    }
    return facts
  }

  /** Nothing is known that bears on the request, and it has been answered: it is simply asked. */
  plain(request: ModbusRequest): boolean {
    return (
      this.#answered.has(request) && this.#devices.get(request.device)?.facts.length === 0 && !this.#whole.has(request)
    )
  }

  /** Throws what `ask` throws. */
  async read(request: ModbusRequest, options: Pick<Reading, 'ask' | 'mark' | 'identify'>): Promise<void> {
    const device = this.facts(request.device, request.unit)
    const { revision } = device
    try {
      await this.#read(request, { ...options, device, probes: PROBES })
      if (device.identity === undefined && device.facts.length > 0) await this.#introduce(request, device, options)
    } finally {
      if (device.revision !== revision) this.#options.changed(request.device, device)
    }
  }

  /** Who it is that this was learnt of; not at once: what has just been refused may be about to pass. */
  async #introduce(
    request: ModbusRequest,
    device: DeviceFacts,
    { identify }: Pick<Reading, 'identify'>,
  ): Promise<void> {
    const now = this.#options.clock.monotonic()
    if (device.introduceAt === null) device.introduceAt = now + FIRST_TRY_MS
    if (now < device.introduceAt) return
    device.introduceAt = now + TRY_AGAIN_MS
    device.identity = await identify()
    if (device.identity !== undefined) this.#options.changed(request.device, device)
  }

  async #read(request: ModbusRequest, reading: Reading): Promise<void> {
    const { device, mark } = reading
    const whole = this.#whole.get(request)
    if (whole !== undefined) {
      const { code, until, generation } = whole
      if (this.#options.clock.monotonic() < until && generation === this.#options.generation())
        return mark(request, code)
      this.#whole.delete(request)
    }
    if (device.facts.length === 0) return this.#part(request, reading)
    const detour = this.#detour(request, device)
    let due = this.#due(detour, device)
    if (due !== undefined && device.doubtful) due = undefined
    if (due !== undefined) reading.probes--
    for (const part of detour.parts) await this.#part(part, reading)
    for (const { request: single, fact } of detour.refused) if (fact !== due) mark(single, fact.value)
    if (due !== undefined) await this.#tryAgain(request, due, detour, reading)
    else if (device.doubtful) await this.#recognise(reading)
  }

  async #part(part: ModbusRequest, reading: Reading): Promise<void> {
    const code = await this.#askPart(part, reading)
    if (code === 0) return
    // A queue that holds more than it can give refuses with 3: that passes.
    const passes = part.function === 24 && code === 3
    if (isRefusal(code) && !passes) await this.#findOut(part, code, reading)
    else reading.mark(part, code)
  }

  // ── what is known ────────────────────────────────────────────────────────────────────────────

  #detour(request: ModbusRequest, device: DeviceFacts): Detour {
    const known = this.#detours.get(request)
    if (known?.revision === device.revision) return known
    const detour = this.#plan(request, device, null)
    this.#detours.set(request, detour)
    return detour
  }

  /** `without`: as if that were not known. */
  #plan(request: ModbusRequest, device: DeviceFacts, without: Fact | null): Detour {
    const { revision } = device
    const area = areaOf(request)
    const end = request.address + request.quantity
    const bits = area !== null && isBits(area)
    const facts = device.facts.filter((fact) => {
      if (fact === without || area === null) return false
      if (fact.kind === 'limit') return fact.area === (bits ? 'coil' : 'holding') && request.quantity > fact.value
      return fact.area === area && fact.from < end && fact.to >= request.address
    })
    if (facts.length === 0 || isWhole(request)) return { revision, parts: [request], refused: [], facts: [] }
    const refused: { request: ModbusRequest; fact: Fact }[] = []
    const kept = request.members.filter((tag) => {
      const { address, span } = tag.settings as TagSettings
      const fact = facts.find(
        (each) => each.kind === 'refused' && each.from === address && each.to === address + span - 1,
      )
      if (fact === undefined) return true
      if (!refused.some((each) => each.fact === fact)) {
        const members = request.members.filter((other) => {
          const settings = other.settings as TagSettings
          return settings.address === address && settings.span === span
        })
        refused.push({ request: partOf(request, members), fact })
      }
      return false
    })
    const most = facts.find(({ kind }) => kind === 'limit')?.value ?? null
    const avoid = facts.filter(({ kind }) => kind === 'hole' || kind === 'refused')
    const seams = facts.filter(({ kind }) => kind === 'seam').map(({ from }) => from)
    const parts = replanRequest(request, { members: kept, most, avoid, seams })
    return { revision, parts, refused, facts }
  }

  // ── trying again ─────────────────────────────────────────────────────────────────────────────

  /** The fact whose turn it is, if any is due. */
  #due(detour: Detour, device: DeviceFacts): Fact | undefined {
    const now = this.#options.clock.monotonic()
    const generation = this.#options.generation()
    if (now >= device.roundAt || generation !== device.generation) {
      device.doubtful = typeof device.identity === 'string' && (device.round === 0 || generation !== device.generation)
      device.round++
      device.roundAt = now + TRY_AGAIN_MS
      device.generation = generation
    }
    return detour.facts.find((fact) => fact.round < device.round)
  }

  /** Of another device than it was learnt of, nothing is known. */
  async #recognise({ device, identify }: Reading): Promise<void> {
    device.doubtful = false
    const identity = await identify()
    if (identity !== undefined && identity !== device.identity) device.clear()
  }

  /** One request says whether it is still so. */
  async #tryAgain(request: ModbusRequest, fact: Fact, detour: Detour, reading: Reading): Promise<void> {
    const { device } = reading
    const before = fact.round
    fact.round = device.round
    const single = detour.refused.find((each) => each.fact === fact)?.request
    const probe = single ?? this.#probeOf(request, fact, device)
    if (probe === undefined) return
    const code = await reading.ask(probe).catch((thrown) => {
      // Silence to more than it gives is what is expected; a line that fails says nothing.
      if (fact.kind !== 'limit') fact.round = before
      throw thrown
    })
    if (code === 0) {
      device.forget(fact)
      return
    }
    if (single === undefined) return
    reading.mark(single, code)
    // Neighbours that were refused with it still are.
    for (let grown = true, [from, to] = [fact.from, fact.to]; grown; ) {
      grown = false
      for (const other of device.facts) {
        if (other.kind !== 'refused' || other.area !== fact.area || other.round === device.round) continue
        if (other.from > to + 1 || other.to < from - 1) continue
        other.round = device.round
        from = Math.min(from, other.from)
        to = Math.max(to, other.to)
        grown = true
      }
    }
  }

  /** The request that would be made if the fact were not known. */
  #probeOf(request: ModbusRequest, fact: Fact, device: DeviceFacts): ModbusRequest | undefined {
    return this.#plan(request, device, fact).parts.find(({ address, quantity }) =>
      fact.kind === 'limit' ? quantity > fact.value : address < fact.from && address + quantity > fact.to,
    )
  }

  // ── finding out ──────────────────────────────────────────────────────────────────────────────

  /** Halves what was refused. What is not found out in this read is in the next one. */
  async #findOut(part: ModbusRequest, code: number, reading: Reading): Promise<void> {
    const open = [{ request: part, code }]
    while (open.length > 0 && reading.probes > 0) {
      const { request, code } = open.shift()!
      const halves = splitRequest(request)
      if (halves.length < 2) {
        this.#refuse(request, code, reading)
        continue
      }
      const answers: { request: ModbusRequest; code: number }[] = []
      for (const half of halves) answers.push({ request: half, code: await this.#probe(half, reading) })
      if (answers.every((answer) => answer.code === 0)) {
        await this.#understand(request, halves, reading)
        continue
      }
      for (const answer of answers.reverse()) {
        if (isRefusal(answer.code)) open.unshift(answer)
        else if (answer.code !== 0) reading.mark(answer.request, answer.code)
      }
    }
    for (const { request, code } of open) reading.mark(request, code)
  }

  #probe(request: ModbusRequest, reading: Reading): Promise<number> {
    reading.probes--
    return reading.ask(request)
  }

  #refuse(request: ModbusRequest, code: number, reading: Reading): void {
    reading.mark(request, code)
    const area = areaOf(request)
    if (area === null || isWhole(request)) {
      const until = this.#options.clock.monotonic() + TRY_AGAIN_MS
      this.#whole.set(request, { code, until, generation: this.#options.generation() })
    } else
      reading.device.learn({
        kind: 'refused',
        area,
        from: request.address,
        to: request.address + request.quantity - 1,
        value: code,
      })
  }

  /** Both halves are given and the whole is not: a hole between them, a place that is not read across, or too much at once. */
  async #understand(request: ModbusRequest, halves: readonly ModbusRequest[], reading: Reading): Promise<void> {
    const [left, right] = halves as [ModbusRequest, ModbusRequest]
    // A device that was starting up gives it now.
    if (!isRefusal(await this.#probe(request, reading))) return
    const area = areaOf(request)!
    const end = left.address + left.quantity
    if (right.address > end) {
      reading.device.learn({ kind: 'hole', area, from: end, to: right.address - 1, value: 0 })
      return
    }
    let [good, bad] = [left.quantity, request.quantity]
    while (bad - good > 1) {
      const middle = (good + bad) >> 1
      if ((await this.#probe(raw(request, request.address, middle), reading)) === 0) good = middle
      else bad = middle
    }
    // As much from one register further on: a limit gives it, a place that is not read across does not.
    const shifted = good > 1 ? raw(request, request.address + 1, good) : raw(request, request.address + 1, 2)
    const given =
      shifted.address + shifted.quantity <= request.address + request.quantity &&
      (await this.#probe(shifted, reading)) === 0
    if (given === good > 1) {
      this.#learnLimit(request, good, reading)
    } else {
      const seam = request.address + good
      reading.device.learn({ kind: 'seam', area, from: seam, to: seam, value: 0 })
    }
  }

  /** A part that was never answered is tried smaller after a while: what is silent to much may answer to less. */
  async #askPart(part: ModbusRequest, reading: Reading): Promise<number> {
    const silences = this.#silences.get(part) ?? 0
    const smaller = silences >= SILENCES && !this.#answered.has(part) ? smallerOf(part, silences - SILENCES) : undefined
    let less = false
    try {
      if (smaller !== undefined) less = (await reading.ask(smaller)) === 0
      const code = await reading.ask(part)
      this.#answered.add(part)
      this.#silences.delete(part)
      return code
    } catch (thrown) {
      if (!(thrown instanceof Retryable) || thrown.reason !== Reason.timeout) throw thrown
      this.#silences.set(part, silences + 1)
      if (less) this.#learnLimit(part, smaller!.quantity, reading)
      throw thrown
    }
  }

  #learnLimit(request: ModbusRequest, most: number, reading: Reading): void {
    const area = isBits(areaOf(request)!) ? 'coil' : 'holding'
    reading.device.learn({ kind: 'limit', area, from: 0, to: 0, value: most })
  }
}

function areaOf(request: ModbusRequest): Area | null {
  return request.function > 4 ? null : ((request.members[0]!.settings as TagSettings).area as Area)
}

/** Asks for registers without taking their values. */
function raw(like: ModbusRequest, address: number, quantity: number): ModbusRequest {
  return { ...like, address, quantity, tags: new Uint32Array(0), members: [], decode: () => {} }
}

/** The first half of a request, of that the half, and so on; undefined: it cannot be less. */
function smallerOf(request: ModbusRequest, times: number): ModbusRequest | undefined {
  let smaller: ModbusRequest | undefined
  for (let at = 0; at <= times; at++) {
    const [first] = splitRequest(smaller ?? request)
    if (first === undefined) break
    smaller = first
  }
  return smaller
}
