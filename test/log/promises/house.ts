/** The log between its source and its far sides, with both ends in one process or in two: every promise is tried in both
 *  houses, by the same words. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { Batch } from '../../../src/contracts/batch.ts'
import type { State } from '../../../src/contracts/component.ts'
import type { Entry, GapEntry, Position, Receipt } from '../../../src/contracts/log.ts'
import type { LogReport } from '../../../src/contracts/report.ts'
import type { Place } from '../../../src/log/ends.ts'
import { expectAudited } from '../audited.ts'
import { audit, Receiver, Source } from './ledger.ts'
import type { Account, Delivery, Environments, Opening, Plug } from './messages.ts'
import { endIdle, Half, type Hearing, type User } from './process.ts'

type Side = 'field' | 'uplink'
type Settings = Partial<Omit<Opening, 'side' | 'path' | 'monotonic'>>

/** Two processes are two users of one group, as on a gateway; only root may have it so. */
const GROUP = 64_000
const USERS =
  process.getuid?.() === 0
    ? { field: { uid: 64_001, gid: GROUP }, uplink: { uid: 64_002, gid: GROUP } }
    : { field: undefined, uplink: undefined }
if (USERS.field === undefined) console.error('SKIPPED: the halves under two users, for want of root')

const root = mkdtempSync(join(tmpdir(), 'fieldgate-promises-'))
if (USERS.field !== undefined) shared(root, { uid: 0, gid: GROUP })
afterAll(() => {
  endIdle()
  rmSync(root, { recursive: true, force: true })
})
let folders = 0

/** One test for each house; at its end every receipt is held against the ledgers. */
export function promised(text: string, settings: Settings, body: (house: House) => Promise<void>): void {
  for (const processes of [1, 2] as const) {
    const where = processes === 1 ? 'one process' : 'two processes'
    it(`${text} (${where})`, { timeout: 180_000 }, async () => {
      const house = new House(processes, settings)
      try {
        await house.open()
        await body(house)
        await house.judge()
        await expectAudited(house.path, house.configured)
      } finally {
        await house.close()
      }
    })
  }
}

/** All in it belong to the group. */
function shared(folder: string, { uid, gid }: User): void {
  chownSync(folder, uid, gid)
  chmodSync(folder, 0o2770)
}

export class House {
  readonly path = join(root, String(++folders))
  readonly source = new Source()
  readonly processes: 1 | 2
  stream = ''
  readonly #receivers = new Map<string, Receiver>()
  readonly #plugs = new Map<string, Plug>()
  #readers: readonly string[] | undefined
  readonly #halves = new Map<Side, Half>()
  #settings: Settings
  #monotonic = 0

  constructor(processes: 1 | 2, settings: Settings) {
    this.processes = processes
    this.#settings = settings
    if (processes === 1 || USERS.field === undefined) return
    mkdirSync(this.path)
    shared(this.path, USERS.field)
  }

  /** undefined: every reader there is. */
  get configured(): readonly string[] | undefined {
    return this.#readers
  }

  // ── its processes ────────────────────────────────────────────────────────────────────────────

  /** Opens what is not open, the field first: the uplink waits for what it makes. */
  async open(): Promise<void> {
    if (this.processes === 1) {
      if (this.#halves.size > 0) return
      const both = this.#start(undefined)
      this.#halves.set('field', both).set('uplink', both)
      await this.#openSide('both', both)
    } else {
      for (const side of ['field', 'uplink'] as const) {
        if (this.#halves.has(side)) continue
        const half = this.#start(USERS[side])
        this.#halves.set(side, half)
        await this.#openSide(side, half)
      }
      // The uplink looks for the field's word from now on.
      await this.advance(100)
    }
  }

  /** Ends a half, and in a house of one process both; `open` starts them again. */
  async end(side: Side, how: 'stop' | 'kill'): Promise<void> {
    const half = this.#half(side)
    if (how === 'kill') await half.kill()
    else await half.release()
    for (const [name, other] of this.#halves) if (other === half) this.#halves.delete(name)
  }

  async restart(side: Side | 'both', how: 'stop' | 'kill', settings: Settings = {}): Promise<void> {
    this.#settings = { ...this.#settings, ...settings }
    for (const one of side === 'both' ? (['uplink', 'field'] as const) : [side]) {
      if (this.#halves.has(one)) await this.end(one, how)
    }
    await this.open()
  }

  async close(): Promise<void> {
    for (const half of new Set([...this.#halves.values()].reverse())) await half.release()
    this.#halves.clear()
  }

  // ── its source ───────────────────────────────────────────────────────────────────────────────

  /** The next numbers, at once; resolves when it is known what became of each. */
  async append(count: number, { device = 'press', tags = this.#opening.tags } = {}): Promise<readonly number[]> {
    const numbers = this.source.take(count, device)
    const asked = this.#half('field').ask('append', { numbers, device, tags })
    asked.catch(() => undefined)
    await this.source.known(numbers)
    return numbers
  }

  /** In commits of `each`. */
  async fill(count: number, options: { each?: number; device?: string; tags?: number } = {}): Promise<void> {
    const { each = 50 } = options
    for (let left = count; left > 0; left -= each) await this.append(Math.min(each, left), options)
  }

  // ── its far sides ────────────────────────────────────────────────────────────────────────────

  /** The far side of a sink, the same over restarts. */
  receiver(name: string): Receiver {
    let receiver = this.#receivers.get(name)
    if (receiver === undefined) {
      receiver = new Receiver(name)
      this.#receivers.set(name, receiver)
    }
    return receiver
  }

  async plug(name: string, options: Partial<Plug> = {}): Promise<Receiver> {
    const plug: Plug = {
      name,
      delivery: 'stored',
      from: 'oldest',
      replay: 'in-order',
      maxEntries: 500,
      wants: null,
      ready: false,
      resume: [],
      ...options,
    }
    this.#plugs.set(name, plug)
    const receiver = this.receiver(name)
    receiver.wants = plug.wants
    await this.#half('uplink').ask('plug', plug)
    return receiver
  }

  async unplug(name: string): Promise<void> {
    this.#plugs.delete(name)
    await this.#half('uplink').ask('unplug', name)
  }

  /** What is in force; without it nothing is deleted. */
  async configure(...readers: string[]): Promise<void> {
    this.#readers = readers
    for (const half of new Set(this.#halves.values())) await half.ask('configure', { readers })
  }

  // ── time and questions ───────────────────────────────────────────────────────────────────────

  /** Since the house was made, milliseconds. */
  get elapsedMs(): number {
    return this.#monotonic
  }

  /** UTC, milliseconds, on the clock of both halves. */
  get wall(): number {
    return Date.UTC(2026, 5, 1) + this.#monotonic
  }

  async advance(ms: number): Promise<void> {
    this.#monotonic += ms
    for (const half of new Set(this.#halves.values())) await half.ask('advance', ms)
  }

  /** Time goes on in steps until it is so. */
  async until(what: string, holds: () => boolean | Promise<boolean>, stepMs = 20): Promise<void> {
    const deadline = performance.now() + 60_000
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error(`it never came to this: ${what}`)
      await this.advance(stepMs)
    }
  }

  /** The uplink has heard of everything that is stored. */
  async seen(): Promise<void> {
    await this.until('the uplink has heard of it', async () => {
      const { head } = (await this.report()).log
      return head.seq === 0 || (await this.read(head, { entries: 1, bytes: 1 })).length > 0
    })
  }

  /** Everything that is stored was answered for by these sinks. */
  async drained(...names: string[]): Promise<void> {
    await this.until(`${names.join(' and ')} had everything`, async () => {
      const { head } = (await this.report()).log
      for (const name of names) {
        const { receipt, pending } = await this.account(name)
        if (pending.length > 0 || receipt.head.seq < head.seq) return false
      }
      return true
    })
  }

  async account(name: string): Promise<Account> {
    return (await this.#half('uplink').ask('account', name)) as Account
  }

  async report(): Promise<{ readonly log: LogReport; readonly places: readonly Place[] }> {
    return (await this.#half('field').ask('report', undefined as never)) as never
  }

  async sinkReport(name: string): Promise<{
    state: State
    receipt: Receipt
    counters: Record<string, number>
    oldest: number | null
    mostReadInATurn: number
  }> {
    return (await this.#half('uplink').ask('sinkReport', name)) as never
  }

  async retry(name: string): Promise<number> {
    return (await this.#half('uplink').ask('retry', name)) as number
  }

  async read(from: Position, max = { entries: 500, bytes: 2 ** 16 }): Promise<readonly Entry[]> {
    return (await this.#half('uplink').ask('read', { from, ...max })) as readonly Entry[]
  }

  /** All that is stored, oldest first. */
  async entries(): Promise<readonly Entry[]> {
    const all: Entry[] = []
    for (let seq = 1; ; seq = all.at(-1)!.position.seq + 1) {
      const some = await this.read({ epoch: 0, seq })
      if (some.length === 0) return all
      all.push(...some)
    }
  }

  async snapshot(): Promise<{ readonly at: Position; readonly batches: readonly Batch[] }> {
    return (await this.#half('uplink').ask('snapshot', undefined as never)) as never
  }

  /** Free bytes that the file system is said to have. */
  async free(bytes: number): Promise<void> {
    await this.#half('field').ask('free', bytes)
  }

  async flush(): Promise<void> {
    for (const half of new Set(this.#halves.values())) await half.ask('flush', undefined as never)
  }

  async environments(side: Side): Promise<Environments> {
    return (await this.#half(side).ask('environments', undefined as never)) as Environments
  }

  async said(side: Side = 'field'): Promise<readonly string[]> {
    return (await this.#half(side).ask('said', undefined as never)) as readonly string[]
  }

  /** Promise 15 and both ledgers, of every sink that has a place. */
  async judge(): Promise<void> {
    await this.open()
    const names = [...this.#plugs].flatMap(([name, { delivery }]) => (delivery === 'live' ? [] : [name]))
    const accounts = await Promise.all(names.map((name) => this.account(name)))
    // Gap entries are stored before what they tell of goes.
    const told = (await this.entries()).filter((entry): entry is GapEntry => entry.kind === 'gap')
    const complaints = names.flatMap((name, at) => {
      const receiver = this.receiver(name)
      return audit({ source: this.source, receiver, account: accounts[at]!, gaps: [...told, ...receiver.gaps] })
    })
    expect(complaints).toEqual([])
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────

  get #opening(): Omit<Opening, 'side'> {
    return {
      path: this.path,
      quotaBytes: 2 ** 40,
      commitEveryMs: 0,
      evict: 'oldest',
      segmentBytes: undefined,
      tags: 3,
      wall: this.wall,
      monotonic: this.#monotonic,
      boot: 'boot-1',
      ...this.#settings,
    }
  }

  #half(side: Side): Half {
    const half = this.#halves.get(side)
    if (half === undefined) throw new Error(`${side} does not run`)
    return half
  }

  #start(user: User | undefined): Half {
    const hearing: Hearing = {
      outcomes: (outcomes) => this.source.learn(outcomes),
      deliver: (delivery) => this.#deliver(delivery),
      ready: ({ name }) => this.receiver(name).link,
    }
    return new Half(hearing, user)
  }

  async #openSide(side: Opening['side'], half: Half): Promise<void> {
    this.stream = (await half.ask('open', { side, ...this.#opening })) as string
    if (this.#readers !== undefined) await half.ask('configure', { readers: this.#readers })
    if (side !== 'field') for (const plug of this.#plugs.values()) await half.ask('plug', plug)
  }

  async #deliver(delivery: Delivery): Promise<{ rejected: never } | { thrown: { name: string; message: string } }> {
    try {
      return { rejected: (await this.receiver(delivery.name).deliver(delivery)) as never }
    } catch (thrown) {
      const { name, message } = thrown as Error
      return { thrown: { name, message } }
    }
  }
}
