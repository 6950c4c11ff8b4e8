/** What is written beside the reading of a group, for budgets and for people. Pure. */
import type { GroupPlan } from '../../../contracts/driver.ts'
import { wireCost } from '../plan/plan-wire.ts'
import type { ConnectionSettings, DeviceSettings, SetupEntry, TagSettings } from '../settings.ts'
import { isPartial } from '../values/encode.ts'
import { isBits } from './address.ts'

type Setup = DeviceSettings['setup']

/** Milliseconds that the entries with `when: cycle` take before each reading of a group. */
export function setupMs(setup: Setup, connection: ConnectionSettings): number {
  return setup.reduce((sum, { settings, when }) => sum + (when === 'cycle' ? writeMs(settings, connection) : 0), 0)
}

/** One write, with what is read before and after it. */
function writeMs(settings: TagSettings, connection: ConnectionSettings): number {
  const { area, span, readBackMs, write } = settings
  const onceMs = wireCost(connection).weight(span, area !== 'fifo' && area !== 'file' && isBits(area))
  const masked = span === 1 && (write === 'auto' || write === 'mask')
  if (isPartial(settings) && !masked) return 3 * onceMs + (readBackMs ?? 0)
  return readBackMs === null ? onceMs : 2 * onceMs + readBackMs
}

/** What repeating the writes of a group takes, once all its tags that are refreshed have been written; null: none is. */
export function refreshText({ tags }: Pick<GroupPlan, 'tags'>, connection: ConnectionSettings): string | null {
  const refreshed = tags.filter(({ upkeep }) => upkeep !== undefined && upkeep.refreshMs !== null)
  if (refreshed.length === 0) return null
  const perSecondMs = refreshed.reduce(
    (sum, { settings, upkeep }) => sum + (writeMs(settings as TagSettings, connection) * 1000) / upkeep!.refreshMs!,
    0,
  )
  const what = refreshed.length === 1 ? 'one value' : `${refreshed.length} values`
  const took = perSecondMs < 10 ? perSecondMs.toFixed(1) : perSecondMs.toFixed(0)
  return `once written, ${what} of the group ${refreshed.length === 1 ? 'is' : 'are'} written again: up to ${took} ms of each second`
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
