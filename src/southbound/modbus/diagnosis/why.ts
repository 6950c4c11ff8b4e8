/** Finds out why a device does not answer: one question after the other, from the port up, each told with its finding. What
 *  the findings mean is diagnosis.ts. */
import type { LineSettings } from '../../../../hal/contract.ts'
import type { Clock } from '../../../contracts/clock.ts'
import type { State } from '../../../contracts/component.ts'
import type { Diagnosis, Errand, Inquiry } from '../../../contracts/errand.ts'
import { Retryable } from '../../../contracts/errors.ts'
import type { Asking } from '../asking.ts'
import { exception } from '../frames/pdu.ts'
import type { ModbusRequest } from '../plan/plan.ts'
import type { ConnectionSettings, DeviceSettings } from '../settings.ts'
import { diagnose, type Evidence } from './diagnosis.ts'
import { isThere, type Probed, probe, type Question } from './probe.ts'
import type { Elsewhere } from './scan.ts'
import { lineName } from './scan-wish.ts'
import { Mark, type Recorded, type Trace, Way } from './trace.ts'
import { findOdd } from './why-odd.ts'
import { findRefusal } from './why-refusal.ts'

/** Questions to the device before it is called silent or damaged. */
const TRIES = 3
const MOST_NEIGHBOURS = 5
/** Ids that devices have when nobody set one. */
const LIKELY_UNITS = [...Array.from({ length: 16 }, (_, at) => at + 1), 247]
const LIKELY_TCP_UNITS = [1, 0, 255, 2, 3, 247]
/** Of one turn. */
const MOST_FRAMES = 1000
const LIKELY_BAUD_RATES = [9600, 19_200, 38_400, 115_200]
/** Others are asked with little patience: a diagnosis is waited for. */
const SHORT_MS = 300
/** A connection that is just being made is waited for. */
const CONNECTING_MS = 4000

export interface WhyOptions {
  readonly inquiry: Inquiry
  /** Another master asks; nothing is ever sent. */
  readonly listens: boolean
  readonly settings: ConnectionSettings
  readonly requests: readonly ModbusRequest[]
  readonly asking: Asking
  readonly elsewhere: Elsewhere
  readonly trace: Trace
  readonly clock: Clock
  readonly state: () => State
  readonly errand: Errand
}

export async function why(options: WhyOptions): Promise<Diagnosis> {
  const { inquiry } = options
  const inquest = new Inquest(options)
  const evidence = await inquest.gather()
  return { device: inquiry.device.name, steps: inquest.steps, ...diagnose(evidence) }
}

type Open = { -readonly [key in keyof Evidence]: Evidence[key] }

class Inquest {
  readonly steps: { question: string; finding: string }[] = []
  readonly #options: WhyOptions
  readonly #unit: number
  readonly #timeoutMs: number
  readonly #evidence: Open

  constructor(options: WhyOptions) {
    const { inquiry, settings } = options
    const { device } = inquiry
    const { unitId, timeoutMs } = device.settings as DeviceSettings
    this.#options = options
    this.#unit = unitId
    this.#timeoutMs = timeoutMs
    this.#evidence = {
      device: device.name,
      unit: unitId,
      kind: settings.kind,
      where: settings.kind === 'rtu' ? settings.port : `${settings.host}:${settings.port}`,
      line: settings.kind === 'rtu' ? lineName(settings) : null,
      enabled: device.enabled,
      trouble: null,
      sent: null,
      answer: 'unasked',
      exception: null,
      attendance: inquiry.attendance,
      listens: options.listens,
      impostor: null,
      collided: false,
      otherMaster: false,
      otherLine: null,
      neighbours: { asked: 0, answering: [], damaged: [] },
      strangers: [],
      refusal: null,
      odd: null,
    }
  }

  async gather(): Promise<Evidence> {
    const evidence = this.#evidence
    if (!evidence.enabled) {
      this.#step('is it switched on?', 'no: "enabled: false"')
      return evidence
    }
    await this.#connection()
    const { mayAsk } = this.#options.inquiry
    if (evidence.trouble !== null) return evidence
    if (!mayAsk) {
      this.#step(
        'does it answer?',
        `${evidence.attendance.text}; nothing is asked: ${evidence.listens ? 'this connection only listens' : 'the door is shut'}`,
      )
      return evidence
    }
    const answer = await this.#ask()
    if (evidence.trouble !== null || answer === null || evidence.sent === false) return evidence
    if (evidence.answer === 'silent' || evidence.answer === 'damaged') await this.#aroundIt()
    else if (evidence.answer !== 'nobody') await this.#registers()
    return evidence
  }

  async #connection(): Promise<void> {
    const { state, clock, errand } = this.#options
    const until = clock.monotonic() + CONNECTING_MS
    while (state().condition === 'waiting' && clock.monotonic() < until) await clock.sleep(100, errand.signal)
    const { condition, text } = state()
    const tcp = this.#evidence.kind !== 'rtu'
    this.#step(tcp ? 'does the address take connections?' : 'is the port there and free?', text)
    if (condition === 'fault' || condition === 'refused' || condition === 'waiting') this.#evidence.trouble = text
  }

  /** The device itself, with the first of its own questions. */
  async #ask(): Promise<Probed | null> {
    const { requests } = this.#options
    const evidence = this.#evidence
    const own = requests[0]
    const simple = own !== undefined && own.function <= 4 ? own : undefined
    const question: Question = {
      unit: this.#unit,
      function: simple?.function ?? 3,
      address: simple?.address ?? 0,
      quantity: simple?.quantity ?? 1,
      timeoutMs: this.#timeoutMs,
    }
    const frames: Recorded[] = []
    let probed: Probed | null = null
    let damaged = 0
    for (let tries = 0; tries < TRIES && (probed === null || !isThere(probed)); tries++) {
      probed = await this.#probed(question, frames)
      if (probed === null) return null
      if (probed.outcome === 'damaged') damaged++
      if (probed.outcome === 'nobody') break
    }
    evidence.sent = frames.some(isSent)
    this.#step('did our question leave?', evidence.sent ? `yes, ${frames.filter(isSent).length} of them` : 'no')
    this.#overheard(frames)
    const { outcome } = probed!
    evidence.answer = outcome === 'silent' && damaged > 0 ? 'damaged' : outcome
    if (probed!.outcome === 'exception') evidence.exception = probed!.code
    if (outcome === 'nobody') evidence.exception = /10/.test(probed!.text) ? 10 : 11
    this.#step('did anything come back?', back(probed!, frames, damaged))
    return probed
  }

  #overheard(frames: readonly Recorded[]): void {
    const evidence = this.#evidence
    for (const { mark, unit } of frames) {
      if (mark === Mark.foreignUnit) evidence.impostor = unit
      if (mark === Mark.collision) evidence.collided = true
      if (mark === Mark.foreignQuestion) evidence.otherMaster = true
    }
  }

  /** null: the connection was lost meanwhile. `frames`: takes what passed in this turn, polls between the turns not. */
  async #probed(question: Question, frames: Recorded[] = []): Promise<Probed | null> {
    const { asking, clock, errand, trace, settings } = this.#options
    // On TCP others may be under way at the same time.
    const ours = ({ unit, mark }: Recorded): boolean =>
      settings.kind !== 'tcp' || unit === question.unit || mark === Mark.foreignUnit
    try {
      return await errand.turn(async (signal) => {
        const from = trace.next
        const probed = await probe(asking, clock, question, signal, 2)
        frames.push(...trace.since(from, MOST_FRAMES).filter(ours))
        return probed
      })
    } catch (thrown) {
      if (!(thrown instanceof Retryable)) throw thrown
      this.#evidence.trouble = thrown.message
      this.#step('is the connection still there?', thrown.message)
      return null
    }
  }

  /** Neighbours, then what only a silent or a damaged device makes worth trying. */
  async #aroundIt(): Promise<void> {
    const evidence = this.#evidence
    await this.#neighbours()
    const { answering } = evidence.neighbours
    if (evidence.trouble !== null || evidence.impostor !== null) return
    const alone = answering.length === 0
    if (evidence.kind === 'rtu' && alone && !evidence.otherMaster) await this.#otherLines()
    if (evidence.answer === 'silent' && evidence.otherLine === null) await this.#strangers()
  }

  async #neighbours(): Promise<void> {
    const { inquiry } = this.#options
    const others = inquiry.neighbours.filter(({ settings }) => (settings as DeviceSettings).unitId !== this.#unit)
    if (others.length === 0) {
      this.#step('do its neighbours answer?', 'it has none')
      return
    }
    const answering: string[] = []
    const damaged: string[] = []
    const asked = others.slice(0, MOST_NEIGHBOURS)
    for (const { name, settings } of asked) {
      const { unitId, timeoutMs } = settings as DeviceSettings
      const probed = await this.#probed({ unit: unitId, function: 3, timeoutMs: Math.min(timeoutMs, 1000) })
      if (probed === null) return
      if (isThere(probed)) answering.push(name)
      else if (probed.outcome === 'damaged') damaged.push(name)
    }
    this.#evidence.neighbours = { asked: asked.length, answering, damaged }
    const dead = asked.length - answering.length - damaged.length
    const parts = [
      answering.length > 0 ? `${answering.join(', ')}: yes` : '',
      damaged.length > 0 ? `${damaged.join(', ')}: damaged` : '',
      dead > 0 ? `${dead} of ${asked.length} silent` : '',
    ]
    this.#step('do its neighbours answer?', parts.filter((part) => part !== '').join('; '))
  }

  async #otherLines(): Promise<void> {
    const { settings, elsewhere, clock } = this.#options
    if (settings.kind !== 'rtu') return
    const lines = LIKELY_BAUD_RATES.flatMap((baudRate) =>
      (['none', 'even', 'odd'] as const).map((parity): LineSettings => {
        const stopBits = parity === 'none' ? settings.stopBits : 1
        return { baudRate, parity, dataBits: settings.dataBits, stopBits }
      }),
    ).filter((line) => lineName(line) !== lineName(settings))
    const timeoutMs = Math.min(SHORT_MS, this.#timeoutMs)
    for (const line of lines) {
      const probed = await elsewhere(line, (asking, signal) =>
        probe(asking, clock, { unit: this.#unit, function: 3, timeoutMs }, signal),
      )
      if (!isThere(probed)) continue
      this.#evidence.otherLine = lineName(line)
      break
    }
    const { otherLine } = this.#evidence
    const none = `no, at none of ${lines.length} others`
    this.#step('does it answer at another baud rate or parity?', otherLine === null ? none : `yes, at ${otherLine}`)
  }

  async #strangers(): Promise<void> {
    const { inquiry, settings } = this.#options
    const known = new Set(inquiry.neighbours.map((device) => (device.settings as DeviceSettings).unitId))
    const likely = settings.kind === 'tcp' ? LIKELY_TCP_UNITS : LIKELY_UNITS
    const units = likely.filter((unit) => unit !== this.#unit && !known.has(unit))
    const strangers: number[] = []
    const patienceMs = settings.kind === 'rtu' ? SHORT_MS : 2 * SHORT_MS
    for (const unit of units) {
      const probed = await this.#probed({ unit, function: 3, timeoutMs: Math.min(patienceMs, this.#timeoutMs) })
      if (probed === null) return
      if (isThere(probed)) strangers.push(unit)
    }
    this.#evidence.strangers = strangers
    const finding = strangers.length === 0 ? `no (asked ${units.length})` : `yes: unit ${strangers.join(', ')}`
    this.#step('does a likely unit id answer that nobody configured?', finding)
  }

  /** It is there: which of its registers are refused, and which values make no sense. */
  async #registers(): Promise<void> {
    const { requests, inquiry } = this.#options
    const evidence = this.#evidence
    const found = await findRefusal(requests, (request) => this.#asked(request), this.#options.settings.digits)
    if (evidence.trouble !== null) return
    evidence.refusal = found.refusal
    this.#step('does it know all that is asked of it?', found.finding)
    if (evidence.refusal !== null) return
    evidence.odd = findOdd(found.answers)
    const { odd } = evidence
    const all = inquiry.groups.reduce((sum, { tags }) => sum + tags.length, 0)
    const fine = all === 0 ? 'there are none' : 'nothing strange'
    const strange = odd === null ? fine : `${odd.tag} reads ${odd.text} as ${odd.type}; as ${odd.order} ${odd.instead}`
    this.#step('do its values make sense?', strange)
  }

  #asked(question: Omit<Question, 'unit' | 'timeoutMs'>): Promise<Probed | null> {
    return this.#probed({ ...question, unit: this.#unit, timeoutMs: this.#timeoutMs })
  }

  #step(question: string, finding: string): void {
    this.steps.push({ question, finding })
    this.#options.errand.say(`${question} ${finding}`)
  }
}

function isSent({ way }: Recorded): boolean {
  return way === Way.sent
}

function back(probed: Probed, frames: readonly Recorded[], damaged: number): string {
  if (probed.outcome === 'answer') return 'a good answer'
  if (probed.outcome === 'exception') return `exception ${probed.code}: it ${exception(probed.code).text}`
  if (probed.outcome === 'nobody') return probed.text
  const bytes = frames.reduce((sum, { way, bytes }) => sum + (way === Way.received ? bytes.length : 0), 0)
  if (bytes === 0) return 'not one byte'
  return damaged > 0 ? `${bytes} bytes, but no whole answer` : `${bytes} bytes, but no answer`
}
