/** `rs485` of a Telegraf plugin: what the kernel is asked for (TIOCSRS485). */
import { parseDuration } from '../../contracts/units.ts'
import { isMap, type Keys, given as withoutGaps } from './findings.ts'

/** The kernel waits no longer. */
const LONGEST_DELAY_MS = 100
const KEYS = [
  'delay_rts_before_send',
  'delay_rts_after_send',
  'rts_high_during_send',
  'rts_high_after_send',
  'rx_during_tx',
]

/** undefined: it has none. `duration`: as this file's texts have it. */
export function rs485Of(
  given: unknown,
  options: { duration: (value: unknown, key: string) => string | undefined; note: (text: string) => void },
): Keys | undefined {
  if (!isMap(given)) return undefined
  for (const key of Object.keys(given)) if (!KEYS.includes(key)) options.note(`rs485.${key} is not carried over`)
  const delay = (key: string): string | undefined => {
    const text = options.duration(given[key], `rs485.${key}`)
    const ms = text === undefined ? 0 : (parseDuration(text) ?? 0)
    if (ms <= LONGEST_DELAY_MS) return ms === 0 ? undefined : text
    options.note(`rs485.${key} is longer than the kernel waits: ${LONGEST_DELAY_MS}ms instead`)
    return `${LONGEST_DELAY_MS}ms`
  }
  const [during, after] = [given.rts_high_during_send === true, given.rts_high_after_send === true]
  if (during === after)
    options.note(
      'rs485: RTS has the same level during and after sending; the level of the device tree is taken, else high while sending',
    )
  const keys = {
    mode: 'kernel',
    rtsOnSend: during === after ? undefined : during ? 'high' : 'low',
    delayBefore: delay('delay_rts_before_send'),
    delayAfter: delay('delay_rts_after_send'),
    receiveWhileSending: given.rx_during_tx === true ? true : undefined,
  }
  return withoutGaps(keys)
}
