/** `fieldgate plan`: what the file would change in the running gateway. */
import { formatProblems } from '../config/problems.ts'
import { type Command, Exit } from './command.ts'
import type { Outcome } from './run/surfaces.ts'
import { withGateway } from './running.ts'

export const command: Command = (invocation) =>
  withGateway(invocation, 'inspect', async (gateway) => {
    const { file, json, screen } = invocation
    const outcome = (await gateway.call('plan', { file })) as Outcome
    if (json) screen.document(outcome)
    else if (!outcome.ok) screen.complain(formatProblems(outcome.problems))
    else screen.print(changesText(outcome.changes))
    return outcome.ok ? Exit.done : Exit.configuration
  })
