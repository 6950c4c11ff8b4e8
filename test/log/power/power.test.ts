/** Power cuts: whatever an ordinary disk may hold after one, the log has all it promised, nothing it was not given, and
 *  needs nobody. docs/decisions/0028-power-cuts.md says what is tried and what is not. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Faults } from './disk.ts'
import type { Found } from './jury.ts'
import { inMemory } from './place.ts'
import { said, Trial } from './trial.ts'

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

describe('a power cut', () => {
  it('costs nothing that was promised, invents nothing, and needs no hand', { timeout: 900_000 }, async () => {
    const from = performance.now()
    const outcome = await trial().whole(STATES)
    const text = said(outcome, (performance.now() - from) / 1000, SEED)
    console.log(text)
    // What is found is looked into with this folder: it stays.
    if (outcome.findings.length > 0) folders.pop()
    expect(outcome.findings.length, text).toBe(0)
    expect(outcome.states).toBeGreaterThanOrEqual(STATES)
  })

  const files = ['files', 'O_DSYNC'] as const
  const omissions: readonly (readonly [string, Faults, Found['kind']])[] = [
    ['nothing is ever synced', { what: ['files', 'folders', 'O_DSYNC'] }, 'loss'],
    ['files are not synced', { what: ['files'] }, 'loss'],
    ['folders are not synced', { what: ['folders'] }, 'loss'],
    ['O_DSYNC is ignored', { what: ['O_DSYNC'] }, 'loss'],
    ['what the log is in is not synced', { what: ['folders'], of: '^$' }, 'loss'],
    ['its folder is not synced', { what: ['folders'], of: '^log$' }, 'loss'],
    ['the names of segments are not synced', { what: ['folders'], of: '^log/segments$' }, 'loss'],
    ['a new segment is not synced', { what: ['folders'], of: 'new$' }, 'loss'],
    ['the segments are not synced', { what: files, of: '^log/segments/.*mdb$' }, 'loss'],
    // No entry is lost with these, but all is sent again, and a person has to put an identity right.
    ['the folder of the places is not synced', { what: ['folders'], of: '^log/readers$' }, 'other'],
    ['the places are not synced', { what: files, of: '^log/readers/' }, 'other'],
    ['its identity is not synced', { what: ['files'], of: 'log.json' }, 'hand'],
  ]
  const short = trial()
  for (const [what, faults, kind] of omissions) {
    it(`is found to cost something when ${what}`, { timeout: 120_000 }, async () => {
      const { findings } = await short.faulty(kind, faults)
      expect(findings.map((finding) => finding.kind)).toContain(kind)
    })
  }

  it('is found to cost entries that were promised before they were stored', { timeout: 120_000 }, async () => {
    const { findings } = await short.faulty('loss', { what: [] }, true)
    expect(findings.map((finding) => finding.kind)).toContain('loss')
  })
})
