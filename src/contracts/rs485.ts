/** What of `rs485` does not go together, whoever says it: a connection, or a board file. */

/** The kernel waits no longer (RS485_MAX_RTS_DELAY). */
export const LONGEST_DELAY_MS = 100

const OF_KERNEL = ['rtsOnSend', 'receiveWhileSending', 'terminate']

/** Keys that the mode cannot have, each with why. */
export function rs485Contradictions(
  given: Readonly<Record<string, unknown>>,
): readonly (readonly [key: string, text: string])[] {
  const wrong = (keys: readonly string[], text: string): (readonly [string, string])[] =>
    keys.filter((key) => given[key] !== undefined).map((key) => [key, `${key} ${text}`])
  switch (given.mode) {
    case 'kernel':
      return wrong(['enable'], 'belongs to mode gpio or auto: with mode kernel the driver knows its own line')
    case 'gpio':
      return wrong(OF_KERNEL, 'belongs to mode kernel or auto: a line of a GPIO chip only enables the transmitter')
    case 'adapter':
      return wrong(
        ['enable', 'delayBefore', 'delayAfter', ...OF_KERNEL],
        'cannot be had with mode adapter: the hardware switches by itself',
      )
    default:
      return []
  }
}
