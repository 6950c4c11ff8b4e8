/** A process killed at any moment, and a disk that refuses: what was promised is there afterwards, once. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, it } from 'vitest'
import type { Entry } from '../../src/contracts/log.ts'
import { openLog } from '../../src/log/log.ts'
import { SystemClock } from '../../src/time/system-clock.ts'
import { Said } from './batches.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-killed-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const APPENDER = new URL('appender.ts', import.meta.url).pathname

function appender(words: readonly string[], options: { readonly fileBlocks?: number } = {}): ChildProcess {
  const limit = options.fileBlocks === undefined ? '' : `ulimit -f ${options.fileBlocks}; `
  const script = `${limit}exec "$0" "$@"`
  return spawn('sh', ['-c', script, process.execPath, APPENDER, ...words], { stdio: ['ignore', 'pipe', 'ignore'] })
}

/** Every line the process said, until it is killed: when `enough` says so. */
async function linesUntil(child: ChildProcess, enough: (line: string) => boolean): Promise<string[]> {
  const lines: string[] = []
  const reading = createInterface({ input: child.stdout! })
  const exited = once(child, 'exit')
  reading.on('line', (line) => {
    lines.push(line)
    if (enough(line)) child.kill('SIGKILL')
  })
  await Promise.all([once(reading, 'close'), exited])
  return lines
}

async function contentsOf(path: string): Promise<readonly Entry[]> {
  const log = await openLog({
    path,
    quotaBytes: 2 ** 30,
    commitEveryMs: 0,
    evict: 'oldest',
    segmentBytes: 300_000,
    clock: new SystemClock(),
    log: new Said(),
  })
  const all: Entry[] = []
  for (;;) {
    const from = { epoch: 0, seq: (all.at(-1)?.position.seq ?? 0) + 1 }
    const some = log.reader.read(from, { entries: 500, bytes: 2 ** 16 })
    if (some.length === 0) break
    all.push(...some)
  }
  await log.close()
  return all
}

const numbersOf = (line: string): number[] => line.split(' ').slice(1).map(Number)

describe('a gateway killed at any moment', () => {
  for (const commitEveryMs of [0, 20]) {
    it(`has everything that was promised, once and in order (commitEvery ${commitEveryMs} ms)`, {
      timeout: 120_000,
    }, async () => {
      const path = join(root, `every-${commitEveryMs}`)
      const promised = new Map<number, string>()
      const delivered = new Set<number>()
      const confirmed = new Set<number>()
      let next = 1
      for (let kill = 0; kill < 12; kill++) {
        let left = 1 + Math.floor(Math.random() * 1500)
        const lines = await linesUntil(appender([path, String(next), String(commitEveryMs)]), () => --left === 0)
        let upTo = 0
        const now: number[] = []
        for (const line of lines) {
          const [one, two, three] = numbersOf(line) as [number, number, number]
          if (line.startsWith('a ')) {
            promised.set(one, `${two}/${three}`)
            next = Math.max(next, one + 1000)
          } else if (line.startsWith('d ')) {
            for (let seq = one; seq <= two; seq++) {
              // What was confirmed durably before the kill is never sent again.
              expect(confirmed.has(seq)).toBe(false)
              now.push(seq)
            }
          } else if (line.startsWith('k ')) upTo = Math.max(upTo, one)
        }
        for (const seq of now) {
          delivered.add(seq)
          if (seq <= upTo) confirmed.add(seq)
        }
      }
      expect(promised.size).toBeGreaterThan(1000)
      const found = new Map<number, string>()
      let last = 0
      for (const entry of await contentsOf(path)) {
        if (entry.kind !== 'batch') expect.unreachable(entry.kind)
        const [count] = entry.batch.numbers
        expect(found.has(count!)).toBe(false)
        expect([...entry.batch.numbers].every((number) => number === count)).toBe(true)
        expect(count).toBeGreaterThan(last)
        last = count!
        found.set(count!, `${entry.position.epoch}/${entry.position.seq}`)
      }
      for (const [count, position] of promised) expect(found.get(count)).toBe(position)
      const highest = Math.max(...delivered)
      for (let seq = 1; seq <= highest; seq++) expect(delivered.has(seq)).toBe(true)
    })
  }
})

describe('a disk that refuses', () => {
  it('costs what was refused, and nothing that was promised; the log goes on by itself', {
    timeout: 60_000,
  }, async () => {
    const path = join(root, 'refusing')
    // No file may pass 200 KiB, and a segment would: each ends in an I/O error, and another is begun. A write error makes
    // lmdb 3.5.6 print into a buffer that is sometimes too small, which ends the process: then it is started again, as a
    // supervisor would.
    let refused = 0
    let after = 0
    const lines: string[] = []
    for (let life = 0; life < 20 && after <= 3000; life++) {
      const child = appender([path, String(1 + life * 1_000_000), '5', '100'], { fileBlocks: 400 })
      const said = await linesUntil(child, (line) => {
        if (line === 'r') refused++
        else if (refused > 0 && line.startsWith('a ')) after++
        return after > 3000
      })
      lines.push(...said)
    }
    const promised = lines.filter((line) => line.startsWith('a ')).map(numbersOf)
    expect(refused).toBeGreaterThan(0)
    const entries = await contentsOf(path)
    const found = new Map(
      entries.flatMap((entry) => (entry.kind === 'batch' ? [[entry.batch.numbers[0]!, entry.position]] : [])),
    )
    for (const [count, epoch, seq] of promised) expect(found.get(count!)).toEqual({ epoch, seq })
    const told = entries.reduce(
      (sum, entry) => sum + (entry.kind === 'gap' && entry.why === 'refused' ? entry.entries : 0),
      0,
    )
    expect(told).toBeGreaterThan(0)
  })
})
