/** What reading a device takes from its connection: from the plan and an assumed response time, or from the learnt one. Pure. */
import type { Cost } from '../../../contracts/budget.ts'
import { isBits } from '../schema/address.ts'
import type { ConnectionSettings, TagSettings } from '../settings.ts'
import type { ModbusRequest } from './plan.ts'
import { ROUND_TRIP_MS, THINKING_MS, wireCost } from './plan-wire.ts'
import type { Responses } from './response.ts'

export function costOf(
  requests: readonly ModbusRequest[],
  options: { readonly connection: ConnectionSettings; readonly responses: Responses | undefined },
): Cost {
  const { connection, responses } = options
  const { weight } = wireCost(connection)
  const line = connection.kind === 'rtu'
  const assumedMs = line ? THINKING_MS : ROUND_TRIP_MS
  const learntMs = responses?.known ? responses.quantile(0.5) : null
  const timeoutMs = requests[0]?.timeoutMs ?? connection.timeoutMs
  const answerMs = learntMs ?? assumedMs
  const tryMs = (line ? responses?.tryMs(timeoutMs) : null) ?? timeoutMs
  return {
    exchangesMs: requests.map((request) => {
      const bits = request.members.length > 0 && isBits((request.members[0]!.settings as TagSettings).area)
      return Math.max(0, weight(request.quantity, bits) - assumedMs) + answerMs
    }),
    // The first silence, and the one repetition with which it is made sure of.
    fallMs: timeoutMs + ((requests[0]?.retries ?? 0) > 0 ? tryMs : 0),
    tryMs,
    basis:
      learntMs === null
        ? `assumed: every device answers after ${assumedMs} ms${line ? '' : ' over the network'}`
        : 'with the response times that were learnt',
  }
}
