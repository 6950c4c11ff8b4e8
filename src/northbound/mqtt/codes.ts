/** Our reasons as Neuron's integer error codes (its `errcodes.h`): what programs that read its messages expect. */
import { Reason } from '../../contracts/batch.ts'

export const NEURON = {
  success: 0,
  bodyIsWrong: 1002,
  bodyTooBig: 1017,
  nodeNotExist: 2003,
  groupNotExist: 2106,
  tagNotExist: 2201,
  readFailure: 3000,
  writeFailure: 3001,
  disconnected: 3002,
  notAllowWrite: 3004,
  decodeFailure: 3009,
  notReady: 3011,
  noResponse: 3015,
  outOfRange: 3020,
} as const

const CODES: Readonly<Record<Reason, number>> = {
  [Reason.good]: NEURON.success,
  [Reason.noValue]: NEURON.notReady,
  [Reason.outOfRange]: NEURON.outOfRange,
  [Reason.notDecodable]: NEURON.decodeFailure,
  [Reason.timeout]: NEURON.noResponse,
  [Reason.noConnection]: NEURON.disconnected,
  [Reason.badFrame]: NEURON.decodeFailure,
  [Reason.illegalFunction]: NEURON.readFailure,
  [Reason.illegalAddress]: NEURON.readFailure,
  [Reason.illegalValue]: NEURON.readFailure,
  [Reason.deviceFailure]: NEURON.readFailure,
  [Reason.deviceBusy]: NEURON.readFailure,
  [Reason.gatewayPath]: NEURON.disconnected,
  [Reason.gatewayTarget]: NEURON.noResponse,
  [Reason.deviceSilent]: NEURON.noResponse,
  [Reason.noScale]: NEURON.notReady,
  [Reason.notPrepared]: NEURON.notReady,
  [Reason.notYet]: NEURON.notReady,
  [Reason.refused]: NEURON.notAllowWrite,
}

export function codeOf(reason: number): number {
  return CODES[reason as Reason] ?? NEURON.readFailure
}
