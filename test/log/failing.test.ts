/** A disk that fails in every way it can, at any moment: the process lives, what was promised is there, what was refused is
 *  told to the entry, and the log goes on by itself. The disk's failures are a preloaded library's; the ledgers are the
 *  appender's and the receiver's. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { seeded } from '../../hal/simulated/random.ts'
import { cutErrorText } from '../../src/log/segments/error-text.ts'
import { expectAudited } from './audited.ts'
import { contentsOf } from './contents.ts'
import { canFailDisks, ERRNO, type FailingDisk, failingDisk } from './failing-disk.ts'

/** Spells of random faults; more with FIELDGATE_SPELLS. */
const SPELLS = Number(process.env.FIELDGATE_SPELLS ?? 25)

if (!canFailDisks) console.error('SKIPPED: disks that fail, for want of cc')
const APPENDER = new URL('appender.ts', import.meta.url).pathname
const root = mkdtempSync(join(tmpdir(), 'fieldgate-failing-'))
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(() => rmSync(root, { recursive: true, force: true }))
let runs = 0

interface Ledger {
  /** By count: where it was promised to be. */
  readonly promised: Map<number, { epoch: number; seq: number }>
  readonly refused: Set<number>
  readonly delivered: Set<number>
  /** Confirmed up to this seq. */
  confirmed: number
}

interface Run {
  readonly path: string
  readonly disk: FailingDisk
  readonly ledger: Ledger
  /** Resolves once the ledger says so. Rejects when the process ends. */
  until(what: string, is: () => boolean): Promise<void>
  killed(): Promise<void>
}

/** An appender on a disk of its own; it waits a hundredth of the time that it should, and commits every 5 ms. */
function appending(): Run {
  const path = join(root, String(++runs))
  const disk = failingDisk(root, path, runs)
  const child = spawn(process.execPath, [APPENDER, path, '1', '5', '100'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...disk.env },
  })
  children.push(child)
  let said = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-2000)
  })
  const ledger: Ledger = { promised: new Map(), refused: new Set(), delivered: new Set(), confirmed: 0 }
  const waiting = new Set<() => void>()
  const lines = createInterface({ input: child.stdout! })
  const closed = once(lines, 'close')
  lines.on('line', (line) => {
    const [one, two, three] = line.split(' ').slice(1).map(Number) as [number, number, number]
    if (line.startsWith('a ')) ledger.promised.set(one, { epoch: two, seq: three })
    else if (line.startsWith('r ')) ledger.refused.add(one)
    else if (line.startsWith('k ')) ledger.confirmed = Math.max(ledger.confirmed, one)
    else if (line.startsWith('d ')) for (let seq = one; seq <= two; seq++) ledger.delivered.add(seq)
    for (const look of waiting) look()
  })
  const exit = once(child, 'exit')
  return {
    path,
    disk,
    ledger,
    until: (what, is) =>
      new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (!is()) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        void exit.then(([code, signal]) =>
          reject(new Error(`the process ended (${code} ${signal}) while waiting for ${what}: ${said}`)),
        )
        look()
      }),
    async killed() {
      child.kill('SIGKILL')
      await Promise.all([exit, closed])
    },
  }
}

/** What the log holds afterwards is what was promised, and what it tells of is what was refused. */
async function audit({ path, ledger }: Run): Promise<void> {
  await expectAudited(path)
  const entries = await contentsOf(path)
  const found = new Map(
    entries.flatMap((entry) => (entry.kind === 'batch' ? [[entry.batch.numbers[0]!, entry.position] as const] : [])),
  )
  for (const [count, position] of ledger.promised) expect(found.get(count), `batch ${count}`).toEqual(position)
  for (const count of ledger.refused) expect(found.has(count), `batch ${count} was refused`).toBe(false)
  const told = entries.reduce(
    (sum, entry) => sum + (entry.kind === 'gap' && entry.why === 'refused' ? entry.entries : 0),
    0,
  )
  expect(told).toBe(ledger.refused.size)
  const last = Math.max(...ledger.delivered)
  for (let seq = 1; seq <= last; seq++) expect(ledger.delivered.has(seq), `seq ${seq} delivered`).toBe(true)
}

describe.skipIf(!canFailDisks)('a disk that fails', { timeout: 60_000 }, () => {
  const { short, EIO, ENOSPC, EROFS } = ERRNO
  const cases: readonly (readonly [string, string])[] = [
    ['a write with EIO', `write ${EIO} 1000`],
    ['now and then a write with EIO', `write ${EIO} 100`],
    ['a write for want of space', `write ${ENOSPC} 1000 segments`],
    ['now and then a write for want of space', `write ${ENOSPC} 300 segments`],
    [
      'everything that is written, because it is read-only',
      `write ${EROFS} 1000\ncreate ${EROFS} 1000\nrename ${EROFS} 1000\nunlink ${EROFS} 1000\nmkdir ${EROFS} 1000`,
    ],
    ['now and then by writing less than it should', `write ${short} 200`],
    ['a sync with EIO', `sync ${EIO} 1000`],
    ['now and then a sync with EIO', `sync ${EIO} 100`],
    ['the renaming of log.json', `rename ${EIO} 1000 log.json\nwrite ${EIO} 200 segments`],
  ]
  for (const [what, order] of cases) {
    it(`refuses ${what}`, async () => {
      const run = appending()
      const { ledger, disk } = run
      for (let round = 1; round <= 3; round++) {
        const [stored, refused] = [ledger.promised.size, ledger.refused.size]
        await run.until('batches before the fault', () => ledger.promised.size > stored + 400 + round * 97)
        disk.orders(order)
        await run.until('a refusal', () => ledger.refused.size > refused + 20)
        disk.orders()
        const again = ledger.promised.size
        await run.until('batches after the fault', () => ledger.promised.size > again + 800)
        await run.until('deliveries', () => ledger.confirmed > again)
      }
      await run.killed()
      await audit(run)
    })
  }

  for (const [what, order] of [
    ['a write', `write ${EIO} 1000 readers`],
    ['a sync', `sync ${EIO} 300 readers`],
    ['the file', `write ${ENOSPC} 1000 readers\ncreate ${EROFS} 1000 readers`],
  ] as const) {
    it(`refuses ${what} of confirmations: batches are stored, sinks served, and the places stored later`, async () => {
      const run = appending()
      const { ledger, disk } = run
      await run.until('confirmations', () => ledger.confirmed > 500)
      disk.orders(order)
      const before = ledger.promised.size
      await run.until('batches beside the fault', () => ledger.promised.size > before + 1500)
      disk.orders()
      const { seq } = [...ledger.promised.values()].at(-1)!
      await run.until('confirmations after the fault', () => ledger.confirmed >= seq)
      expect(ledger.refused.size).toBe(0)
      await run.killed()
      await audit(run)
    })
  }

  it(`fails in any way at any moment, ${SPELLS} times`, { timeout: 60_000 + SPELLS * 2000 }, async () => {
    const run = appending()
    const { ledger, disk } = run
    const random = seeded(20261121)
    const one = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!
    for (let round = 0; round < SPELLS; round++) {
      const start = ledger.promised.size
      await run.until('batches', () => ledger.promised.size > start + 20 + random() * 300)
      const where = one(['', 'segments', 'readers', 'log.json', 'boots.json', 'gaps'])
      const calls = one([['write'], ['sync'], ['write', 'sync'], ['write', 'sync', 'rename'], ['unlink', 'write']])
      disk.orders(...calls.map((call) => `${call} ${one([EIO, ENOSPC, EROFS])} ${one([30, 300, 1000])} ${where}`))
      const [stored, refused] = [ledger.promised.size, ledger.refused.size]
      const enough = 10 + random() * 200
      await run.until('something', () => ledger.promised.size - stored + ledger.refused.size - refused > enough)
      disk.orders()
    }
    const last = ledger.promised.size
    await run.until('batches at the end', () => ledger.promised.size > last + 800)
    const { seq } = [...ledger.promised.values()].at(-1)!
    await run.until('confirmations at the end', () => ledger.confirmed >= seq)
    expect(ledger.refused.size).toBeGreaterThan(100)
    await run.killed()
    await audit(run)
    const { promised, refused } = ledger
    console.log(
      `${SPELLS} spells of faults: ${promised.size} batches promised, 0 lost; ${refused.size} refused, all told; 0 aborts`,
    )
  })

  it('cannot end the process by what lmdb says of it', () => {
    // Environments are open in this process: its module is mapped.
    expect(cutErrorText()).toBe('short')
  })
})
