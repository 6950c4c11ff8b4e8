/** `fieldgate scan CONNECTION`: who answers, and where asked at which settings of the line. */
import { harmless } from '../console/terminal/text.ts'
import type { Scan } from '../contracts/errand.ts'
import { type Command, Exit } from './command.ts'
import { errand } from './errand.ts'

export const command: Command = async (invocation) => {
  const { words, options, screen, json } = invocation
  const report = await errand<Scan>(invocation, 'door', 'scan', { connection: words[0], options: { ...options } })
  if (json) screen.document(report)
  else screen.print(harmless(report.text))
  return report.found.length > 0 ? Exit.done : Exit.noAnswer
}
