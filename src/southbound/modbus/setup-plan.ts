/** What a device's set-up adds to reading it, for budgets and for people. Pure. */
import { isBits } from './address.ts'
import { wireCost } from './plan-wire.ts'
import type { ConnectionSettings, DeviceSettings, SetupEntry } from './settings.ts'

type Setup = DeviceSettings['setup']

/** Milliseconds that the entries with `when: cycle` take before each reading of a group. */
export function setupMs(setup: Setup, connection: ConnectionSettings): number {
  const { weight } = wireCost(connection)
  return setup.reduce((sum, { settings, when }) => {
    if (when !== 'cycle') return sum
    const { area, span, readBackMs } = settings
    const onceMs = weight(span, area !== 'fifo' && area !== 'file' && isBits(area))
    return sum + (readBackMs === null ? onceMs : 2 * onceMs + readBackMs)
  }, 0)
}

const OCCASIONS: Readonly<Record<SetupEntry['when'], string>> = {
  connect: 'after connecting',
  return: 'after connecting, and when the device is back',
  cycle: 'before each reading',
}

/** One line an occasion: `before each reading 40051 = 300 is written`. */
export function setupTexts(setup: Setup): readonly string[] {
  return (Object.keys(OCCASIONS) as SetupEntry['when'][]).flatMap((when) => {
    const texts = setup.filter((entry) => entry.when === when).map(({ text }) => text)
    return texts.length === 0
      ? []
      : [`${OCCASIONS[when]}, ${texts.join(', ')} ${texts.length === 1 ? 'is' : 'are'} written`]
  })
}
