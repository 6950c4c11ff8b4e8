/** `fieldgate why DEVICE`: the diagnosis, step by step, ending in one sentence and one thing to do. */
import { harmless } from '../console/terminal/text.ts'
import type { Diagnosis } from '../contracts/errand.ts'
import { type Command, Exit } from './command.ts'
import { errand } from './errand.ts'
import { isDoorOpen } from './running.ts'

/** The device is there, whatever else is wrong with it. */
const THERE: ReadonlySet<string> = new Set([
  'answers',
  'odd value',
  'too much at once',
  'other area',
  'off by one',
  'no such address',
  'device fault',
])

export const command: Command = async (invocation) => {
  const { words, screen, json } = invocation
  // Where the door is shut there still is something to look at.
  const socket = (await isDoorOpen(invocation)) ? 'door' : 'inspect'
  const report = await errand<Diagnosis>(invocation, socket, 'why', { device: words[0] })
  if (json) screen.document(report)
  else screen.print(`\n${harmless(report.sentence)}\n→ ${harmless(report.action)}`)
  return THERE.has(report.branch) ? Exit.done : Exit.noAnswer
}
