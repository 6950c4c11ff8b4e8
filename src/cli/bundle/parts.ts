/** What the archive is made of: the answers of our own commands, and what the box says. Each part for itself: one that fails is a
 *  sentence saying why. */
import { Rejected, sentence } from '../../contracts/errors.ts'
import { expose } from '../../health/metrics/exposition.ts'
import { familiesOf } from '../../health/metrics/families.ts'
import type { Command, Invocation, Screen } from '../command.ts'
import { withHalves } from '../running.ts'
import { reportOf } from '../status.ts'
import { FACTS } from './facts.ts'

export interface Part {
  /** In the archive. */
  readonly name: string
  /** Throws with why there is none. */
  readonly make: () => Promise<string>
  /** What is kept of what is too long: its beginning, or its end. */
  readonly keep?: 'end'
  /** Its secrets were taken out by its structure already. */
  readonly structured?: true
}

const OWN_MS = 60_000
const MOST_CAUGHT = 8 << 20
const FRAMES = '300'

export function partsOf(invocation: Invocation, configuration: readonly Part[]): readonly Part[] {
  const own = (
    name: string,
    load: () => Promise<{ readonly command: Command }>,
    more: Partial<Invocation> = {},
  ): Part => ({
    name,
    make: async () => answerOf((await load()).command, { ...invocation, json: false, words: [], options: {}, ...more }),
  })
  const json = { json: true }
  return [
    own('status.txt', () => import('../status.ts')),
    own('status.json', () => import('../status.ts'), json),
    { name: 'metrics.txt', make: () => metrics(invocation) },
    own('board.txt', () => import('../board.ts')),
    own('board.json', () => import('../board.ts'), json),
    own('check.txt', () => import('../check.ts')),
    ...configuration,
    own('log/status.txt', () => import('../log/status.ts')),
    own('log/audit.json', () => import('../log/status.ts'), { ...json, options: { audit: true } }),
    own('log/gaps.txt', () => import('../log/gaps.ts')),
    { name: 'frames.txt', make: () => frames(invocation) },
    ...FACTS,
  ]
}

/** What a command prints, with its exit status where that is not 0. */
async function answerOf(command: Command, invocation: Invocation): Promise<string> {
  const { clock, signal } = invocation
  const caught = new Caught()
  const late = new AbortController()
  const stop = clock.after(OWN_MS, () => late.abort())
  try {
    const status = await command({ ...invocation, screen: caught, signal: AbortSignal.any([signal, late.signal]) })
    return status === 0 ? caught.text : `${caught.text}(exit status ${status})\n`
  } catch (thrown) {
    if (late.signal.aborted) return `${caught.text}(not finished within ${OWN_MS / 1000} s)\n`
    throw thrown
  } finally {
    stop()
  }
}

async function metrics({ file, clock, signal }: Invocation): Promise<string> {
  const report = await withHalves({ file, signal }, 'inspect', (halves) => reportOf(halves, { clock, signal }))
  return (await expose(familiesOf({ report, devices: true }), { openMetrics: false })).text
}

/** Of each connection: what surrounded its last faults, and its last frames. */
async function frames(invocation: Invocation): Promise<string> {
  const { file, clock, signal } = invocation
  const report = await withHalves({ file, signal }, 'inspect', (halves) => reportOf(halves, { clock, signal }))
  const { command } = await import('../trace.ts')
  const told: string[] = []
  for (const { name } of report.connections) {
    for (const options of [{ frozen: true }, { last: FRAMES }]) {
      const asked = { ...invocation, json: false, words: [name], options }
      const text = await answerOf(command, asked).catch((thrown) => `${sentence(thrown)}\n`)
      told.push(
        `── ${name}, ${'frozen' in options ? 'around its last faults' : `its last ${FRAMES} frames`}\n\n${text}`,
      )
    }
  }
  if (report.log === null) throw new Rejected('the field half is not running: it alone remembers frames')
  return told.join('\n')
}

/** Takes what a command prints. */
class Caught implements Screen {
  readonly isTerminal = false
  readonly colour = false
  readonly unicode = true
  readonly columns = 140
  readonly rows = 40
  text = ''

  print(text: string): void {
    this.raw(`${text}\n`)
  }

  raw(text: string): void {
    if (this.text.length < MOST_CAUGHT) this.text += text
  }

  document(value: unknown): void {
    this.print(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one), 1))
  }

  complain(text: string): void {
    this.print(text)
  }
}
