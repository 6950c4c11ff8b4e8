/** `npm run bench -- NAME [--json] [--small]`: one claim, measured against its reference in the same run. */
import { readdirSync } from 'node:fs'

/** What every bench gives: its figures, its target, and whether it was met. */
export interface BenchResult {
  readonly bench: string
  readonly target: string
  readonly verdict: 'met' | 'missed'
  readonly [figure: string]: unknown
}

const FOLDER = new URL('../test/bench/', import.meta.url)
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.replace('.bench.ts', ''))

const words = process.argv.slice(2)
const name = words.find((word) => !word.startsWith('--'))
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME [--json] [--small]\nNAME is one of: ${names.join(', ')}`)
  process.exit(2)
}
const { run } = (await import(new URL(`${name}.bench.ts`, FOLDER).href)) as {
  run: (options: { small: boolean }) => Promise<BenchResult>
}
const result = await run({ small: words.includes('--small') })
if (words.includes('--json')) console.log(JSON.stringify(result))
else console.log(JSON.stringify(result, null, 2))
process.exit(0)
