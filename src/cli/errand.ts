/** Work by hand at the running gateway that is told as it goes: lines while it lasts, and what it came to. */
import { harmless } from '../console/terminal/text.ts'
import { Reason } from '../contracts/batch.ts'
import { Retryable } from '../contracts/errors.ts'
import type { Invocation } from './command.ts'
import { type Connected, withGateway } from './running.ts'

/** With `--json` nothing is said but the end. Throws what the gateway throws. */
export function errand<Report>(
  invocation: Invocation,
  socket: 'door' | 'inspect',
  method: string,
  params: object,
): Promise<Report> {
  const { json, screen, signal } = invocation
  return withGateway(invocation, socket, async (gateway: Connected) => {
    let report: Report | undefined
    for await (const event of gateway.stream(method, params, signal)) {
      const news = event as { readonly line?: string; readonly report?: Report }
      if (news.line !== undefined && !json) screen.print(harmless(news.line))
      report = news.report ?? report
    }
    if (report !== undefined) return report
    throw new Retryable(signal.aborted ? 'interrupted' : 'the gateway has stopped', { reason: Reason.noConnection })
  })
}
