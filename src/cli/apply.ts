/** `fieldgate apply`: the running gateway takes the file; what did not change misses nothing. */
import { formatProblems } from '../config/problems.ts'
import { type Command, Exit } from './command.ts'
import { changesText } from './plan.ts'
import type { Outcome } from './run/surfaces.ts'
import { withGateway } from './running.ts'

export const command: Command = (invocation) =>
  withGateway(invocation, 'control', async (gateway) => {
    const { file, json, screen } = invocation
    const outcome = (await gateway.call('apply', { file })) as Outcome
    if (json) screen.document(outcome)
    else if (!outcome.ok) screen.complain(`${formatProblems(outcome.problems)}\nnothing was changed`)
    else screen.print(`${changesText(outcome.changes)}\napplied`)
    return outcome.ok ? Exit.done : Exit.configuration
  })
