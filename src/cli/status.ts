/** `fieldgate status`: one screen of what the running gateway says of itself. */
import { renderStatus } from '../console/terminal/status.ts'
import type { GatewayReport } from '../contracts/report.ts'
import { type Command, Exit } from './command.ts'
import { withGateway } from './running.ts'

/** What is read by a program or a file is not folded to a width nobody looks at. */
const UNBOUNDED = 240

export const command: Command = (invocation) =>
  withGateway(invocation, 'inspect', async (gateway) => {
    const { json, screen } = invocation
    const report = (await gateway.call('status', {})) as GatewayReport
    if (json) screen.document(report)
    else {
      const columns = screen.isTerminal ? screen.columns : UNBOUNDED
      screen.print(renderStatus(report, { columns, style: { colour: screen.colour, unicode: screen.unicode } }))
    }
    return Exit.done
  })
