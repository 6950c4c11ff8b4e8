/** `fieldgate board`: what the box has of what its board describes, what is missing, and what to do. Works whether or not the
 *  service runs, and with whatever configuration there is. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { BoardDescription, BoardReport, PartReport } from '../../hal/contract.ts'
import { readMachine } from '../../hal/linux/machine.ts'
import { boards } from '../catalog.ts'
import { type BoardAlone, boardAlone } from '../config/board-alone.ts'
import { formatProblems, type Problem } from '../config/problems.ts'
import { fitting, nearness } from '../config/shelf.ts'
import { logPathOf } from '../config/sockets.ts'
import { harmless } from '../console/terminal/text.ts'
import { bytes } from '../console/terminal/words.ts'
import { storageLights } from '../health/language/sys.ts'
import { type Command, Exit, type Screen } from './command.ts'
import { boardOf } from './run/board.ts'

const GENERIC: BoardAlone = {
  board: { name: 'generic', title: 'Linux box', models: [], ports: {}, leds: {} },
  problems: [],
  notices: [],
}

export const command: Command = async ({ file, json, screen, clock }) => {
  const known = boards()
  const options = { boards: known, env: process.env }
  const own = boardAlone(file, options)
  const { board, problems, notices } = own ?? boardAlone(join(logPathOf(file), 'active.yaml'), options) ?? GENERIC
  const opened = await boardOf(board, clock)
  const described = await opened.describe()
  const report: BoardReport = {
    ...described,
    parts: [...suits(board, known), ...described.parts, ...(await storage(logPathOf(file)))],
  }
  const ok = problems.length === 0 && report.parts.every(({ state }) => state === 'found')
  const said = own === undefined ? [...notices, `${file} cannot be read: this is what there is without it`] : notices
  if (json) screen.document({ ok, ...report, problems, notices: said })
  else show(report, { problems, notices: said, screen })
  return ok ? Exit.done : Exit.failed
}

/** Whether it is the right board at all. */
function suits(board: BoardDescription, known: ReturnType<typeof boards>): PartReport[] {
  const part = { part: 'board', name: board.name, device: null } as const
  const itself = `this box calls itself ${known.model ?? 'nothing'}`
  if (nearness(board.models, known) !== undefined) return [{ ...part, state: 'found', text: itself }]
  const [best] = fitting(known)
  const hint = best === undefined ? '' : `; write board: ${best}, which describes it`
  // A board that says what it is for is wrong elsewhere.
  if (board.models.length > 0) {
    const text = `${itself}, and ${board.name} is for ${board.models.join(', ')}${hint}`
    return [{ ...part, state: 'missing', text }]
  }
  return best === undefined ? [] : [{ ...part, state: 'found', text: itself + hint }]
}

/** Where the log stands, in the words of the lamps. Nothing where there is no log yet. */
async function storage(path: string): Promise<PartReport[]> {
  const part = { part: 'storage', name: path, device: null } as const
  try {
    await stat(path)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EACCES') return []
    const text = 'this user may not look at it; run this as root, or join the group fieldgate'
    return [{ ...part, state: 'refused', text }]
  }
  const { storages } = await readMachine({ paths: [path] })
  return storages.map((one) => {
    const faults = storageLights([one]).map(({ text }) => text)
    return faults.length === 0
      ? { ...part, state: 'found', text: `${bytes(one.freeBytes)} of ${bytes(one.totalBytes)} free` }
      : { ...part, state: 'broken', text: faults.join('. ') }
  })
}

const HEADINGS: Readonly<Record<PartReport['part'], string>> = {
  board: 'Board',
  port: 'Ports',
  led: 'LEDs',
  button: 'Button',
  watchdog: 'Watchdog',
  chip: 'GPIO chips',
  storage: 'Storage',
}

function show(
  { board, title, model, kernel, parts }: BoardReport,
  { problems, notices, screen }: { problems: readonly Problem[]; notices: readonly string[]; screen: Screen },
): void {
  for (const notice of notices) screen.complain(`Note: ${notice}`)
  if (problems.length > 0) screen.complain(formatProblems(problems))
  screen.print(harmless(`${title} (${board}), ${model ?? 'no model known'}, Linux ${kernel}`))
  const width = Math.max(0, ...parts.map(({ name }) => name.length))
  for (const [part, heading] of Object.entries(HEADINGS)) {
    const own = parts.filter((one) => one.part === part)
    if (own.length === 0) continue
    screen.print(`\n${heading}`)
    for (const { name, state, text } of own) {
      screen.print(harmless(`  ${name.padEnd(width)}  ${state.padEnd(7)}  ${text}`))
    }
  }
  const bad = parts.filter(({ state }) => state !== 'found').length
  const all = bad === 0 && problems.length === 0
  screen.print(
    all ? '\nAll is there.' : `\n${bad + problems.length} to look at: what is not "found" above says what to do.`,
  )
}
