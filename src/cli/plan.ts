/** `fieldgate plan`: what the file would change in the running gateway. */

import type { Change } from '../config/diff.ts'
import { formatProblems } from '../config/problems.ts'
import { table } from '../console/terminal/table.ts'
import { harmless } from '../console/terminal/text.ts'
import { type Command, Exit } from './command.ts'
import type { Outcome } from './run/applying.ts'
import { withGateway } from './running.ts'

export const command: Command = (invocation) =>
  withGateway(
    invocation,
    'inspect',
    async (gateway) => {
      const { file, json, screen } = invocation
      const outcome = (await gateway.call('plan', { file })) as Outcome
      if (json) screen.document(outcome)
      else if (!outcome.ok) screen.complain(formatProblems(outcome.problems))
      else screen.print(changesText(outcome.changes))
      return outcome.ok ? Exit.done : Exit.configuration
    },
    'uplink',
  )

/** What changes, one line a component; what is kept is only counted. */
export function changesText(changes: readonly Change[]): string {
  const moving = changes.filter(({ change }) => change !== 'kept')
  const kept = changes.length - moving.length
  const rest = kept === 1 ? '1 component is kept and misses nothing' : `${kept} components are kept and miss nothing`
  if (moving.length === 0) return `nothing changes; ${rest}`
  const rows = moving.map(({ component, change, text }) => [change, harmless(component), harmless(text)])
  const lines = table([{ title: 'CHANGE' }, { title: 'COMPONENT' }, { title: '' }], rows, Number.MAX_SAFE_INTEGER)
  return [...lines, rest].join('\n')
}
