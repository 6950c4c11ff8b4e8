/** A line on a log of real segments under a clock that is advanced: devices that number what they say, and a ledger of it. */
import { expect } from 'vitest'
import type { GapEntry, Position, Receipt } from '../../src/contracts/log.ts'
import { Drain, type DrainOptions } from '../../src/log/delivery/drain.ts'
import { type Log, type LogOptions, openLog } from '../../src/log/log.ts'
import { ManualClock } from '../../src/time/manual-clock.ts'
import { expectAudited } from './audited.ts'
import { batchOf, groupOf, Said } from './batches.ts'
import { Receiver } from './receiver.ts'

export interface LineOptions extends Partial<LogOptions> {
  readonly devices?: number
  readonly tags?: number
  readonly replay: DrainOptions['replay']
  readonly takesMs: (entries: number) => number
}

/** What a device said: its own number, and where the log promised to have it. */
interface Promised {
  readonly device: number
  readonly number: number
  readonly at: number
  readonly position: Position
}

export class Line {
  readonly clock = new ManualClock()
  readonly said = new Said()
  readonly receiver: Receiver
  readonly groups
  /** By seq. */
  readonly promised = new Map<number, Promised>()
  log!: Log
  readonly #options: LineOptions
  readonly #path: string
  readonly #last: number[]
  #drain: Drain | undefined

  static async open(path: string, options: LineOptions): Promise<Line> {
    const line = new Line(path, options)
    await line.start()
    return line
  }

  private constructor(path: string, options: LineOptions) {
    this.#path = path
    this.#options = options
    const { devices = 3, tags = 4, takesMs } = options
    this.groups = Array.from({ length: devices }, (_, device) => groupOf(`d${device}`, tags))
    this.#last = this.groups.map(() => 0)
    this.receiver = new Receiver({ clock: this.clock, takesMs })
  }

  /** As a gateway that starts. */
  async start(): Promise<void> {
    const { clock, said: log } = this
    const defaults = { path: this.#path, quotaBytes: 2 ** 30, commitEveryMs: 0, evict: 'oldest' as const }
    this.log = await openLog({ ...defaults, ...this.#options, clock, log })
    const { name } = this.receiver
    this.log.configure({ groups: this.groups, readers: [name] })
    const cursor = await this.log.cursor(name, { from: 'oldest' })
    this.#drain = new Drain({ ...this.#options, sink: this.receiver, reader: this.log.reader, cursor, clock, log })
    this.#drain.start()
  }

  async stop(): Promise<void> {
    await this.#drain?.stop()
    await this.log.close()
    await expectAudited(this.#path)
  }

  get drain(): Drain {
    return this.#drain!
  }

  /** Each device says so many things; committed when it resolves. */
  async say(each = 1): Promise<void> {
    const { monotonic: at } = this.clock.now()
    const saying: Promise<void>[] = []
    for (let turn = 0; turn < each; turn++) {
      for (const [device, group] of this.groups.entries()) {
        const number = ++this.#last[device]!
        // The rest fits no shorter form, so that batches have their full size.
        const numbers = group.tags.map((_, tag) => (tag === 0 ? number : Math.sqrt(number * 1000 + tag)))
        const appending = this.log.writer.append({ ...batchOf(group, ...numbers), at: this.clock.now() })
        saying.push(
          appending.then((position) => void this.promised.set(position.seq, { device, number, at, position })),
        )
      }
    }
    await Promise.all(saying)
  }

  /** Says so many things each so often, while time goes on. */
  async flow(forMs: number, everyMs: number, each = 1): Promise<void> {
    for (let passed = 0; passed < forMs; passed += everyMs) {
      await this.say(each)
      await this.clock.advance(everyMs)
    }
  }

  /** Until the receiver has everything; more than `withinMs` is an error. */
  async drained(withinMs: number): Promise<void> {
    for (let passed = 0; this.receipt().pending > 0; passed += 1000) {
      expect(passed).toBeLessThan(withinMs)
      await this.clock.advance(1000)
    }
    await this.log.flush()
  }

  receipt(): Receipt {
    const receipt = this.drain.report().receipt
    const { stored, delivered, filtered, pending, quarantined, evicted } = receipt
    expect(delivered + filtered + pending + quarantined + evicted).toBe(stored)
    return receipt
  }

  /** What came, by stream, held against what was said. `gone`: seqs that were lost and told, or refused. */
  judge(gone: ReadonlySet<number> = new Set()): { readonly repeats: number; readonly worstMs: number } {
    const { arrivals } = this.receiver
    const came = new Set(arrivals.map(({ entry }) => entry.position.seq))
    for (const seq of this.promised.keys()) expect(came.has(seq) || gone.has(seq), `seq ${seq} is missing`).toBe(true)
    for (const historical of [false, true]) {
      const last = this.groups.map(() => 0)
      const seen = new Set<number>()
      for (const arrival of arrivals) {
        const { seq } = arrival.entry.position
        if (arrival.historical !== historical || seen.has(seq)) continue
        seen.add(seq)
        const said = this.promised.get(seq)
        if (said === undefined) continue
        expect(said.number, `${historical ? 'backlog' : 'live'}: device ${said.device}`).toBeGreaterThan(
          last[said.device]!,
        )
        last[said.device] = said.number
      }
    }
    return { repeats: arrivals.length - came.size, worstMs: Math.max(0, ...this.latencies()) }
  }

  /** From being said to having come, of what came live, milliseconds. */
  latencies(): number[] {
    return this.receiver.arrivals.flatMap(({ entry, historical, at }) => {
      const said = this.promised.get(entry.position.seq)
      return historical || said === undefined ? [] : [at - said.at]
    })
  }

  gaps(): readonly GapEntry[] {
    return this.receiver.arrivals.flatMap(({ entry }) => (entry.kind === 'gap' ? [entry] : []))
  }
}

/** The seqs that gaps speak of. */
export function toldBy(gaps: readonly GapEntry[]): Set<number> {
  const seqs = new Set<number>()
  for (const { range } of gaps) for (let seq = range!.from.seq; seq <= range!.to.seq; seq++) seqs.add(seq)
  return seqs
}
