/** Power cuts: whatever an ordinary disk may hold after one, the log has all it promised, nothing it was not given, and
 *  needs nobody. docs/decisions/0028-power-cuts.md says what is tried and what is not. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Faults } from './disk.ts'
import { inMemory } from './place.ts'
import { type Outcome, said, Trial } from './trial.ts'

const SEED = 20_260_101
const STATES = 2000
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function trial(): Trial {
  const folder = mkdtempSync(join(inMemory(), 'fieldgate-power-'))
  folders.push(folder)
  return new Trial(folder, SEED)
}

const losses = ({ findings }: Outcome): number => findings.filter(({ kind }) => kind === 'loss').length

describe('a power cut', () => {
  it('costs nothing that was promised, invents nothing, and needs no hand', { timeout: 300_000 }, async () => {
    const from = performance.now()
    const outcome = await trial().whole(STATES)
    const text = said(outcome, (performance.now() - from) / 1000, SEED)
    console.log(text)
    // What is found is looked into with this folder: it stays.
    if (outcome.findings.length > 0) folders.pop()
    expect(outcome.findings.length, text).toBe(0)
    expect(outcome.states).toBeGreaterThanOrEqual(STATES)
  })

  const broken: readonly (readonly [string, Faults])[] = [
    ['nothing is ever synced', { files: true, folders: true, each: true }],
    ['files are not synced', { files: true }],
    ['folders are not synced', { folders: true }],
    ['O_DSYNC is ignored', { each: true }],
  ]
  for (const [what, faults] of broken) {
    it(`is found to cost entries when ${what}`, { timeout: 120_000 }, async () => {
      expect(losses(await trial().faulty(60, faults))).toBeGreaterThan(0)
    })
  }

  it('is found to cost entries that were promised before they were stored', { timeout: 120_000 }, async () => {
    expect(losses(await trial().faulty(60, {}, true))).toBeGreaterThan(0)
  })
})
