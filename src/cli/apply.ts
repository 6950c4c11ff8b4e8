/** `fieldgate apply`: the running gateway takes the file; what did not change misses nothing. Each half checks it first; it is in
 *  force for all from the moment that one of them has made it the active one. */
import { formatProblems } from '../config/problems.ts'
import { Rejected, sentence } from '../contracts/errors.ts'
import { type Command, Exit } from './command.ts'
import { changesText } from './plan.ts'
import type { Outcome, Prepared } from './run/applying.ts'
import { type Answering, withHalves } from './running.ts'

interface Holding extends Answering {
  readonly hold: string
}

export const command: Command = (invocation) =>
  withHalves(invocation, 'control', async (halves) => {
    const { file, json, screen } = invocation
    const outcome = await applied(halves, file)
    if (json) screen.document(outcome)
    else if (!outcome.ok) screen.complain(`${formatProblems(outcome.problems)}\nnothing was changed`)
    else screen.print(`${changesText(outcome.changes)}\napplied`)
    return outcome.ok ? Exit.done : Exit.configuration
  })

/** Throws what a half throws; then nothing was changed, unless it says so. */
async function applied(halves: readonly Answering[], file: string): Promise<Outcome> {
  const holding: Holding[] = []
  let first: (Outcome & { readonly ok: true }) | undefined
  try {
    for (const half of halves) {
      // In one order everywhere: of two people who apply at once one gets all.
      const prepared = (await half.gateway.call('prepare', { file })) as Prepared
      if (!prepared.ok) {
        await abandoned(holding)
        return prepared
      }
      const { hold, ...outcome } = prepared
      holding.push({ ...half, hold })
      first ??= outcome
      if (first.revision !== outcome.revision)
        throw new Rejected('the file changed while it was checked: apply it again')
    }
  } catch (thrown) {
    await abandoned(holding)
    throw thrown
  }
  const [decider] = holding
  const refusal = await decider!.gateway.call('decide', { hold: decider!.hold }).then(
    () => undefined,
    (thrown: unknown) => ({ thrown }),
  )
  // Whatever became of that: each half sees for itself what is the active one.
  const failures = await settled(holding, first!.revision)
  if (refusal !== undefined && failures.length === holding.length) throw refusal.thrown
  if (failures.length === 0) return first!
  throw new Rejected(`it is the active configuration now, but ${failures.join('; ')}: restart it`)
}

async function abandoned(holding: readonly Holding[]): Promise<void> {
  await Promise.all(holding.map(({ gateway, hold }) => gateway.call('abandon', { hold }).catch(() => undefined)))
}

/** Half by half, the sinks first: nothing new is read before there is somewhere for it to go. Returns who has not taken it. */
async function settled(holding: readonly Holding[], revision: string): Promise<readonly string[]> {
  const failures: string[] = []
  for (const { side, gateway, hold } of [...holding].reverse()) {
    try {
      const now = (await gateway.call('settle', { hold })) as { readonly revision: string }
      if (now.revision !== revision) failures.push(`${nameOf(side)} did not take it`)
    } catch (thrown) {
      failures.push(`${nameOf(side)} did not take it: ${sentence(thrown)}`)
    }
  }
  return failures
}

function nameOf(side: Answering['side']): string {
  return side === 'both' ? 'the gateway' : `the ${side} half`
}
