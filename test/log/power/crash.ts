/** `npm run crash`: 10,000 disks after power cuts. Usage: node crash.ts [--states N] [--seed N]. What fails is kept. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { inMemory } from './place.ts'
import { said, Trial } from './trial.ts'

const { values } = parseArgs({
  options: { states: { type: 'string', default: '10000' }, seed: { type: 'string', default: '20260101' } },
})
const seed = Number(values.seed)
const folder = mkdtempSync(join(inMemory(), 'fieldgate-power-'))
const from = performance.now()
const outcome = await new Trial(folder, seed).whole(Number(values.states))
console.log(said(outcome, (performance.now() - from) / 1000, seed))
if (outcome.findings.length === 0) rmSync(folder, { recursive: true, force: true })
process.exitCode = outcome.findings.length === 0 ? 0 : 1
