/** A process killed at any moment: what was promised is there afterwards, once. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, it } from 'vitest'
import { expectAudited } from './audited.ts'
import { contentsOf } from './contents.ts'

const root = mkdtempSync(join(tmpdir(), 'fieldgate-killed-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const APPENDER = new URL('appender.ts', import.meta.url).pathname

function appender(words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [APPENDER, ...words], { stdio: ['ignore', 'pipe', 'ignore'] })
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
        await expectAudited(path)
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
